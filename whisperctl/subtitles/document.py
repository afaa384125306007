"""A subtitle file that was read, and writing it in another format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from whisperctl.audio.source import STDIN
from whisperctl.errors import OutputError, SubtitleError, UsageError
from whisperctl.formats import writer
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.storage import urls
from whisperctl.storage.files import write_atomic
from whisperctl.subtitles import markup
from whisperctl.text import quoted
from whisperctl.transcript import Segment, Transcript

MAX_CUES = 1_000_000
"""Most cues of a file: a week of speech has fewer; each takes half a kilobyte of memory."""

MAX_CHARACTERS = 1 << 24
"""Most text of a file, ten days of speech; each of its words takes up to half a kilobyte."""

_MAX_UNREADABLE = 1000
_OF_ASS = re.compile(r"\{\\|<font\b[^<>]*\bcolor\s*=|</font", re.IGNORECASE)
_ALIGNMENT = re.compile(r"\{\\an[1-9]\}")


class TooLargeError(ValueError):
    """A file has more cues, or more text, than any subtitles have."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a file that should be a cue, but is not; ``place`` is such as ``"line 3"``."""

    place: str
    problem: str


@dataclass(slots=True)
class Found:
    """Accumulator of what a reader found, in the file's order."""

    segments: list[Segment] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    n_unreadable: int = 0
    language: str = ""
    notes: list[str] = field(default_factory=list)
    n_characters: int = 0
    max_characters: int = field(default_factory=lambda: MAX_CHARACTERS)

    def add(self, segment: Segment) -> None:
        """Add a cue.

        Raises:
            TooLargeError: there are too many.
        """
        self.n_characters += len(segment.text)
        if len(self.segments) >= MAX_CUES:
            raise TooLargeError(f"it has more than {MAX_CUES:,} cues")
        if self.n_characters > self.max_characters:
            raise TooLargeError("its cues have too much text")
        self.segments.append(segment)

    def skip(self, place: str, problem: str) -> None:
        """Note a part that cannot be read; all are counted, the first thousand are kept."""
        self.n_unreadable += 1
        if len(self.unreadable) < _MAX_UNREADABLE:
            self.unreadable.append(Unreadable(place, problem))


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The cues of one file in its order, their texts with marks (``whisperctl.subtitles.markup``).

    ``format`` is the format it was read as, ``language`` a code if the file names one, ``notes``
    are remarks for people. ``unreadable`` are the first of the ``n_unreadable`` parts that were
    skipped. ``text`` is the file's own, with line feeds.
    """

    segments: tuple[Segment, ...]
    format: str
    language: str = ""
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    n_unreadable: int = 0
    text: str = field(default="", repr=False)

    @property
    def say_something(self) -> bool:
        """True if any cue has text."""
        return any(markup.plain(segment.text).strip() for segment in self.segments)

    def for_format(self, fmt: str) -> tuple[Subtitles, int]:
        """The same without the tags that another format has no place for, and how many they are."""
        if fmt == self.format:
            return self, 0
        # Players of SubRip know SubStation Alpha's \an, and WebVTT has settings for it.
        alike = {"ass": _OF_ASS.match, "srt": _ALIGNMENT.fullmatch, "vtt": _ALIGNMENT.fullmatch}
        stays = alike.get(fmt)
        n_dropped = 0
        segments = []
        for segment in self.segments:
            text, n = markup.without_tags(segment.text, stays)
            segments.append(replace(segment, text=text) if n else segment)
            n_dropped += n
        return replace(self, segments=tuple(segments)), n_dropped

    def transcript(self) -> Transcript:
        """The transcript that a writer takes: all cues in the order of time."""
        segments = sorted(self.segments, key=lambda segment: segment.start_s)
        end_s = max((segment.end_s for segment in segments), default=0.0)
        return Transcript(tuple(segments), self.language, max(0.0, end_s))


def check_target(source: str | Path, target: str | Path) -> None:
    """Refuse to overwrite the input.

    Raises:
        UsageError: they are the same file, by whatever name.
    """
    if STDIN in (str(source), str(target)):
        return
    try:
        same = Path(urls.local_path(str(source))).samefile(target)
    except (OSError, ValueError):
        same = False
    if same:
        raise UsageError(f"{quoted(target)} is the input itself: choose another output")


def check_cues(subtitles: Subtitles, name: str) -> None:
    """Refuse a file of which nothing could be read.

    Raises:
        SubtitleError: the whole file was skipped.
    """
    if subtitles.n_unreadable and not subtitles.segments:
        raise SubtitleError(f"{name} has no readable cue: name a subtitle file")


def write_file(
    subtitles: Subtitles, target: Path, fmt: str, options: SubtitleOptions = NO_LIMITS
) -> None:
    """Write ``subtitles`` whole or not at all.

    Raises:
        OutputError: it cannot be written, or an empty file would replace one that is not.
        UsageError: there is no such format.
    """
    write = writer(fmt)
    if not subtitles.say_something and _holds_something(target):
        raise OutputError(
            f"there is no text to write: {quoted(target)} is left as it is; remove it first if it "
            "should be empty"
        )
    transcript = subtitles.transcript()
    write_atomic(target, lambda out: write(transcript, out, options))


def _holds_something(target: Path) -> bool:
    try:
        return target.is_file() and target.stat().st_size > 0
    except (OSError, ValueError):
        return False
