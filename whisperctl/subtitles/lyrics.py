"""Reading LRC lyrics."""

from __future__ import annotations

import re

from whisperctl.subtitles.document import MAX_CUES, Found, TooLargeError
from whisperctl.subtitles.times import checked, seconds
from whisperctl.transcript import Segment, Word

_TIME = r"-?\d{1,9}+:\d{1,9}+(?::\d{1,9}+)?(?:[.,]\d{1,9}+)?"
_LINE_TAG = re.compile(rf"\s*+\[({_TIME})\]", re.ASCII)
_WORD_TAG = re.compile(rf"<({_TIME})>", re.ASCII)
_OFFSET = re.compile(r"\s*+\[offset:\s*+([+-]?\d{1,12}+)\s*+\]", re.ASCII | re.IGNORECASE)
_METADATA = re.compile(r"\s*+\[[a-z_#-]++\d*+\s*+:", re.IGNORECASE)
_READING_S_PER_CHARACTER = 1 / 15
_LEAST_S = 2.0
_LEAST_CHARACTERS = 1_000_000
_MOST_REPEATS = 20


def read_lrc(text: str) -> Found:
    """Lines with a time, each until the next begins; a line without text ends the one before.

    The last takes as long as it is read in, or until the time tag at its end. Words with times of
    their own are words.

    Raises:
        ValueError: no line has a time.
    """
    # A line counts for each of its times: few letters could make an endless song.
    found = Found(max_characters=max(_LEAST_CHARACTERS, _MOST_REPEATS * len(text)))
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
            found.skip(f"line {number}", "it begins with no time such as [00:12.00]")
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


def _starts(line: str) -> tuple[list[float], str]:
    """All times that a line begins with, and the rest of it."""
    starts = []
    position = 0
    while tag := _LINE_TAG.match(line, position):
        starts.append(_time(tag[1]))
        position = tag.end()
    return starts, line[position:]


def _segment(line: str, start_s: float, next_s: float | None, offset_s: float) -> Segment | None:
    plain = _WORD_TAG.sub("", line)
    if not plain.strip():
        return None
    try:
        tags = [_time(tag) for tag in _WORD_TAG.findall(line)]
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
    return checked(max(0.0, round(time_s - offset_s, 3)))


def _time(tag: str) -> float:
    """``MM:SS.xx``, ``MM:SS:xx``, or with hours ``H:MM:SS.xx``."""
    if tag.count(":") == 2 and "." not in tag and "," not in tag:
        tag = ".".join(tag.rsplit(":", 1))
    return seconds(tag)
