"""Tab-separated values."""

from __future__ import annotations

from typing import TextIO

from whisperctl.subtitles.cues import milliseconds, spoken
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.transcript import Transcript


def write_tsv(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write start and end in milliseconds and the text, as openai-whisper does.

    There are no quotes and no escapes: a tab in the text becomes a space. No option applies.
    """
    out.write("start\tend\ttext\n")
    for segment, text in spoken(transcript):
        start_ms, end_ms = milliseconds(segment.start_s), milliseconds(segment.end_s)
        out.write(f"{start_ms}\t{end_ms}\t{text.replace(chr(9), ' ')}\n")
