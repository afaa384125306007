"""LRC lyrics, a line of text for each point in time: writing, reading and recognizing them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import Cue, label, one_line, spoken
from whisperctl.subtitles.document import MAX_CHARACTERS, MAX_CUES, Found, TooLargeError
from whisperctl.subtitles.layout import layout, word_times
from whisperctl.text import check_time, milliseconds, parse_time
from whisperctl.transcript import Segment, Transcript, Word

_TIME_TAG = re.compile(r"[\[<]\s*(\d+:\d+(?:[.:]\d+)*)\s*[\]>]")


def write_lrc(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write a line a segment as whisper-cli does, or a line a cue when limits are given.

    Times are in minutes, seconds and hundredths. There are no escapes: what would be read as a time
    tag, ``[00:12.00]`` in the text, gets round brackets. A highlighted word has its own time before
    it, ``<00:12.00>``, the form called enhanced or A2.
    """
    if not options.lays_out:
        for segment, _ in spoken(transcript):
            text = label(segment.speaker) + _without_tags(
                markup.plain(one_line(segment.text)).lstrip()
            )
            space = " " if segment.text[:1].isspace() else ""
            out.write(f"[{_time(milliseconds(segment.start_s))}]{space}{text}\n")
        return
    # A cue has one line here, whatever the limit was.
    single = replace(options, max_line_count=None if options.max_line_width is None else 1)
    for cue in layout(transcript, single):
        words = _with_times(cue) if options.highlight_words and cue.pieces else ""
        text = words or " " + _without_tags(_line(cue.text))
        who = f" {label(cue.speaker)}".rstrip(" ") if cue.speaker else ""
        out.write(f"[{_time(cue.start_ms)}]{who}{text}\n")


def _with_times(cue: Cue) -> str:
    parts: list[str] = []
    for piece, times in zip(cue.pieces, word_times(cue), strict=True):
        word = _without_tags(_line(piece.text))
        # The space goes before the tag, or players would count it to the word.
        space = " " if piece.text[:1].isspace() or not parts else ""
        parts.append(f"{space}<{_time(times[0])}>{word.lstrip()}" if times else f"{space}{word}")
    return f"{''.join(parts)} <{_time(cue.end_ms)}>"


def _line(text: str) -> str:
    return markup.plain(text.replace("\n", " "))


def _without_tags(text: str) -> str:
    return _TIME_TAG.sub(r"(\1)", text)


def _time(time_ms: int) -> str:
    minutes, rest_ms = divmod(time_ms, 60_000)
    seconds, ms = divmod(rest_ms, 1000)
    return f"{minutes:02d}:{seconds:02d}.{ms // 10:02d}"


_TIME = r"-?\d{1,9}+:\d{1,9}+(?::\d{1,9}+)?(?:[.,]\d{1,9}+)?"
_LINE_TAG = re.compile(rf"\s*+\[({_TIME})\]", re.ASCII)
_WORD_TAG = re.compile(rf"<({_TIME})>", re.ASCII)
_ANY_TAG = re.compile(rf"[\[<]({_TIME})[\]>]", re.ASCII)
_LINE_BEGINS = re.compile(r"^\[\d++:\d++(?::\d++)?(?:[.,]\d++)?\]", re.MULTILINE)
_OFFSET = re.compile(r"\s*+\[offset:\s*+([+-]?\d{1,12}+)\s*+\]", re.ASCII | re.IGNORECASE)
_METADATA = re.compile(r"\s*+\[[a-z_#-]++\d*+\s*+:", re.IGNORECASE)
_READING_S_PER_CHARACTER = 1 / 15
_LEAST_S = 2.0
_LEAST_CHARACTERS = 1_000_000
_MOST_REPEATS = 20


