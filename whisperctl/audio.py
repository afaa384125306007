"""Any media file or stdin to mono float32 samples at 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples a second that every Whisper model takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Decoded audio, ready for a model.

    ``samples``: float32, shape (n_samples,), C-contiguous, [-1, 1], mono at ``SAMPLE_RATE``.
    ``source`` is the name to use in messages. ``warnings`` are one-line notes about the file, such
    as audio shorter than its container states.
    """

    samples: NDArray[np.float32]
    source: str
    decode_ms: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE
