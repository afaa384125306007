"""SubRip subtitles: writing, reading and recognizing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.formats.cue_files import ARROW, cue_blocks, report_texts, retimed, timing
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import labels
from whisperctl.subtitles.document import Found
from whisperctl.subtitles.layout import highlighted, layout
from whisperctl.text import clock
from whisperctl.transcript import Segment, Transcript


def write_srt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write numbered cues, as openai-whisper does.

    SubRip has no escapes. ``-->`` in the text would be read as a timing line, so it becomes ``->``.
    """
    number = 0
    cues = layout(transcript, options)
    for cue, before in zip(cues, labels(cues), strict=True):
        for shown in highlighted(cue) if options.highlight_words else (cue,):
            number += 1
            start, end = clock(shown.start_ms, ","), clock(shown.end_ms, ",")
            text = (before + shown.text).replace("-->", "->").translate(markup.HTML_TAGS)
            text = markup.with_tags(text)
            out.write(f"{number}\n{start} --> {end}\n{text}\n\n")


def read_srt(text: str) -> Found:
    """Cues of SubRip. Blank lines inside a cue and missing ones between cues make no difference.

    Raises:
        ValueError: there is text, but no arrow.
    """
    if text.strip() and ARROW not in text:
        raise ValueError("no cue was found in it")
    found = Found()
    head, *cues = cue_blocks(text, found, comments=False)
    report_texts([[line] for line in head.lines if line[1].strip()][:1], found)
    for cue in cues:
        if cue.readable:
            lines = "\n".join(line for _, line in cue.lines).rstrip()
            shown = markup.from_html(markup.from_ass(lines, comments=False), keep=True)
            found.add(Segment(cue.start_s, cue.end_s, markup.spaced(shown)))
    return found


def retime_srt(text: str, move: Callable[[float], float]) -> str:
    """``text`` with its times moved."""
    return retimed(text, move, ",")


def sniff_srt(head: str) -> Likelihood:
    """Possible if some line has the times of a cue."""
    found = any(ARROW in line and _has_times(line) for line in head.split("\n"))
    return Likelihood.POSSIBLE if found else Likelihood.NO


def _has_times(line: str) -> bool:
    try:
        return timing(line) is not None
    except ValueError:
        return False
