"""Cues: when a line of subtitles shows, and its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from whisperctl.subtitles import markup
from whisperctl.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class CuePart:
    """A word of a cue, with the space or line feed before it, and when it is spoken."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """Text that shows from ``start_ms`` to ``end_ms``, its lines parted by line feeds.

    ``pieces``, joined, are the text; there are none where no times of words are known. Styles are
    marks, see ``markup``.
    """

    start_ms: int
    end_ms: int
    text: str
    pieces: tuple[CuePart, ...] = ()
    speaker: str | None = None


def milliseconds(time_s: float) -> int:
    """The nearest whole millisecond; a time before zero counts as zero."""
    return max(0, round(time_s * 1000))


def clock(time_ms: int, decimal_mark: str = ".", *, hours_always: bool = True) -> str:
    """``HH:MM:SS.mmm``; hours take as many digits as they need, or none if they may be left out."""
    total_s, ms = divmod(time_ms, 1000)
    total_minutes, s = divmod(total_s, 60)
    hours, minutes = divmod(total_minutes, 60)
    shown = f"{hours:02d}:" if hours or hours_always else ""
    return f"{shown}{minutes:02d}:{s:02d}{decimal_mark}{ms:03d}"


def timestamp(time_s: float, decimal_mark: str = ".") -> str:
    """``HH:MM:SS.mmm`` for a time in seconds, to the nearest millisecond."""
    return clock(milliseconds(time_s), decimal_mark)


def one_line(text: str) -> str:
    """``text`` with line breaks made spaces; a blank line would end a subtitle early."""
    return " ".join(text.splitlines())


def label(speaker: str | None) -> str:
    """What formats that have no other place for it put before a text: ``Speaker 1: ``."""
    return f"{one_line(speaker).strip()}: " if speaker and speaker.strip() else ""


def spoken(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    """Segments that have text, each with its text on one line and stripped."""
    for segment in transcript.segments:
        text = markup.plain(one_line(segment.text)).strip()
        if text:
            yield segment, label(segment.speaker) + text
