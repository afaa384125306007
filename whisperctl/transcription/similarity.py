"""Whether two stretches of a recording are the same sound, such as a jingle or a repeated talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.65
"""Correlation from which two stretches are one sound: copies have 0.95 and more, or 0.75 in
noise as loud as they are; different words up to 0.3, noise up to 0.15."""

_STEP = SAMPLE_RATE // 50
_SHIFT_S = 2.0
"""Where a segment begins is as uncertain as this."""

_BANDS = 20
_LONGEST_S = 30.0


def alike(samples: NDArray[np.float32], first_s: float, second_s: float, length_s: float) -> bool:
    """Compare what is heard from two times on.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono.
        first_s: where the earlier stretch begins, about.
        second_s: where the later stretch begins.
        length_s: how long the later stretch is.
    """
    import numpy as np

    length_s = min(length_s, _LONGEST_S)
    later = _bands(samples, second_s, second_s + length_s)
    begin_s = max(0.0, first_s - _SHIFT_S)
    # Not into the later stretch itself, which is like itself.
    end_s = min(first_s + length_s + _SHIFT_S, second_s + length_s - 2 * _SHIFT_S)
    earlier = _bands(samples, begin_s, end_s)
    n = len(later)
    if n < SAMPLE_RATE // _STEP // 2 or len(earlier) < n:
        return False
    later = _unit(later)
    return any(
        float(np.sum(_unit(earlier[shift : shift + n]) * later)) >= ALIKE
        for shift in range(len(earlier) - n + 1)
    )


def _bands(samples: NDArray[np.float32], start_s: float, end_s: float) -> NDArray[np.float64]:
    """Logarithmic energy in bands of equal width up to 8 kHz: shape (n_frames, _BANDS)."""
    import numpy as np

    part = samples[round(start_s * SAMPLE_RATE) : max(0, round(end_s * SAMPLE_RATE))]
    frames = part[: len(part) // _STEP * _STEP].reshape(-1, _STEP)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))[:, : _STEP // 2]
    bands = power.reshape(len(frames), _BANDS, -1).sum(axis=2)
    logs: NDArray[np.float64] = np.log10(bands + 1e-6)
    return logs


def _unit(bands: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without what stays the same over time, and of length 1; silence and steady tones are 0."""
    import numpy as np

    varying = bands - bands.mean(axis=0)
    length = float(np.sqrt(np.square(varying).sum()))
    return varying / length if length > 1e-3 * bands.size**0.5 else np.zeros_like(varying)
