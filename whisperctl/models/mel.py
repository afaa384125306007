"""The mel filter bank that ggml files carry."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whisperctl.models.ggml.layout import N_FFT

_SAMPLE_RATE = 16_000
# Slaney's mel scale: linear below 1000 Hz, logarithmic above (Auditory Toolbox, 1998).
_HZ_PER_MEL = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def filters(n_mels: int) -> npt.NDArray[np.float32]:
    """Triangular filters of equal area on Slaney's mel scale, from 0 to 8000 Hz.

    The same numbers, bit for bit, as ``librosa.filters.mel(sr=16000, n_fft=400, n_mels=n_mels)``,
    which is where OpenAI's ``mel_filters.npz`` comes from: the order of operations matters.

    Returns:
        float32, shape (n_mels, 201).
    """
    top_mel = _KNEE_MEL + np.log(_SAMPLE_RATE / 2 / _KNEE_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top_mel, n_mels + 2)
    edges_hz = np.where(
        mels >= _KNEE_MEL, _KNEE_HZ * np.exp(_LOG_STEP * (mels - _KNEE_MEL)), _HZ_PER_MEL * mels
    )
    bins_hz = np.fft.rfftfreq(2 * (N_FFT - 1), 1 / _SAMPLE_RATE)
    widths = np.diff(edges_hz)
    ramps = np.subtract.outer(edges_hz, bins_hz)
    weights = np.zeros((n_mels, N_FFT), np.float32)
    for i in range(n_mels):
        rising, falling = -ramps[i] / widths[i], ramps[i + 2] / widths[i + 1]
        weights[i] = np.maximum(0, np.minimum(rising, falling)) + 0.0  # a zero without a sign
    weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, np.newaxis]
    return weights
