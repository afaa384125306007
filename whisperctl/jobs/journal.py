"""Journals of recordings, from which a killed run goes on.

A recording has one file in the user's state directory, never beside results. Its name is a hash of
everything that the transcription depends on: the recording, the model, the engine, the options,
and the decoders that read it, as no two give quite the same samples.
During the transcription the file grows by a line for each checkpoint, flushed to disk; then by the
whole transcript, so that results can be written without transcribing again. Once they are written,
one line replaces all others: which files they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from whisperctl import __version__, languages
from whisperctl.audio.decoders import registry as decoders
from whisperctl.audio.filters import registry
from whisperctl.audio.source import STDIN
from whisperctl.jobs.job import Job
from whisperctl.jobs.sources import Recording
from whisperctl.storage import records, state, urls
from whisperctl.transcript import Transcript
from whisperctl.transcription.run import Checkpoint

_LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A result as it was when it was written; ``version`` is that of one at a URL."""

    path: str
    size: int
    mtime_ns: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a journal, of which one field is set.

    ``results`` is a hash of the results that were asked for when ``written`` was written.
    """

    checkpoint: Checkpoint | None = None
    transcript: Transcript | None = None
    results: str | None = None
    written: tuple[WrittenFile, ...] = ()


class Keys:
    """Values that journals of a job depend on. What all of them share is found only once."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._results = records.plain(job.results)

    def parts(self, recording: Recording) -> list[object] | None:
        """Values that a journal's name depends on; ``None`` if no later run could find it."""
        if recording.name == STDIN:
            return None
        identity = (
            urls.identity(recording.name, recording.size_bytes, recording.version)
            if recording.is_url
            else state.identity(Path(recording.name))
        )
        if identity is None or self._of_all is None:
            return None
        return [__version__, identity, *self._of_all]

    def asked(self, recording: Recording) -> str:
        """Hash of the results that are asked for."""
        where = "" if self._job.results.url else os.path.realpath(self._job.results.directory)
        return state.hashed(
            [self._results, where, recording.folder, urls.file_name(recording.name)]
        )

    @cached_property
    def _of_all(self) -> list[object] | None:
        job = self._job
        model = state.identity(job.model)
        if model is None:
            return None
        engine = [job.engine.backend, job.engine.runtime]
        filters = [spec.key for spec in registry.parse_all(job.options.filters)]
        options = records.plain(job.options)
        read_by = [decoder.name for decoder in decoders.choose(job.options.decoder)]
        chunked = [] if job.chunk_threads is None else ["chunks"]  # which gives another text
        return [model, engine, options, filters, read_by, str(job.vad_model), *chunked]


def forget(job: Job, recordings: Iterable[Recording]) -> None:
    """Remove the journals of these recordings."""
    keys = Keys(job)
    for recording in recordings:
        parts = keys.parts(recording)
        if parts is not None:
            with suppress(OSError):
                state.path_of(parts).unlink(missing_ok=True)


def finished(job: Job, recording: Recording, keys: Keys | None = None) -> bool:
    """True if an earlier run wrote all results of this recording, and none has changed.

    ``keys`` are the job's, if they are known.
    """
    keys = keys or Keys(job)
    parts = keys.parts(recording)
    if parts is None or not job.results.formats or job.results.to_stdout:
        return False
    try:
        lines = state.read(state.path_of(parts), _parsed)
    except OSError:
        return False
    return bool(lines) and _holds(lines[-1], keys.asked(recording))


def kept(job: Job, recording: Recording) -> bool:
    """True if a later run with ``resume`` has something of this recording to go on from."""
    parts = Keys(job).parts(recording)
    if parts is None:
        return False
    try:
        return state.path_of(parts).stat().st_size > 0
    except OSError:
        return False


class Journal:
    """The journal of one recording.

    ``checkpoint`` and ``transcript`` are its contents. ``finished``: another run has written all
    results since this one began.
    """

    def __init__(self, job: Job, recording: Recording, keys: Keys | None = None) -> None:
        """Open the journal, or do without one: ``problem`` then says why.

        The contents are read if ``job.resume`` is set, and removed otherwise. ``keys`` are the
        job's, if they are known.
        """
        keys = keys or Keys(job)
        self.checkpoint: Checkpoint | None = None
        self.transcript: Transcript | None = None
        self.finished = False
        self._results = keys.asked(recording)
        self._file = state.StateFile(
            keys.parts(recording) if job.journal else None,
            taken="another run is transcribing this recording and keeps its journal",
        )
        self._load(resume=job.resume)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the journal; safe to call again."""
        self._file.close()

    @property
    def problem(self) -> str:
        """Reason that there is no journal; empty if there is one."""
        problem = self._file.problem
        return f"{problem}; --resume could not go on in this recording" if problem else ""

    def add(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint; it is on disk on return, but for the last: the transcript follows."""
        self._file.append(records.line(_Line(checkpoint=checkpoint)), flush=not checkpoint.done)

    def transcribed(self, transcript: Transcript) -> None:
        """Add the whole transcript; it is on disk on return."""
        self._file.append(records.line(_Line(transcript=transcript)))

    def written(self, places: Iterable[str | Path]) -> None:
        """Replace the contents by the paths or URLs of the written results."""
        if not self._file.usable:
            return
        try:
            files = tuple(_written(place) for place in places)
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
    """Parse a line, and check its language and time.

    Raises:
        ValueError: it is not a line of a journal.
    """
    line = records.restore(_Line, records.loads(text))
    for found in (line.checkpoint, line.transcript):
        if found is not None and found.language not in ("", languages.AUTO, *languages.LANGUAGES):
            raise ValueError(f"unknown language {found.language:.40}")
    if line.checkpoint is not None and not 0 <= line.checkpoint.position_s < _LONGEST_S:
        raise ValueError(f"impossible time {line.checkpoint.position_s} s")
    return line


def _written(place: str | Path) -> WrittenFile:
    if isinstance(place, str) and urls.is_url(place):
        entry = urls.describe([place]).get(place)
        if entry is None:
            raise FileNotFoundError(place)
        return WrittenFile(place, entry.size_bytes or 0, 0, entry.version)
    status = Path(place).stat()
    return WrittenFile(os.path.realpath(place), status.st_size, status.st_mtime_ns)


def _unchanged(file: WrittenFile) -> bool:
    try:
        return _written(file.path) == file
    except (OSError, ValueError):  # not a possible path
        return False


def _holds(line: _Line, asked: str) -> bool:
    """True if a line says that these results were written, and none has changed."""
    return line.results == asked and all(_unchanged(file) for file in line.written)