def read_lrc(text: str) -> Found:
    """Lines with a time, each until the next begins; a line without text ends the one before it.

    The last takes as long as it is read in, or until the time tag at its end. Words with times of
    their own are words.

    Raises:
        ValueError: no line has a time.
    """
    # A line counts for each of its times: few letters could make an endless song.
    found = Found(
        max_characters=min(MAX_CHARACTERS, max(_LEAST_CHARACTERS, _MOST_REPEATS * len(text)))
    )
    offset_s = 0.0
    timed: list[tuple[float, str]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if offset := _OFFSET.match(line):
            offset_s = int(offset[1]) / 1000
            continue
        try:
            starts, rest = _starts(line)
        except ValueError as error:
            found.skip(f"line {number}", str(error))
            continue
        if not starts and line.strip() and not _METADATA.match(line):
            found.skip(f"line {number}", "it does not begin with a time such as [00:12.00]")
        timed += [(start_s, rest) for start_s in starts]
        if len(timed) > 2 * MAX_CUES:
            raise TooLargeError("it has too many times")
    if not timed and found.unreadable and not _METADATA.match(text):
        raise ValueError("no line begins with a time such as [00:12.00]")
    timed.sort(key=lambda line: line[0])
    for number, (start_s, line) in enumerate(timed):
        next_s = timed[number + 1][0] if number + 1 < len(timed) else None
        segment = _segment(line, start_s, next_s, offset_s)
        if segment is not None:
            found.add(segment)
    return found


def retime_lrc(text: str, move: Callable[[float], float]) -> str:
    """``text`` with the times of lines and words moved."""

    def moved(match: re.Match[str]) -> str:
        try:
            time_s = _tag_time(match[1])
        except ValueError:  # text in brackets
            return match[0]
        tag = match[0]
        return tag.replace(match[1], _time(milliseconds(move(time_s))))

    return _ANY_TAG.sub(moved, text)


def sniff_lrc(head: str) -> Likelihood:
    """Possible if some line begins with a time."""
    return Likelihood.POSSIBLE if _LINE_BEGINS.search(head) else Likelihood.NO


def _starts(line: str) -> tuple[list[float], str]:
    """All times that a line begins with, and the rest of it."""
    starts = []
    position = 0
    while tag := _LINE_TAG.match(line, position):
        starts.append(_tag_time(tag[1]))
        position = tag.end()
    return starts, line[position:]


def _segment(line: str, start_s: float, next_s: float | None, offset_s: float) -> Segment | None:
    plain = _WORD_TAG.sub("", line)
    if not plain.strip():
        return None
    try:
        tags = [_tag_time(tag) for tag in _WORD_TAG.findall(line)]
    except ValueError:
        tags = []
    trailing = bool(tags) and not line[line.rindex(">") + 1 :].strip()
    if trailing:
        end_s = tags[-1] if next_s is None else min(tags[-1], next_s)
    elif next_s is not None:
        end_s = next_s
    else:
        end_s = start_s + max(_LEAST_S, len(plain) * _READING_S_PER_CHARACTER)
    # A positive offset shows lyrics sooner.
    words = _words(line, tags, end_s, offset_s)
    shown = "".join(word.text for word in words) if words else plain
    return Segment(_moved(start_s, offset_s), _moved(end_s, offset_s), shown, (), words)


def _words(line: str, starts: list[float], end_s: float, offset_s: float) -> tuple[Word, ...]:
    if not starts:
        return ()
    before, *rest = _WORD_TAG.split(line)
    if before.strip():
        return ()
    texts = rest[1::2]
    words = []
    space = before[:1]
    for number, (start_s, text) in enumerate(zip(starts, texts, strict=True)):
        if text.strip():
            until_s = starts[number + 1] if number + 1 < len(starts) else end_s
            words.append(
                Word(
                    _moved(start_s, offset_s), _moved(until_s, offset_s), space + text.rstrip(), 1.0
                )
            )
        space = " " if text[-1:].isspace() else ""
    return tuple(words)


def _moved(time_s: float, offset_s: float) -> float:
    return check_time(max(0.0, round(time_s - offset_s, 3)))


def _tag_time(tag: str) -> float:
    """``MM:SS.xx``, ``MM:SS:xx``, or with hours ``H:MM:SS.xx``."""
    if tag.count(":") == 2 and "." not in tag and "," not in tag:
        tag = ".".join(tag.rsplit(":", 1))
    return parse_time(tag, lenient=True)
