"""What is kept of each recording's transcription, so that a killed run can go on.

A recording has one file in the user's state directory, never beside results. Its name is a hash of
what the transcription depends on: the recording, the model, the engine, the options. While the
transcription runs, the file grows by a line a checkpoint, each flushed to disk; then by the whole
transcript, so that results can be written again without transcribing. Once they are written, one
line takes the place of it all: which files they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from whisperctl import __version__, languages
from whisperctl.audio.filters import registry
from whisperctl.audio.source import STDIN
from whisperctl.jobs.job import Job
from whisperctl.jobs.sources import Recording
from whisperctl.storage import records, state
from whisperctl.transcript import Transcript
from whisperctl.transcription.run import Checkpoint

_LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A result as it was when it was written; changed since, it is another file."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a journal, of which one field is set.

    ``results`` says what was asked to be written when ``written`` was.
    """

    checkpoint: Checkpoint | None = None
    transcript: Transcript | None = None
    results: str | None = None
    written: tuple[WrittenFile, ...] = ()


def forget(job: Job, recordings: Iterable[Recording]) -> None:
    """Drop what is kept of these recordings, as a run that begins anew does."""
    for recording in recordings:
        parts = _parts(job, recording)
        if parts is not None:
            with suppress(OSError):
                state.path_of(parts).unlink(missing_ok=True)


def finished(job: Job, recording: Recording) -> bool:
    """Whether an earlier run wrote all results of this recording, and they are still the same."""
    parts = _parts(job, recording)
    if parts is None or not job.results.formats or job.results.to_stdout:
        return False
    try:
        lines = state.read(state.path_of(parts), _parsed)
    except OSError:
        return False
    return bool(lines) and _holds(lines[-1], _asked(job, recording))


class Journal:
    """The journal of one recording.

    ``checkpoint`` and ``transcript`` are what it held. ``finished`` says that another run wrote all
    results while this one was about to begin.
    """

    def __init__(self, job: Job, recording: Recording) -> None:
        """Open the journal, or do without: ``problem`` then says why.

        What an earlier run left is read with ``job.resume``, else dropped.
        """
        self.checkpoint: Checkpoint | None = None
        self.transcript: Transcript | None = None
        self.finished = False
        self._results = _asked(job, recording)
        self._file = state.StateFile(
            _parts(job, recording) if job.journal else None,
            taken="another run is transcribing this recording and keeps its journal",
        )
        self._load(resume=job.resume)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def problem(self) -> str:
        """Why there is no journal, if so."""
        problem = self._file.problem
        return f"{problem}; --resume could not go on in this recording" if problem else ""

    def add(self, checkpoint: Checkpoint) -> None:
        """Keep where the transcription stands."""
        self._file.append(records.line(_Line(checkpoint=checkpoint)))

    def transcribed(self, transcript: Transcript) -> None:
        """Keep the whole result."""
        self._file.append(records.line(_Line(transcript=transcript)))

    def written(self, paths: Iterable[Path]) -> None:
        """Keep that the results are written, and nothing else."""
        if not self._file.usable:
            return
        try:
            files = tuple(_written(path) for path in paths)
        except OSError:
            files = ()  # gone again already
        if files:
            self._file.replace(records.line(_Line(results=self._results, written=files)))
        else:
            self._file.remove()

    def _load(self, *, resume: bool) -> None:
        lines = self._file.read(_parsed) if resume else []
        if lines and lines[-1].results is not None:
            if _holds(lines[-1], self._results):
                self.finished = True
                return
            lines = []
        if not lines:
            self._file.cut()
        checkpoints = [line.checkpoint for line in lines if line.checkpoint is not None]
        if checkpoints:
            segments = tuple(segment for one in checkpoints for segment in one.segments)
            self.checkpoint = replace(checkpoints[-1], segments=segments)
        self.transcript = next((line.transcript for line in lines if line.transcript), None)


def _parsed(text: bytes) -> _Line:
    """A line, of which no time is such that work on it would fail or be lost.

    Raises:
        ValueError: it is none.
    """
    line = records.restore(_Line, records.loads(text))
    for found in (line.checkpoint, line.transcript):
        if found is not None and found.language not in ("", languages.AUTO, *languages.LANGUAGES):
            raise ValueError(f"there is no language {found.language:.40}")
    if line.checkpoint is not None and not 0 <= line.checkpoint.position_s < _LONGEST_S:
        raise ValueError(f"there is no time {line.checkpoint.position_s} s")
    return line


def _parts(job: Job, recording: Recording) -> list[object] | None:
    """What the journal's name is made of; ``None`` for what no other run could find again."""
    if recording.name == STDIN:
        return None
    identity = state.identity(Path(recording.name))
    model = state.identity(job.model)
    if identity is None or model is None:
        return None
    engine = [job.engine.backend, job.engine.runtime]
    filters = [spec.key for spec in registry.parse_all(job.options.filters)]
    options = records.plain(job.options)
    return [__version__, identity, model, engine, options, filters, str(job.vad_model)]


def _asked(job: Job, recording: Recording) -> str:
    where = os.path.realpath(job.results.directory)
    return state.hashed(
        [records.plain(job.results), where, recording.folder, Path(recording.name).name]
    )


def _written(path: Path) -> WrittenFile:
    status = path.stat()
    return WrittenFile(os.path.realpath(path), status.st_size, status.st_mtime_ns)


def _unchanged(file: WrittenFile) -> bool:
    try:
        return _written(Path(file.path)) == file
    except (OSError, ValueError):  # a path that cannot be one is none of ours
        return False


def _holds(line: _Line, asked: str) -> bool:
    """Whether a line says that what is asked for was written, and it still is as it was."""
    return line.results == asked and all(_unchanged(file) for file in line.written)
