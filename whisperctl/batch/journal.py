"""What is kept of each recording's transcription, so that a killed run can go on.

A recording has one file in the user's state directory, never beside results. Its name is a hash of
what the transcription depends on: the recording, the model, the engine, the options. While the
transcription runs, the file grows by a line a checkpoint, each flushed to disk; then by the whole
transcript, so that results can be written again without transcribing. Once they are written, one
line takes the place of it all: which files they are. A line that was torn is as if it were not
there. Files nobody has touched for a month are removed.

A journal is a help, not a result: where it cannot be written, the run goes on without.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from whisperctl import __version__, locks
from whisperctl.batch import records
from whisperctl.batch.job import Job
from whisperctl.batch.sources import Recording
from whisperctl.source import STDIN
from whisperctl.transcript import Transcript
from whisperctl.transcription.checkpoint import Checkpoint

DIRECTORY_VARIABLE = "WHISPERCTL_STATE"
_KEPT_S = 30 * 24 * 3600
_WAIT_S = 3.0


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


def directory() -> Path:
    """Where journals are."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named)
    import platformdirs

    return platformdirs.user_state_path("whisperctl") / "runs"


def prune() -> None:
    """Remove journals that nobody has touched for a month."""
    oldest = time.time() - _KEPT_S
    with suppress(OSError):
        for path in directory().glob("*.jsonl"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def forget(job: Job, recordings: Iterable[Recording]) -> None:
    """Drop what is kept of these recordings, as a run that begins anew does."""
    for recording in recordings:
        path = _path(job, recording)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def finished(job: Job, recording: Recording) -> bool:
    """Whether an earlier run wrote all results of this recording, and they are still the same."""
    path = _path(job, recording)
    if path is None or not job.results.formats or job.results.to_stdout:
        return False
    lines, _ = _read(path)
    return bool(lines) and _holds(lines[-1], _asked(job, recording))


class Journal:
    """The journal of one recording.

    ``checkpoint`` and ``transcript`` are what it held. ``finished`` says that another run wrote all
    results while this one was about to begin. ``problem`` says why there is no journal.
    """

    def __init__(self, job: Job, recording: Recording) -> None:
        """Open the journal, or do without: ``problem`` then says why.

        What an earlier run left is read with ``job.resume``, else dropped.
        """
        self.checkpoint: Checkpoint | None = None
        self.transcript: Transcript | None = None
        self.finished = False
        self.problem = ""
        self._file: BinaryIO | None = None
        self._results = _asked(job, recording)
        self._path = _path(job, recording) if job.journal else None
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _locked(self._path)
            self._load(resume=job.resume)
        except BlockingIOError:
            self._give_up("another run is transcribing this recording and keeps its journal")
        except OSError as error:
            self._give_up(_unwritable(self._path, error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, checkpoint: Checkpoint) -> None:
        """Keep where the transcription stands."""
        self._append(_Line(checkpoint=checkpoint))

    def transcribed(self, transcript: Transcript) -> None:
        """Keep the whole result."""
        self._append(_Line(transcript=transcript))

    def written(self, paths: Iterable[Path]) -> None:
        """Keep that the results are written, and nothing else."""
        if self._file is None or self._path is None:
            return
        try:
            files = tuple(_written(path) for path in paths)
            if not files:
                self._path.unlink(missing_ok=True)
                return
            new = self._path.with_suffix(".new")
            with new.open("wb") as file:
                file.write(records.line(_Line(results=self._results, written=files)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._give_up(_unwritable(self._path, error))

    def _load(self, *, resume: bool) -> None:
        assert self._path is not None and self._file is not None
        lines, whole = _read(self._path) if resume else ([], 0)
        if lines and lines[-1].results is not None:
            if _holds(lines[-1], self._results):
                self.finished = True
                return
            lines, whole = [], 0
        # What follows a torn line would be torn with it.
        self._file.truncate(whole)
        checkpoints = [line.checkpoint for line in lines if line.checkpoint is not None]
        if checkpoints:
            segments = tuple(segment for one in checkpoints for segment in one.segments)
            self.checkpoint = replace(checkpoints[-1], segments=segments)
        self.transcript = next((line.transcript for line in lines if line.transcript), None)

    def _append(self, line: _Line) -> None:
        if self._file is None:
            return
        try:
            data = records.line(line)
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            assert self._path is not None
            self._give_up(_unwritable(self._path, error))

    def _give_up(self, problem: str) -> None:
        self.problem = f"{problem}; --resume could not go on in this recording"
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def _read(path: Path) -> tuple[list[_Line], int]:
    """The whole lines of a journal, and how many bytes they are."""
    lines: list[_Line] = []
    whole = 0
    try:
        data = path.read_bytes()
    except OSError:
        return [], 0
    for text in data.splitlines(keepends=True):
        try:
            if not text.endswith(b"\n"):
                break
            lines.append(records.parse(_Line, text))
        except ValueError:
            break
        whole += len(text)
    return lines, whole


def _path(job: Job, recording: Recording) -> Path | None:
    """The journal's place; ``None`` for what is no file that another run could find again."""
    if recording.name == STDIN:
        return None
    identity = _identity(Path(recording.name))
    model = _identity(job.model)
    if identity is None or model is None:
        return None
    engine = [job.engine.backend, job.engine.runtime]
    parts = [__version__, identity, model, engine, records.plain(job.options), str(job.vad_model)]
    return directory() / f"{_hash(parts)}.jsonl"


def _asked(job: Job, recording: Recording) -> str:
    where = os.path.realpath(job.results.directory)
    return _hash([records.plain(job.results), where, recording.folder, Path(recording.name).name])


def _hash(parts: object) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:40]


def _identity(path: Path) -> list[object] | None:
    try:
        real = Path(os.path.realpath(path))
        status = real.stat()
    except (OSError, ValueError):
        return None
    if not real.is_file():
        return None
    return [str(real), status.st_size, status.st_mtime_ns]


def _written(path: Path) -> WrittenFile:
    status = path.stat()
    return WrittenFile(os.path.realpath(path), status.st_size, status.st_mtime_ns)


def _unchanged(file: WrittenFile) -> bool:
    try:
        return _written(Path(file.path)) == file
    except OSError:
        return False


def _holds(line: _Line, asked: str) -> bool:
    """Whether a line says that what is asked for was written, and it still is as it was."""
    return line.results == asked and all(_unchanged(file) for file in line.written)


def _locked(path: Path) -> BinaryIO:
    """Open a journal for this process alone.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be opened.
    """
    # A process that was told to end may take a moment to let go.
    until = time.monotonic() + _WAIT_S
    while True:
        # Its text is nobody else's business.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            locks.take(descriptor)
            if _same(path, descriptor):
                return file
            file.close()  # it was replaced or removed while we waited for its lock
        except BlockingIOError:
            file.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        except BaseException:
            file.close()
            raise


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unwritable(path: Path, error: OSError) -> str:
    from whisperctl.quoting import quoted

    reason = error.strerror or error
    return f"the journal in {quoted(path.parent)} cannot be written ({reason})"
