"""What a run is asked for, the same for all of its recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from whisperctl import stall
from whisperctl.engines import Engine
from whisperctl.formats.layout import SubtitleOptions
from whisperctl.output import TEMPLATE
from whisperctl.transcription.options import TranscriptionOptions


@dataclass(frozen=True, slots=True)
class Results:
    """What is written, and where.

    ``formats`` may be empty; ``directory``, ``template`` and the empty string for an unknown
    ``language`` are as for ``whisperctl.output.output_path``. With ``to_stdout`` the one format is
    handed to who started the run, as text, and no file is written.
    """

    formats: tuple[str, ...] = ()
    directory: Path = field(default_factory=Path)
    template: str = TEMPLATE
    language: str = ""
    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    to_stdout: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """How to transcribe each recording, and what to do with what comes out.

    ``vad_model`` is the file of a voice activity model, if there is one.
    ``resume`` goes on where an earlier run stopped, ``skip_existing`` leaves results alone that are
    there. ``journal`` keeps what a later run needs to go on. With ``logs`` other processes
    hand over what they log. ``stall_timeout_s`` seconds without progress fail a recording; ``None``
    is no limit.
    """

    engine: Engine
    model: Path
    threads: int
    options: TranscriptionOptions
    results: Results
    vad_model: Path | None = None
    resume: bool = False
    skip_existing: bool = False
    journal: bool = True
    logs: bool = False
    stall_timeout_s: float | None = stall.TIMEOUT_S
