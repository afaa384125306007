"""The processors of this package that NumPy or SciPy can be, to measure WebAssembly against.

Gate, compressor and denoise are not among them: each sample depends on the one before it in ways
that neither library has, and a loop in Python would not be a fair comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from whisperctl.audio.filters import AudioFormat, Processor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from whisperctl.audio.filters import Block


def equivalent(
    name: str, audio: AudioFormat, values: Mapping[str, Any]
) -> tuple[str, Processor] | None:
    """The library that has the same as a processor, and the same opened; ``None`` if none has.

    SciPy is used where it is installed.
    """
    if name in _WITH_NUMPY:
        return "NumPy", _WITH_NUMPY[name](audio, values)
    if name in ("highpass", "lowpass"):
        try:
            lfilter = import_module("scipy.signal").lfilter
        except ImportError:
            return None
        return "SciPy", _Butterworth(lfilter, name, audio, values["frequency"])
    return None


class _Gain(Processor):
    def __init__(self, audio: AudioFormat, values: Mapping[str, Any]) -> None:
        self._factor = np.float32(10 ** (values["db"] / 20))

    def process(self, block: Block) -> Block:
        return block * self._factor


class _WaveShaper(Processor):
    def __init__(self, audio: AudioFormat, values: Mapping[str, Any]) -> None:
        self._amount = np.float32(2 * values["drive"] / (1 - values["drive"]))
        self._hard = values["curve"] == "hard"

    def process(self, block: Block) -> Block:
        driven = (1 + self._amount) * block
        if self._hard:
            return np.clip(driven, -1, 1, out=driven)
        shaped: Block = driven / (1 + self._amount * np.abs(block))
        return shaped


class _BitCrusher(Processor):
    def __init__(self, audio: AudioFormat, values: Mapping[str, Any]) -> None:
        self._levels = np.float32(2 ** (values["bits"] - 1))
        self._hold = values["hold"]
        self._held = np.zeros((1, audio.n_channels), np.float32)
        self._n_left = 0

    def process(self, block: Block) -> Block:
        if self._hold == 1:
            return self._crushed(block)
        taken = self._crushed(block[self._n_left :: self._hold])
        kept = np.repeat(np.concatenate([self._held, taken]), self._hold, axis=0)
        start = self._hold - self._n_left
        self._held = kept[start + len(block) - 1][np.newaxis].copy()
        self._n_left = (self._n_left - len(block)) % self._hold
        return kept[start : start + len(block)]

    def _crushed(self, block: Block) -> Block:
        crushed: Block = np.rint(block * self._levels) * (1 / self._levels)
        return crushed


class _Echo(Processor):
    def __init__(self, audio: AudioFormat, values: Mapping[str, Any]) -> None:
        length = max(1, int(values["delay"] * audio.sample_rate_hz / 1000))
        self._feedback, self._mix = np.float32(values["feedback"]), np.float32(values["mix"])
        self._line = np.zeros((length, audio.n_channels), np.float32)
        self._at = 0

    def process(self, block: Block) -> Block:
        out = np.empty_like(block)
        done = 0
        while done < len(block):
            n = min(len(block) - done, len(self._line) - self._at)
            line, given = self._line[self._at : self._at + n], block[done : done + n]
            out[done : done + n] = given + self._mix * line
            line *= self._feedback
            line += given
            done += n
            self._at = (self._at + n) % len(self._line)
        return out


class _Butterworth(Processor):
    """Second order, as in Robert Bristow-Johnson's cookbook, with the quality of FFmpeg's."""

    def __init__(
        self, lfilter: Callable[..., Any], name: str, audio: AudioFormat, frequency: float
    ) -> None:
        w = 2 * math.pi * frequency / audio.sample_rate_hz
        alpha = math.sin(w) / (2 * 0.707)
        side = 1 + math.cos(w) if name == "highpass" else 1 - math.cos(w)
        middle = -side if name == "highpass" else side
        self._b = np.array([side / 2, middle, side / 2]) / (1 + alpha)
        self._a = np.array([1 + alpha, -2 * math.cos(w), 1 - alpha]) / (1 + alpha)
        self._state: NDArray[np.float64] = np.zeros((2, audio.n_channels))
        self._lfilter = lfilter

    def process(self, block: Block) -> Block:
        out, self._state = self._lfilter(self._b, self._a, block, axis=0, zi=self._state)
        filtered: Block = out.astype(np.float32)
        return filtered


_WITH_NUMPY: dict[str, Callable[[AudioFormat, Mapping[str, Any]], Processor]] = {
    "bit_crusher": _BitCrusher,
    "echo": _Echo,
    "gain": _Gain,
    "wave_shaper": _WaveShaper,
}
