"""LRC lyrics: a line of text for each point in time."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TextIO

from whisperctl.formats import markup
from whisperctl.formats.cue_layout import layout, word_times
from whisperctl.formats.cues import Cue, label, milliseconds, one_line, spoken
from whisperctl.formats.layout import NO_LIMITS, SubtitleOptions
from whisperctl.transcript import Transcript

_TIME_TAG = re.compile(r"[\[<]\s*(\d+:\d+(?:[.:]\d+)*)\s*[\]>]")


def write_lrc(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write a line a segment as whisper-cli does, or a line a cue when limits are given.

    Times are in minutes, seconds and hundredths. There are no escapes: what would be read as a time
    tag, ``[00:12.00]`` in the text, gets round brackets. A highlighted word has its own time before
    it, ``<00:12.00>``, the form called enhanced or A2.
    """
    out.write("[by:whisper.cpp]\n")
    if options == NO_LIMITS:
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
