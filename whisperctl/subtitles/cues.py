"""Cues, each a text that a subtitle shows at once, the words in them, and times that fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whisperctl.subtitles import markup
from whisperctl.subtitles.markup import BREAK, BREAK_OR_SPACE
from whisperctl.text import milliseconds
from whisperctl.transcript import Segment, Transcript

# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_BREAKABLE = re.compile(f"{_SPACELESS.pattern}|[\uac00-\ud7a3]")
# What may not begin a line in Japanese though it is a letter: small kana, the long vowel's mark.
_CLINGING = frozenset("ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々〻")
_WORD = re.compile(f"{BREAK_OR_SPACE}*[^\\s{BREAK}]+")

# Full stops of Chinese and Japanese (and their marks of question and exclamation), and Hindi's.
_FULL_STOPS = "\u3002\uff01\uff1f\uff0e\u0964"
_CLOSING = "\"'\u201d\u2019\u00bb)\\]}\u300d\u300f\uff09"
_SENTENCE_END = re.compile(f"[.!?\u2026{_FULL_STOPS}][{_CLOSING}]*$")
_ABBREVIATION = re.compile(
    r"(?:^|\W)(?:\w|mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|no|vol|fig|e\.g|i\.e|[a-z]\.[a-z])\.$",
    re.IGNORECASE,
)

_NUMBERED = re.compile(r"Speaker [^\s:]{1,20}")

LEAST_MS = 10
"""Shortest time of a cue in any format: a hundredth of a second is the unit of ASS and LRC."""

_READING_MS_PER_CHARACTER = 50
_READING_LEAST_MS = 500


@dataclass(frozen=True, slots=True)
class CuePart:
    """A word of a cue, with the space or line feed before it, and its times."""

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


def one_line(text: str) -> str:
    """``text`` with spaces for line breaks; a blank line would end a subtitle early."""
    return " ".join(text.splitlines())


def label(speaker: str | None) -> str:
    """Label before a text in formats with no other place for the speaker: ``Speaker 1: ``."""
    return f"{one_line(speaker).strip()}: " if speaker and speaker.strip() else ""


def is_numbered(speaker: str | None) -> bool:
    """True for a speaker without a name, such as ``Speaker 1``."""
    return speaker is not None and _NUMBERED.fullmatch(speaker) is not None


def labels(cues: Iterable[Cue]) -> Iterator[str]:
    """Label of each cue, in the order of their starts: a name is written where the speaker changes.

    ``Speaker 1`` and the like are in each cue.
    """
    before: str | None = None
    for cue in cues:
        named = cue.speaker == before and not is_numbered(cue.speaker)
        yield "" if named else label(cue.speaker)
        before = cue.speaker


def spoken(transcript: Transcript) -> Iterator[tuple[Segment, str]]:
    """Segments that have text, each with its text on one line and stripped."""
    for segment in transcript.segments:
        text = markup.plain(one_line(segment.text)).strip()
        if text:
            yield segment, label(segment.speaker) + text


def timed_words(segment: Segment) -> list[CuePart]:
    """Words of ``segment``, each with the text before it.

    Empty when there are none or they are not those of its text.
    """
    text = one_line(segment.text)
    pieces: list[CuePart] = []
    position = 0
    for word in segment.words:
        core = one_line(word.text).strip()
        if not core:
            continue
        found = text.find(core, position)
        if found < 0 or text[position:found].strip():
            return []
        end = found + len(core)
        pieces.append(
            CuePart(milliseconds(word.start_s), milliseconds(word.end_s), text[position:end])
        )
        position = end
    return [] if text[position:].strip() else pieces


def estimated_words(segment: Segment) -> list[CuePart]:
    """Words of ``segment``, which share its time in proportion to their lengths."""
    # Space at the end would be tried from each of its characters.
    line = one_line(segment.text)
    end = len(line)
    while end and (line[end - 1].isspace() or line[end - 1] == BREAK):
        end -= 1
    texts = [part for word in _WORD.findall(line[:end]) for part in _parts(word)]
    total = sum(map(markup.length, texts))
    start_ms = milliseconds(segment.start_s)
    length_ms = max(0, milliseconds(segment.end_s) - start_ms)
    pieces = []
    passed = 0
    begin_ms = start_ms
    for text in texts:
        passed += markup.length(text)
        # Whole hundredths, the unit of whisper.cpp's times and of the coarsest formats.
        end_ms = start_ms + round(length_ms * passed / max(1, total) / 10) * 10
        pieces.append(CuePart(begin_ms, min(end_ms, start_ms + length_ms), text))
        begin_ms = pieces[-1].end_ms
    if pieces:
        pieces[-1] = CuePart(pieces[-1].start_ms, start_ms + length_ms, pieces[-1].text)
    return pieces


def split_wide(pieces: Iterable[CuePart], max_width: int) -> Iterator[CuePart]:
    """``pieces``, those wider than a line in parts if their script allows it, which share the time.

    Korean words are parted only here: they have spaces between them.
    """
    for piece in pieces:
        parts = [piece.text]
        if markup.width(piece.text.strip()) > max_width:
            parts = list(_parts(piece.text, _BREAKABLE))
        passed = 0
        begin_ms = piece.start_ms
        for part in parts:
            passed += len(part)
            length_ms = piece.end_ms - piece.start_ms
            end_ms = piece.start_ms + length_ms * passed // len(piece.text)
            yield CuePart(begin_ms, end_ms, part)
            begin_ms = end_ms


def _parts(word: str, breakable: re.Pattern[str] = _SPACELESS) -> Iterator[str]:
    """Parts of a word between which a line may break."""
    if not breakable.search(word):
        yield word
        return
    begin = 0
    first = len(word) - len(word.lstrip())
    for at in range(first + 1, len(word)):
        if _may_part(word[at - 1], word[at], breakable):
            yield word[begin:at]
            begin = at
    yield word[begin:]


def _may_part(before: str, here: str, breakable: re.Pattern[str]) -> bool:
    if not (breakable.match(before) or breakable.match(here)):
        return False
    if here in _CLINGING or unicodedata.category(here)[0] in "MC":
        return False
    # Closing marks stay with what they close, opening ones with what they open.
    return unicodedata.category(here) not in ("Pe", "Pf", "Po") and unicodedata.category(
        before
    ) not in ("Ps", "Pi", "Cn")


def sentence_begins(before: str, here: str) -> bool:
    """True if a sentence ends with the word ``before`` and another begins with ``here``."""
    end = before.strip()
    if not _SENTENCE_END.search(end):
        return False
    if any(mark in _FULL_STOPS for mark in end[-2:]):
        return True
    first = next((c for c in here if c.isalnum()), "")
    return not first.islower() and not _ABBREVIATION.search(end)


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A wanted time, and the number of characters that it is for."""

    start_ms: int
    end_ms: int
    n_characters: int

    @property
    def reading_ms(self) -> int:
        """Time to show a text that has no time of its own: 20 characters a second."""
        return max(_READING_LEAST_MS, self.n_characters * _READING_MS_PER_CHARACTER)


