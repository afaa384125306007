"""Conversion of decoded audio to what models take: channels, sample rate, finite values, level.

A block is float32, shape (n_samples, n_channels).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import soxr
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second that every Whisper model takes."""

RATES_HZ = (1_000, 768_000)
"""Lowest and highest sample rate that a recording may have."""

_CANCELLED = 0.1
"""Channels cancel each other out if their average has less than this share of the power that
unrelated channels would leave: the sum of their powers over the square of their number."""

_SILENT_POWER = 1e-8
"""Mean square of an inaudible signal: three steps of 16 bits."""


class Mixer:
    """Average of the channels, or the channels as they are.

    ``opposed`` is the number, from 1, of the channel that replaced an average that cancels out, or
    ``None`` if none did.
    """

    def __init__(self, *, split: bool) -> None:
        self.opposed: int | None = None
        self._split = split
        self._n_channels: int | None = None

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix a block to one channel, or with ``split`` to as many as the first block has."""
        import numpy as np

        n_channels = block.shape[1]
        if self._n_channels is None:
            self._n_channels = n_channels
        if self._split and n_channels == self._n_channels:
            return np.ascontiguousarray(block)
        mono = block if n_channels == 1 else self._average(block)[:, np.newaxis]
        # The number of channels changed within the file: each channel gets the average.
        return np.repeat(mono, self._n_channels, axis=1) if self._split else mono

    def _average(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        n_channels = block.shape[1]
        # Values that are not numbers are for who gets the average to see.
        with np.errstate(invalid="ignore", over="ignore"):
            mean: NDArray[np.float32] = block.mean(axis=1)
            powers = np.einsum("ij,ij->j", block, block) / max(1, len(block))
            power = float(np.dot(mean, mean)) / max(1, len(block))
            expected = float(powers.sum()) / n_channels**2
            if not (power < _CANCELLED * expected and float(powers.max()) > _SILENT_POWER):
                return mean
        loudest = int(powers.argmax())
        # Equally loud channels would take turns otherwise, with a click at each.
        if self.opposed is not None and self.opposed <= n_channels:
            before = self.opposed - 1
            loudest = before if powers[before] > powers[loudest] / 2 else loudest
        if self.opposed is None:
            self.opposed = loudest + 1
        return np.ascontiguousarray(block[:, loudest])


class Cleaner:
    """Silence in place of samples that are not finite; ``n_replaced`` is their number."""

    def __init__(self) -> None:
        self.n_replaced = 0

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Replace NaN and infinity by zero."""
        import numpy as np

        valid = np.isfinite(block)
        if valid.all():
            return block
        self.n_replaced += block.size - int(np.count_nonzero(valid))
        return np.where(valid, block, np.float32(0))


class Resampler:
    """Conversion from any sample rate to ``SAMPLE_RATE``; the rate may change between blocks."""

    def __init__(self) -> None:
        self._stream: soxr.ResampleStream | None = None
        self._rate = 0
        self._n_channels = 1

    def process(self, rate: int, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Resample a block at ``rate`` Hz, which must be within ``RATES_HZ``."""
        if rate != self._rate:
            yield from self.flush()
            self._start(rate, block.shape[1])
        yield block if self._stream is None else self._stream.resample_chunk(block)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Return the samples that were held back."""
        import numpy as np

        if self._stream is not None:
            yield self._stream.resample_chunk(
                np.empty((0, self._n_channels), np.float32), last=True
            )

    def _start(self, rate: int, n_channels: int) -> None:
        import numpy as np
        import soxr

        self._rate, self._n_channels = rate, n_channels
        self._stream = None
        if rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, n_channels, dtype=np.float32)


class Clipper:
    """Samples limited to full scale; ``peak`` is the largest absolute value before that."""

    def __init__(self) -> None:
        self.peak = 0.0

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Limit samples to between -1 and 1."""
        import numpy as np

        if block.size:
            self.peak = max(self.peak, float(np.abs(block).max()))
        return np.clip(block, -1, 1)
