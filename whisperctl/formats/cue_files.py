"""Parsing shared by SubRip and WebVTT: a line with two times and an arrow begins a cue.

Files are read as players read them, not as standards ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from whisperctl.subtitles.document import Found
from whisperctl.text import (
    clock,
    leading_time,
    milliseconds,
    not_a_time,
    parse_time,
    quoted,
)

ARROW = "-->"

_LONGEST = 200
# SubRip's coordinates, WebVTT's settings, and those of its first drafts.
_SETTING = re.compile(
    r"\s*+(?:vertical|line|position|size|align|region|[xy][12]|[dlast])\s*+[:=]",
    re.ASCII | re.IGNORECASE,
)
_CLOCK = r"\d{1,9}+\s*+[:;]\s*+\d{1,2}+\s*+[:;]\s*+\d{1,2}+(?:\s*+[.,:;]\s*+\d{1,6}+)?"
_DASH = "-=\u2010-\u2015\u2212"
_LIKE_TIMING = re.compile(
    rf"\s*+{_CLOCK}\s*+(?:[{_DASH} ]{{0,6}}+[>\u2192]|[{_DASH}]{{2,8}}+)\s*+{_CLOCK}(?:\s.*+)?"
)
_SOME_TIME = re.compile(r"\d\s*+:\s*+\d", re.ASCII)

Lines = list[tuple[int, str]]
"""Lines of a file, each with its number."""

_WORD_TIME = re.compile(r"<((?:\d{1,9}+:)?\d{1,9}+:\d{1,9}+\.\d{1,9}+)>", re.ASCII)

_NO_CUE = "it is text outside any cue"
_NO_TEXT = re.compile(r"(?:NOTE(?=[ \t]|$)|(?:STYLE|REGION)\s*+$|X-TIMESTAMP-MAP)")


@dataclass(slots=True)
class CueBlock:
    """A timing line and the lines up to the next, each with its number; times in seconds.

    ``settings`` is what stands behind the times.
    """

    start_s: float = 0.0
    end_s: float = 0.0
    settings: str = ""
    index: int | None = None
    readable: bool = True
    lines: Lines = field(default_factory=list)


def cue_blocks(text: str, found: Found, *, comments: bool) -> Iterator[CueBlock]:
    """The lines before the first timing line, then each cue; numbers of cues are removed."""
    cue = CueBlock()
    first = True
    begins_block = True
    awaits_timing = True
    for number, line in enumerate(text.split("\n"), start=1):
        times: tuple[float, float, str] | None = None
        damaged = ""
        if ARROW in line and not (comments and begins_block and line.startswith("NOTE")):
            try:
                times = timing(line)
                if times is None and (comments or first):
                    damaged = "it has an arrow but no times"
            except ValueError as error:
                damaged = str(error)
        # In a text it may be one that a writer has disarmed.
        if times is None and not damaged and awaits_timing and is_like_timing(line):
            damaged = "it must have two times with --> between them"
        awaits_timing = not line.strip() or (begins_block and _number(line) is not None)
        begins_block = not line.strip()
        if times is None and not damaged:
            cue.lines.append((number, line))
            continue
        index = _taken_index(cue, first=first, identifiers=comments)
        yield cue
        first = False
        if times is None:
            found.skip(f"line {number}", damaged)
            cue = CueBlock(index=index, readable=False)
        else:
            cue = CueBlock(*times, index=index)
    if not first:
        _drop_last_index(cue)
    yield cue


def _taken_index(cue: CueBlock, *, first: bool, identifiers: bool) -> int | None:
    """Remove the number of the next cue from the lines of this one, and return it.

    A number is text, too: it counts as that of the next cue if it stands right before it, after a
    blank line or in a file that numbers its cues, or if it follows this cue's number.
    """
    lines = cue.lines
    at = len(lines) - 1
    while at >= 0 and not lines[at][1].strip():
        at -= 1
    if at < 0:
        return None
    adjacent = at == len(lines) - 1
    apart = at > 0 and not lines[at - 1][1].strip()
    number = _number(lines[at][1])
    if number is None:
        # WebVTT's cues may have names.
        if identifiers and adjacent and apart:
            del lines[at:]
        return None
    if first:
        is_index = True
    elif adjacent:
        is_index = apart or cue.index is not None
    else:
        is_index = (apart or at == 0) and _follows(cue, number)
    if not is_index:
        return None
    del lines[at:]
    return number


def _drop_last_index(cue: CueBlock) -> None:
    """Remove a number at the very end that is that of a cue which was never written."""
    lines = [line for line in cue.lines if line[1].strip()]
    if not lines:
        return
    at = cue.lines.index(lines[-1])
    number = _number(lines[-1][1])
    apart = at > 0 and not cue.lines[at - 1][1].strip()
    if number is not None and apart and len(lines) > 1 and _follows(cue, number):
        del cue.lines[at:]


def _follows(cue: CueBlock, number: int) -> bool:
    return cue.index is not None and number == cue.index + 1


def _number(line: str) -> int | None:
    stripped = line.strip("\ufeff \t")
    digits = stripped.isascii() and stripped.isdigit() and len(stripped) <= 9
    return int(stripped) if digits else None


def report_texts(blocks: Sequence[Sequence[tuple[int, str]]], found: Found) -> None:
    """Report blocks without times, except for comments and styles: no player shows them."""
    for block in blocks:
        number, line = block[0]
        if not _NO_TEXT.match(line):
            found.skip(f"line {number}", _NO_CUE)


def timing(line: str) -> tuple[float, float, str] | None:
    """Times of a cue in a line such as ``00:01.000 --> 00:02.000 align:start``.

    Returns:
        Start and end, in seconds, and the settings behind them.
        ``None`` if it has no arrow and no time: it is text.

    Raises:
        ValueError: it is meant to be such a line, but is damaged.
    """
    left, arrow, right = line.partition(ARROW)
    if not arrow or len(line) > _LONGEST:
        return None
    right = right.strip()
    try:
        start_s = parse_time(left, lenient=True)
        if ":" not in left:
            raise not_a_time(left)
        end = leading_time(right)
        if end is None or ":" not in right[: end[1]]:
            raise not_a_time(right)
    except ValueError:
        if _SOME_TIME.search(line):
            raise
        return None
    end_s, length = end
    rest = right[length:]
    if rest and not (right[length - 1].isspace() or rest[0].isspace()):
        raise not_a_time(right)
    if rest and not _SETTING.match(rest):
        rest = rest.strip()
        shown = quoted(rest if len(rest) <= 40 else f"{rest[:40]}…")
        raise ValueError(f"{shown} stands after the times")
    return start_s, end_s, rest


def retimed(text: str, move: Callable[[float], float], decimal_mark: str) -> str:
    """``text`` with the times of cues, and of WebVTT's words, moved; all else stays."""

    def moved(time_s: float) -> str:
        return clock(milliseconds(move(time_s)), decimal_mark)

    def moved_word(match: re.Match[str]) -> str:
        try:
            return f"<{moved(parse_time(match[1], lenient=True))}>"
        except ValueError:  # beyond any recording, and no player's
            return match[0]

    lines = []
    for line in text.split("\n"):
        try:
            times = timing(line) if ARROW in line else None
        except ValueError:
            times = None
        if times is not None:
            line = f"{moved(times[0])} {ARROW} {moved(times[1])}{times[2]}"
        elif decimal_mark == ".":
            line = _WORD_TIME.sub(moved_word, line)
        lines.append(line)
    return "\n".join(lines)


def is_like_timing(line: str) -> bool:
    """True if a line has two times of hours, minutes and seconds, joined by some arrow."""
    return len(line) <= _LONGEST and _LIKE_TIMING.fullmatch(line) is not None
