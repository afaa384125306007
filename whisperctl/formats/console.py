"""Segments as whisper-cli prints them."""

from __future__ import annotations

from whisperctl.formats.cues import one_line, timestamp
from whisperctl.transcript import Segment


def line(segment: Segment) -> str:
    """``[00:00:00.000 --> 00:00:08.000]   text``, with the text as the model wrote it."""
    start, end = timestamp(segment.start_s), timestamp(segment.end_s)
    return f"[{start} --> {end}]  {one_line(segment.text)}"
