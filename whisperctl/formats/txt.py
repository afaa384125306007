"""Plain text: a line a segment."""

from __future__ import annotations

from typing import TextIO

from whisperctl.formats.cues import cues
from whisperctl.transcript import Transcript


def write_txt(transcript: Transcript, out: TextIO) -> None:
    """Write each segment's text on a line, as openai-whisper does."""
    for _, text in cues(transcript):
        out.write(f"{text}\n")
