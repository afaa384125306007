"""SubRip subtitles."""

from __future__ import annotations

from typing import TextIO

from whisperctl.formats.cues import cues, timestamp
from whisperctl.transcript import Transcript


def write_srt(transcript: Transcript, out: TextIO) -> None:
    """Write numbered cues, as openai-whisper does.

    SubRip has no escapes. ``-->`` in the text would be read as a timing line, so it becomes ``->``.
    """
    for number, (segment, text) in enumerate(cues(transcript), start=1):
        start, end = timestamp(segment.start_s, ","), timestamp(segment.end_s, ",")
        out.write(f"{number}\n{start} --> {end}\n{text.replace('-->', '->')}\n\n")
