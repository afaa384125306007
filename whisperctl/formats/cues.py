"""Cues: when a line of subtitles shows, and its text."""

from __future__ import annotations

from collections.abc import Iterator

from whisperctl.transcript import Segment, Transcript


def timestamp(time_s: float, decimal_mark: str = ".") -> str:
    """``HH:MM:SS.mmm`` for a time in seconds, to the nearest millisecond.

    Hours take as many digits as they need. A time before zero counts as zero.
    """
    total_ms = max(0, round(time_s * 1000))
    total_s, ms = divmod(total_ms, 1000)
    total_minutes, s = divmod(total_s, 60)
    hours, minutes = divmod(total_minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{s:02d}{decimal_mark}{ms:03d}"


def one_line(text: str) -> str:
    """``text`` with line breaks made spaces; a blank line would end a subtitle early."""
    return " ".join(text.splitlines())


def cues(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    """Segments that have text, each with its text on one line and stripped."""
    for segment in transcript.segments:
        text = one_line(segment.text).strip()
        if text:
            yield segment, text
