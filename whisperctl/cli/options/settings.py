"""What the options of a command come to, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.subtitles.layout import SubtitleOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run needs to know.

    ``decoding`` is that of ``transcription`` too. ``vad_model`` is the name or path of a voice
    activity model, as typed; ``None`` is the usual one.
    """

    model: Path
    threads: int
    decoding: DecodeOptions
    transcription: TranscriptionOptions
    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    vad_model: str | None = None
