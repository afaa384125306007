"""Reading SubRip, WebVTT and SubStation Alpha, with pysubs2 and webvtt-py."""

from __future__ import annotations

import re
from html import unescape

from whisperctl.formats import markup
from whisperctl.subtitles import tags
from whisperctl.subtitles.times import seconds
from whisperctl.transcript import Segment

_BACKSLASH = "\ufdef"
"""Stands for a backslash of the text while pysubs2 has its own."""


def read_srt(text: str) -> list[Segment]:
    """Cues of SubRip."""
    from pysubs2 import SSAFile

    # pysubs2 takes a number at the very end for that of a next cue: give it one.
    source = markup.unmarked(text).replace("\\", _BACKSLASH) + "\n\n0\n"
    events = SSAFile.from_string(source, format_="srt", keep_html_tags=True)
    segments = []
    for event in events:
        lines = event.text.replace(r"\N", markup.BREAK).replace(_BACKSLASH, "\\")
        shown = tags.from_html(tags.from_ass(lines, comments=False))
        segments.append(Segment(event.start / 1000, event.end / 1000, _spaced(shown)))
    return segments


def read_vtt(text: str) -> list[Segment]:
    """Cues of WebVTT, their voices as speakers.

    Raises:
        ValueError: it is not WebVTT.
    """
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        captions = webvtt.from_string(markup.unmarked(text)).captions
    except (MalformedFileError, MalformedCaptionError) as error:
        raise ValueError(str(error) or "it does not begin with WEBVTT") from error
    segments = []
    for caption in captions:
        voice = re.match(r"\s*<v(?:\.[^\s>]*)?\s+([^>]+)>", caption.raw_text)
        speaker = unescape(voice[1]).strip() if voice else None
        shown = unescape(tags.from_html(caption.raw_text)).replace("\n", markup.BREAK)
        start_s, end_s = seconds(caption.start), seconds(caption.end)
        segments.append(Segment(start_s, end_s, _spaced(shown), speaker=speaker))
    return segments


def read_ass(text: str, version: str) -> list[Segment]:
    """Events of SubStation Alpha that are text, in the order of time.

    Args:
        text: the file.
        version: ``"ass"`` or ``"ssa"``.

    Raises:
        ValueError: it is not SubStation Alpha, or damaged.
    """
    from pysubs2 import SSAFile

    if "[script info]" not in text.lower() and "[events]" not in text.lower():
        raise ValueError("it has neither [Script Info] nor [Events]")
    file = SSAFile.from_string(markup.unmarked(text), format_=version)
    segments = []
    for event in file:
        if not event.is_text:
            continue
        shown = tags.from_ass(event.text, comments=True)
        shown = shown.replace(r"\N", markup.BREAK).replace(r"\n", " ").replace(r"\h", " ")
        shown = shown.replace("\\\u2060", "\\")  # as FFmpeg and we write a backslash
        style = file.styles.get(event.style)
        if style is not None:
            shown = _styled(shown, italic=style.italic, bold=style.bold, underline=style.underline)
        speaker = event.name.strip() or None
        if speaker is not None and shown.startswith(f"{speaker}: "):
            shown = shown[len(speaker) + 2 :]  # as we write it
        start_s, end_s = event.start / 1000, event.end / 1000
        segments.append(Segment(start_s, end_s, _spaced(shown), speaker=speaker))
    return sorted(segments, key=lambda segment: segment.start_s)


def _styled(text: str, *, italic: bool, bold: bool, underline: bool) -> str:
    begun = markup.ITALIC * italic + markup.BOLD * bold + markup.UNDERLINE * underline
    return markup.tidied(begun + text) if begun else text


def _spaced(text: str) -> str:
    """``text`` as the model writes it, with a space before; blank lines are left out."""
    lines = [line.strip() for line in re.split(f"[{markup.BREAK}\r\n]", text)]
    kept = markup.BREAK.join(line for line in lines if line)
    return f" {kept}" if kept else ""
