"""Reading LRC lyrics."""

from __future__ import annotations

import re

from whisperctl.formats import markup
from whisperctl.subtitles.times import seconds
from whisperctl.transcript import Segment, Word

_LINE_TAG = re.compile(r"\s*\[(\d+:\d+(?:[.:]\d+)?)\]", re.ASCII)
_WORD_TAG = re.compile(r"<(\d+:\d+(?:[.:]\d+)?)>", re.ASCII)
_OFFSET = re.compile(r"\s*\[offset:\s*([+-]?\d+)\s*\]", re.ASCII | re.IGNORECASE)
_READING_S_PER_CHARACTER = 1 / 15
_LEAST_S = 2.0


def read_lrc(text: str) -> list[Segment]:
    """Lines with a time, each until the next begins; a line without text ends the one before.

    The last takes as long as it is read in, or until the time tag at its end. Words with times of
    their own are words.

    Raises:
        ValueError: no line has a time.
    """
    offset_s = 0.0
    timed: list[tuple[float, str]] = []
    for line in markup.unmarked(text).splitlines():
        if offset := _OFFSET.match(line):
            offset_s = int(offset[1]) / 1000
            continue
        starts = []
        rest = line
        while tag := _LINE_TAG.match(rest):
            starts.append(_time(tag[1]))
            rest = rest[tag.end() :]
        timed += [(start_s, rest) for start_s in starts]
    if not timed and text.strip() and not re.match(r"\s*\[[a-z#]+:", text, re.IGNORECASE):
        raise ValueError("no line begins with a time such as [00:12.00]")
    timed.sort(key=lambda line: line[0])
    segments = []
    for number, (start_s, line) in enumerate(timed):
        plain = _WORD_TAG.sub("", line)
        if not plain.strip():
            continue
        next_s = timed[number + 1][0] if number + 1 < len(timed) else None
        tags = [_time(tag) for tag in _WORD_TAG.findall(line)]
        trailing = bool(tags) and not _WORD_TAG.split(line)[-1].strip()
        if trailing:
            end_s = tags[-1] if next_s is None else min(tags[-1], next_s)
        elif next_s is not None:
            end_s = next_s
        else:
            end_s = start_s + max(_LEAST_S, len(plain) * _READING_S_PER_CHARACTER)
        # A positive offset shows lyrics sooner.
        words = _words(line, end_s, offset_s)
        shown = "".join(word.text for word in words) if words else plain
        segments.append(
            Segment(_moved(start_s, offset_s), _moved(end_s, offset_s), shown, (), words)
        )
    return segments


def _words(line: str, end_s: float, offset_s: float) -> tuple[Word, ...]:
    before, *rest = _WORD_TAG.split(line)
    if before.strip() or not rest:
        return ()
    starts, texts = [_time(tag) for tag in rest[::2]], rest[1::2]
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
    return max(0.0, round(time_s - offset_s, 3))


def _time(tag: str) -> float:
    minutes, rest = tag.split(":", 1)
    return int(minutes) * 60 + seconds(rest.replace(":", "."))