def without_overlaps(spans: Sequence[TimeSpan], limit_ms: int) -> list[tuple[int, int] | None]:
    """Times for ``spans`` such that none overlaps, goes back, or is shorter than ``LEAST_MS``.

    Spans that already are so keep their times. One that runs into the next ends where that begins.
    One that begins before the one before it begins with it, and what begins together shares the
    time by its characters. One of no length takes as long as it is read in, if there is room; none
    of this goes past ``limit_ms``.

    Returns:
        Start and end for each span, or ``None`` where there is no room: it goes with the one
        before it. The first is never ``None``.
    """
    result: list[tuple[int, int] | None] = []
    starts: list[int] = []
    for span in spans:
        starts.append(max(span.start_ms, starts[-1] if starts else 0))
    begin = 0
    while begin < len(spans):
        end = begin + 1
        while end < len(spans) and starts[end] - starts[begin] < LEAST_MS:
            end += 1
        room_ms = starts[end] if end < len(spans) else limit_ms
        result += _shared(spans[begin:end], starts[begin], room_ms, first=not result)
        begin = end
    return result


def _shared(
    group: Sequence[TimeSpan], start_ms: int, room_ms: int, *, first: bool
) -> list[tuple[int, int] | None]:
    """Times for spans that begin together, from ``start_ms`` to at most ``room_ms``."""
    end_ms = min(max(span.end_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS * len(group):
        end_ms = min(start_ms + sum(span.reading_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS:
        if not first:
            return [None] * len(group)
        start_ms, end_ms = max(0, end_ms - LEAST_MS), max(end_ms, LEAST_MS)
    if len(group) == 1 or end_ms - start_ms < LEAST_MS * len(group):
        return [(start_ms, end_ms), *[None] * (len(group) - 1)]
    times: list[tuple[int, int] | None] = []
    total = sum(span.n_characters + 1 for span in group)
    passed, here_ms = 0, start_ms
    for number, span in enumerate(group, start=1):
        passed += span.n_characters + 1
        left = len(group) - number
        next_ms = start_ms + (end_ms - start_ms) * passed // total // 10 * 10
        next_ms = min(max(next_ms, here_ms + LEAST_MS), end_ms - left * LEAST_MS)
        times.append((here_ms, next_ms if left else end_ms))
        here_ms = next_ms
    return times
