"""Whether a transcript looks complete and believable, from the transcript alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from whisperctl.options import Clip
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.repetition import normalized
from whisperctl.transcription.warnings import clock

LEAST_COVERED = 0.5
"""A recording of which less than half has text is worth a remark."""

LONGEST_GAP_S = 60.0
"""So long without text is worth a remark; people rarely pause for a minute."""

MOST_REPEATED = 0.1
"""The share of segments that say what the one before said: one in ten is worth a remark."""

MOST_DOUBTFUL = 0.2
"""The share of segments that the model was not sure of: one in five is worth a remark."""

DOUBTFUL = 0.5
"""A segment is doubtful when its tokens' mean probability is below this."""

_FEWEST = 5
"""Shares of fewer segments than this say nothing."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What a transcript is like.

    ``covered`` is the share of the audio that segments take up, 0 to 1. ``gap_s`` is the longest
    stretch without any, which begins at ``gap_start_s``. ``n_repeated`` of the ``n_segments`` say
    the same as the one before; the model was not sure of ``n_doubtful``.
    """

    n_segments: int
    covered: float
    gap_s: float
    gap_start_s: float
    n_repeated: int
    n_doubtful: int

    def remark(self) -> str | None:
        """One line about what is off; ``None`` when nothing is, or when there is no text at all."""
        if not self.n_segments:
            return None
        found = []
        if self.covered < LEAST_COVERED:
            found.append(f"text covers {self.covered:.0%} of the audio")
        if self.gap_s > LONGEST_GAP_S:
            found.append(
                f"the longest gap is {self.gap_s:.0f} s, from {clock(self.gap_start_s)} on"
            )
        if self._is_many(self.n_repeated, MOST_REPEATED):
            found.append(f"{self.n_repeated} of {self.n_segments} segments repeat the one before")
        if self._is_many(self.n_doubtful, MOST_DOUBTFUL):
            found.append(
                f"the model was not sure of {self.n_doubtful} of {self.n_segments} segments"
            )
        return f"check the result: {'; '.join(found)}" if found else None

    def _is_many(self, n: int, share: float) -> bool:
        return self.n_segments >= _FEWEST and n > share * self.n_segments


def assess(transcript: Transcript, clips: Sequence[Clip] = ()) -> Quality:
    """Look at a transcript.

    Args:
        transcript: any.
        clips: what was asked for of the recording; none is all of it.
    """
    segments = sorted(transcript.segments, key=lambda segment: segment.start_s)
    windows = [
        (clip.start_s, min(clip.end_s or transcript.duration_s, transcript.duration_s))
        for clip in clips or (Clip(),)
    ]
    covered_s = 0.0
    gap_s = gap_start_s = 0.0
    for start_s, end_s in windows:
        at_s = start_s
        for segment in segments:
            if segment.end_s <= start_s or segment.start_s >= end_s:
                continue
            if segment.start_s - at_s > gap_s:
                gap_s, gap_start_s = segment.start_s - at_s, at_s
            covered_s += max(0.0, min(segment.end_s, end_s) - max(segment.start_s, at_s))
            at_s = max(at_s, segment.end_s)
        if end_s - at_s > gap_s:
            gap_s, gap_start_s = end_s - at_s, at_s
    total_s = sum(max(0.0, end_s - start_s) for start_s, end_s in windows)
    return Quality(
        n_segments=len(segments),
        covered=min(1.0, covered_s / total_s) if total_s else 1.0,
        gap_s=gap_s,
        gap_start_s=gap_start_s,
        n_repeated=_repeated(segments),
        n_doubtful=sum(_probability(segment) < DOUBTFUL for segment in segments),
    )


def _repeated(segments: Sequence[Segment]) -> int:
    texts = [(segment.speaker, normalized(segment.text)) for segment in segments]
    return sum(a == b for a, b in pairwise(texts))


def _probability(segment: Segment) -> float:
    if not segment.tokens:
        return 1.0
    return sum(token.probability for token in segment.tokens) / len(segment.tokens)
