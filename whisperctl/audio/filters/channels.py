"""Channels to mono."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CANCELLED = 0.1
"""An average with less than this share of the power that unrelated channels leave (that is, the sum
of their powers over the square of their number) is of channels that cancel each other out."""

_SILENT_POWER = 1e-8
"""Mean square of what nobody can hear: three steps of 16 bits."""


class Mixer:
    """Averages channels, or keeps them apart.

    ``n_channels`` is how many the recording has, once a block was mixed. ``opposed`` is the number,
    from 1, of the channel that was used in place of an average that cancels out, if any did.
    """

    def __init__(self, *, split: bool) -> None:
        self.n_channels: int | None = None
        self.opposed: int | None = None
        self._split = split

    def mix(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix a block.

        Args:
            block: float32, shape (n_samples, n_channels).

        Returns:
            float32, shape (n_samples,), or (n_samples, n_channels) if channels are kept apart.
        """
        import numpy as np

        n_channels = block.shape[1]
        if self.n_channels is None:
            self.n_channels = n_channels
        if self._split and n_channels == self.n_channels:
            return np.ascontiguousarray(block)
        mono = block[:, 0] if n_channels == 1 else self._average(block)
        if not self._split:
            return mono
        # The number of channels changed within the file: all of them hear everything.
        return np.repeat(mono[:, np.newaxis], self.n_channels, axis=1)

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
