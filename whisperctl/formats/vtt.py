"""WebVTT subtitles (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from typing import TextIO

from whisperctl.formats.cues import cues, timestamp
from whisperctl.transcript import Transcript

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write_vtt(transcript: Transcript, out: TextIO) -> None:
    """Write cues with hours always shown, as whisper-cli does.

    ``&``, ``<`` and ``>`` are escaped (section 4.2.2), so ``-->``, which no cue may hold, is too.
    """
    out.write("WEBVTT\n\n")
    for segment, text in cues(transcript):
        start, end = timestamp(segment.start_s), timestamp(segment.end_s)
        out.write(f"{start} --> {end}\n{text.translate(_ESCAPES)}\n\n")
