"""A subtitle file that was read."""

from __future__ import annotations

from dataclasses import dataclass

from whisperctl.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The cues of one file in its order, their texts with marks (``whisperctl.formats.markup``).

    ``format`` is what it was read as, ``language`` a code if the file names one, ``notes`` what a
    person should know about the reading.
    """

    segments: tuple[Segment, ...]
    format: str
    language: str = ""
    notes: tuple[str, ...] = ()

    def transcript(self) -> Transcript:
        """What a writer takes: cues with text, in the order of time."""
        segments = sorted(self.segments, key=lambda segment: segment.start_s)
        end_s = max((segment.end_s for segment in segments), default=0.0)
        return Transcript(tuple(segments), self.language, max(0.0, end_s))
