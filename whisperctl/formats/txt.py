"""Plain text: a line a segment."""

from __future__ import annotations

from typing import TextIO

from whisperctl.subtitles.cues import spoken
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.transcript import Transcript


def write_txt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write each segment's text on a line, as openai-whisper does; no option applies."""
    for _, text in spoken(transcript):
        out.write(f"{text}\n")
