"""Where in a recording somebody speaks: what a voice activity detector is asked and answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whisperctl.options import VadOptions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FRAME_S = 512 / 16_000
"""Seconds of audio that each of a detection's probabilities is about."""


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """A stretch in which somebody speaks, in seconds from the start of the samples."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What a detector found.

    ``spans`` are in order and do not overlap. ``probabilities``: float32, shape (n_frames,), that
    there is speech in each stretch of ``FRAME_S`` seconds.
    """

    spans: tuple[SpeechSpan, ...]
    probabilities: npt.NDArray[np.float32]


def detection(
    spans: Iterable[tuple[float, float]],
    probabilities: npt.NDArray[np.float32],
    n_samples: int,
    options: VadOptions,
) -> Detection:
    """A detection of what whisper.cpp answers.

    whisper.cpp cuts speech that is too long and then joins what is less than 200 ms apart, so that
    nothing is cut in the end; here it is, where speech is least probable in the second half of what
    is allowed.

    Args:
        spans: where speech begins and ends, in hundredths of a second. The last may end behind the
            recording, which whisper.cpp fills up to a whole frame.
        probabilities: float32, shape (n_frames,).
        n_samples: of the recording, at 16 kHz.
        options: what was asked for.
    """
    end_s = n_samples / 16_000
    found = []
    for start, end in spans:
        span = SpeechSpan(start / 100, min(end / 100, end_s))
        while span.end_s - span.start_s > options.max_speech_duration_s:
            latest = int((span.start_s + options.max_speech_duration_s) / FRAME_S)
            earliest = int((span.start_s + options.max_speech_duration_s / 2) / FRAME_S)
            cut_s = (earliest + int(probabilities[earliest:latest].argmin())) * FRAME_S
            found.append(SpeechSpan(span.start_s, cut_s))
            span = SpeechSpan(cut_s, span.end_s)
        if span.start_s < span.end_s:
            found.append(span)
    return Detection(tuple(found), probabilities)
