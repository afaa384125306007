"""Reading SubRip and WebVTT as players do: a line with two times and an arrow begins a cue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape

from whisperctl.formats import inline_times, tags
from whisperctl.formats.times import ARROW, is_like_timing, timing
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found
from whisperctl.transcript import Segment

_NO_CUE = "it is text that belongs to no cue"
_VOICE = re.compile(r"\s*+<v(?:\.[^\s>]*+)?\s++([^>]++)>")
_LANGUAGE = re.compile(r"Language\s*+:\s*+([A-Za-z]{2,3})(?:-[A-Za-z0-9-]{1,30})?\s*+", re.ASCII)
_HEADER = re.compile(r"[A-Za-z-]++\s*+[:=]")
_NO_TEXT = re.compile(r"(?:NOTE(?=[ \t]|$)|(?:STYLE|REGION)\s*+$|X-TIMESTAMP-MAP)")
_BRIEF_S = 0.05
"""YouTube shows the finished line by itself for a hundredth of a second before it rolls up."""


@dataclass(slots=True)
class _Cue:
    """A timing line and the lines up to the next, each with its number; times in seconds."""

    start_s: float = 0.0
    end_s: float = 0.0
    index: int | None = None
    readable: bool = True
    lines: list[tuple[int, str]] = field(default_factory=list)


def read_srt(text: str) -> Found:
    """Cues of SubRip. Blank lines inside a cue and missing ones between cues make no difference."""
    found = Found()
    head, *cues = _cues(text, found, comments=False)
    _report_texts([[line] for line in head.lines if line[1].strip()][:1], found)
    for cue in cues:
        if cue.readable:
            lines = "\n".join(line for _, line in cue.lines)
            shown = tags.from_html(tags.from_ass(lines, comments=False))
            found.add(Segment(cue.start_s, cue.end_s, tags.spaced(shown)))
    return found


def read_vtt(text: str) -> Found:
    """Cues of WebVTT, their voices as speakers, times in their texts as those of words.

    Of captions that roll up, each line is taken once.

    Raises:
        ValueError: it is not WebVTT.
    """
    text = text.lstrip("\n")
    if not re.match(r"WEBVTT(?:[ \t\n]|$)", text):
        raise ValueError("it does not begin with WEBVTT")
    found = Found()
    head, *cues = _cues(text, found, comments=True)
    _read_head(head.lines, found)
    rolling = inline_times.any_in(text)
    before: _Cue | None = None
    n_repeated = 0
    for cue in cues:
        payload, others = _payload(cue.lines)
        _report_texts(others, found)
        if not cue.readable:
            continue
        lines = [line for _, line in payload]
        kept = _rolled(before, cue, lines) if rolling else lines
        before = cue
        cue.lines = payload
        n_repeated += sum(map(_has_text, lines)) - sum(map(_has_text, kept))
        if kept or not lines:
            found.add(_vtt_segment(cue, "\n".join(kept)))
    if n_repeated:
        found.notes.append(f"{n_repeated} repeated lines of captions that roll up were left out")
    return found


def _cues(text: str, found: Found, *, comments: bool) -> Iterator[_Cue]:
    """The lines before the first timing line, then each cue; numbers of cues are taken out."""
    cue = _Cue()
    first = True
    begins_block = True
    awaits_timing = True
    for number, line in enumerate(text.split("\n"), start=1):
        times: tuple[float, float] | None = None
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
            cue = _Cue(index=index, readable=False)
        else:
            cue = _Cue(*times, index=index)
    if not first:
        _drop_last_index(cue)
    yield cue


def _taken_index(cue: _Cue, *, first: bool, identifiers: bool) -> int | None:
    """Take the number of the next cue off the lines of this one.

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


def _drop_last_index(cue: _Cue) -> None:
    """A number at the very end, after a blank line, may be that of a cue that was never written."""
    lines = [line for line in cue.lines if line[1].strip()]
    if not lines:
        return
    at = cue.lines.index(lines[-1])
    number = _number(lines[-1][1])
    apart = at > 0 and not cue.lines[at - 1][1].strip()
    if number is not None and apart and len(lines) > 1 and _follows(cue, number):
        del cue.lines[at:]


def _follows(cue: _Cue, number: int) -> bool:
    return cue.index is not None and number == cue.index + 1


def _number(line: str) -> int | None:
    stripped = line.strip("\ufeff \t")
    digits = stripped.isascii() and stripped.isdigit() and len(stripped) <= 9
    return int(stripped) if digits else None


_Lines = list[tuple[int, str]]


def _payload(lines: Sequence[tuple[int, str]]) -> tuple[_Lines, list[_Lines]]:
    """A WebVTT cue's own lines, which end at an empty one, and the blocks after them."""
    blocks: list[_Lines] = [[]]
    for line in lines:
        if line[1]:
            blocks[-1].append(line)
        else:
            blocks.append([])
    return blocks[0], [block for block in blocks[1:] if any(line.strip() for _, line in block)]


def _report_texts(blocks: Sequence[Sequence[tuple[int, str]]], found: Found) -> None:
    """Blocks without times are comments and styles, or text that no player shows."""
    for block in blocks:
        number, line = block[0]
        if not _NO_TEXT.match(line):
            found.skip(f"line {number}", _NO_CUE)


def _read_head(lines: Sequence[tuple[int, str]], found: Found) -> None:
    _, blocks = _payload(lines)
    for _, line in lines:
        if (language := _LANGUAGE.fullmatch(line)) is not None:
            found.language = language[1].lower()
    # Some programs put a blank line before the rest of their header.
    texts = [block for block in blocks if not all(_HEADER.match(line) for _, line in block)]
    _report_texts(texts, found)


def _rolled(before: _Cue | None, cue: _Cue, lines: Sequence[str]) -> list[str]:
    """The lines of a cue that the one right before it did not end with.

    A cue of nothing but such lines is left out if it is as brief as YouTube's.
    """
    shown = [line for line in lines if line.strip()]
    if before is None or not before.readable or abs(cue.start_s - before.end_s) > _BRIEF_S:
        return list(lines)
    earlier = [_bare(line) for _, line in before.lines if line.strip()]
    for n in range(min(len(shown), len(earlier), 8), 0, -1):
        repeated = shown[:n] == earlier[-n:]  # what is said now has times in it: it is not the same
        if repeated and (n < len(shown) or cue.end_s - cue.start_s <= _BRIEF_S):
            return shown[n:]
    return list(lines)


def _has_text(line: str) -> bool:
    return bool(line.strip())


def _bare(line: str) -> str:
    return re.sub(r"<[^<>]*+>", "", line)


def _vtt_segment(cue: _Cue, lines: str) -> Segment:
    voice = _VOICE.match(lines)
    speaker = unescape(voice[1]).strip() if voice else None
    held, times = inline_times.held(lines)
    shown = unescape(tags.from_html(held)).replace("\n", markup.BREAK)
    text, words = inline_times.parted(shown, times, cue.start_s, cue.end_s)
    return Segment(cue.start_s, cue.end_s, text, words=tuple(words), speaker=speaker or None)
