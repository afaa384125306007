"""A job: what to do with a list of recordings; its tasks, and the limits of each."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from whisperctl.compare.runner import Request
from whisperctl.engine import stall
from whisperctl.engine.registry import Engine
from whisperctl.errors import UsageError
from whisperctl.jobs.deliver import TEMPLATE
from whisperctl.jobs.sources import Recording
from whisperctl.options import SubtitleOptions, TranscriptionOptions
from whisperctl.transcription.chunking import ChunkFile
from whisperctl.transcription.run import Checkpoint


@dataclass(frozen=True, slots=True)
class Results:
    """Formats, names and places of results.

    ``formats`` may be empty; ``directory``, ``template`` and the empty string for an unknown
    ``language`` are as for ``whisperctl.jobs.deliver.output_path``. With ``url`` files are written
    to a store, and ``directory`` is a path below that URL. With ``to_stdout`` the one format is
    reported as text, and no file is written.
    """

    formats: tuple[str, ...] = ()
    directory: Path = field(default_factory=Path)
    template: str = TEMPLATE
    language: str = ""
    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    to_stdout: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """All engines and models that a comparison runs, and its largest number of threads."""

    engines: tuple[Engine, ...]
    models: tuple[Path, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Job:
    """Engine, model and options for each recording, and the results to write.

    ``vad_model`` is the file of a voice activity model, if there is one. ``resume`` goes on where
    an earlier run stopped, ``skip_existing`` keeps existing results. ``journal`` keeps what a later
    run needs to go on. With ``logs``, other processes report what they log. ``stall_timeout_s``
    seconds without progress fail a recording; ``None`` is no limit. With ``chunk_threads`` a
    recording is cut into chunks that are transcribed at once, each with this many threads.
    With ``compared`` its tasks are runs to measure, and ``engine`` and ``model`` the first of them.
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
    chunk_threads: int | None = None
    compared: Compared | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One recording of a job, and where an earlier run stopped in it, with all segments so far.

    With ``chunk`` it is a part of the recording, which is not read; ``resume_from`` has no segments
    then, and names the language if it is known.

    With ``runs`` too, ``chunk`` holds all samples of the recording, and each run is measured on
    them, one after another, as ``whisperctl.compare`` does: they are set against each other.
    """

    recording: Recording
    resume_from: Checkpoint | None = None
    chunk: ChunkFile | None = None
    runs: tuple[Request, ...] = ()

    @property
    def start_s(self) -> float:
        """Seconds of the recording that are transcribed already."""
        return 0.0 if self.resume_from is None else self.resume_from.position_s


_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """Limits of each recording: seconds, and resident memory of a process and its children.

    ``None`` is no limit.

    Raises:
        UsageError: a limit is not above zero.
    """

    timeout_s: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not 0 < self.timeout_s < 1e9:
            raise UsageError(f"a time limit must be above 0 seconds, not {self.timeout_s:g}")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise UsageError("a memory limit must be above 0")

    @property
    def any(self) -> bool:
        """True if there is a limit."""
        return self.timeout_s is not None or self.memory_bytes is not None


def size_bytes(text: str) -> int:
    """Read a size such as ``2G``, ``1.5GB``, ``500M`` or ``500MiB``; units are powers of 1024.

    Raises:
        UsageError: the text is not a size.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if not match:
        raise UsageError(f'"{text}" is not a size: write one such as 2G or 500M')
    return int(float(match[1]) * 2 ** _POWERS[match[2]])


def size_text(n_bytes: int) -> str:
    """Write a size as people do."""
    for unit, power in (("G", 30), ("M", 20), ("K", 10)):
        if n_bytes >= 1 << power:
            return f"{n_bytes / (1 << power):.3g} {unit}iB"
    return f"{n_bytes} bytes"


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process and its children; ``None`` if it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        held = int(process.memory_info().rss)
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                held += child.memory_info().rss
    except psutil.Error:
        return None
    return held
