"""Warnings about a transcript: missing, dropped, repeated and doubtful text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from whisperctl.options import Clip
from whisperctl.text import short_time
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.repetition import RepetitionOutcome, normalized

LEAST_COVERED = 0.5
"""Share of the audio with text, below which there is a warning."""

LONGEST_GAP_S = 60.0
"""Longest time without text that needs no warning; people rarely pause for a minute."""

MOST_REPEATED = 0.1
"""Share of segments that repeat the one before, above which there is a warning."""

MOST_DOUBTFUL = 0.2
"""Share of doubtful segments, above which there is a warning."""

DOUBTFUL = 0.5
"""Mean probability of tokens, below which a segment is doubtful."""

_FEWEST = 5
"""Number of segments, below which shares of them mean nothing."""

_SHOWN = 40
"""Characters of a repeated text that a warning shows."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Completeness and plausibility of a transcript.

    ``covered`` is the share of the audio with segments, 0 to 1. ``gap_s`` is the longest time
    without one, from ``gap_start_s`` on. Of ``n_segments``, ``n_repeated`` have the text of the one
    before, and ``n_doubtful`` a low probability.
    """

    n_segments: int
    covered: float
    gap_s: float
    gap_start_s: float
    n_repeated: int
    n_doubtful: int

    def warning(self) -> str | None:
        """One line about all that is suspicious; ``None`` if nothing is, or without any text."""
        if not self.n_segments:
            return None
        found = []
        if self.covered < LEAST_COVERED:
            found.append(f"text covers {self.covered:.0%} of the audio")
        if self.gap_s > LONGEST_GAP_S:
            found.append(
                f"the longest gap is {self.gap_s:.0f} s, from {short_time(self.gap_start_s)} on"
            )
        if self._is_many(self.n_repeated, MOST_REPEATED):
            found.append(f"{self.n_repeated} of {self.n_segments} segments repeat the one before")
        if self._is_many(self.n_doubtful, MOST_DOUBTFUL):
            found.append(
                f"the model has low confidence in {self.n_doubtful} of {self.n_segments} segments"
            )
        return f"check the result: {'; '.join(found)}" if found else None

    def _is_many(self, n: int, share: float) -> bool:
        return self.n_segments >= _FEWEST and n > share * self.n_segments


def assess(transcript: Transcript, clips: Sequence[Clip] = ()) -> Quality:
    """Quality of a transcript.

    Args:
        transcript: any.
        clips: parts of the recording that were transcribed; none means all of it.
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


@dataclass(slots=True)
class Tally:
    """Counts of one run, for the warnings at its end."""

    n_dropped: int = 0
    speech_detected: bool = False

    def warnings(self, source: str, n_segments: int) -> Iterator[str]:
        """Warnings about missing or dropped text.

        Args:
            source: name of the recording, as messages show it.
            n_segments: number of segments in the transcript.
        """
        if not n_segments and self.speech_detected:
            yield (
                f"{source} contains speech, but the model produced no text: "
                "try --vad, a multilingual or larger model, or name its --language"
            )
        elif not n_segments:
            yield f"{source} contains no speech"
        elif self.n_dropped:
            segments = "segment" if self.n_dropped == 1 else "segments"
            yield f"dropped {self.n_dropped} {segments} where no speech is detected"


def repetition_warning(outcome: RepetitionOutcome, at_s: float) -> str:
    """Warning about a repetition that begins at ``at_s`` of the recording."""
    text = outcome.text
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    text = text.replace("\n", " ")
    where = f'a repetition loop at {short_time(at_s)} ("{text}")'
    if outcome.resolved:
        return f"{where} was decoded again"
    return f"{where} comes again at every temperature: one copy of it is kept"
