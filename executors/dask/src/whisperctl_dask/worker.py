"""What a worker of the cluster does with an order.

It runs in a thread of Dask's worker process, one order at a time. The recording is transcribed by a
child process, see ``whisperctl.jobs.executors.processes``, which keeps its model loaded for the
next order of the same kind, and ends when no other came for a minute.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from whisperctl import __version__
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine
from whisperctl.errors import AudioError, WhisperctlError
from whisperctl.jobs.events import (
    Advanced,
    CheckpointReached,
    Failed,
    Measured,
    RunMeasured,
    SegmentDecoded,
    Transcribed,
    WarningIssued,
    WorkerEvent,
)
from whisperctl.jobs.executors import ExecutorOptions
from whisperctl.jobs.executors.processes import (
    ProcessesExecution,
    ProcessesExecutor,
    event_line,
    fatal_line,
)
from whisperctl.jobs.job import Job, Task
from whisperctl.models import catalog
from whisperctl.models.ggml.files import OncePerFile, hex_digest
from whisperctl.models.store import Store
from whisperctl.storage import files, paths, records, urls
from whisperctl.text import quoted
from whisperctl.transcript import Segment
from whisperctl_dask.messages import Description, Order, Outcome, Report, Setup, SharedFile

_LOG = logging.getLogger("whisperctl.cluster")

PART_BYTES = 4 << 20
"""Size of the parts that files are delivered in."""

_PUBLISHED_EVERY_S = 0.5
_POLL_S = 0.1
_IDLE_S = 60.0
_BUSY_S = 0.2
_PURPOSE = "transcribing recordings for a cluster"
_CACHE = "cluster"
_KEPT_MODELS = 4
_LONGEST_REASON = 300
_MOST_PUBLISHED = 1 << 16
"""Size of outcomes that are published, a thousand of which stay in the scheduler's memory. Others
are fetched, which takes it and the coordinator more time."""


class _AbandonedError(Exception):
    """Nobody wants the result any longer."""


class _UnavailableError(Exception):
    """The coordinator cannot deliver a file; the text says why."""


# ------------------------------------------------------------------------------------ entry points


def carry_out(setup: bytes, order: bytes) -> bytes:
    """Transcribe a recording; called by Dask.

    Args:
        setup: a ``Setup`` as a line.
        order: an ``Order`` as a line.

    Returns:
        An ``Outcome`` in msgpack, or nothing if it was published.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        state = worker.state.tasks.get(key)
        return state is not None and state.state in ("executing", "long-running")

    try:
        common, parsed = _setup(setup), records.parse(Order, order)
        link = _Link(parsed.number, lambda message: worker.log_event(common.topic, message), wanted)
        outcome = _carry_out(common, parsed, link, worker.state.nthreads)
        if link.end(outcome):
            return b""
    except Exception as error:
        # Not what a recording can cause. Dask would log the order, and a URL in it may be signed.
        outcome = Outcome(refused=f"{type(error).__name__}: {error}"[:_LONGEST_REASON])
    return msgspec.msgpack.encode(outcome)


@lru_cache(maxsize=4)
def _setup(line: bytes) -> Setup:
    return records.parse(Setup, line)


def deliver(ticket: str, data: bytes, digest: str, problem: str) -> None:
    """Take a part of a file that was asked for; called by the coordinator on the worker.

    Args:
        ticket: what it was asked for with.
        data: the part; empty at the end of the file.
        digest: SHA-256 of the whole file, in the answer to the first question.
        problem: why the coordinator cannot read it.
    """
    waiting = _TICKETS.get(ticket)
    if waiting is not None:
        waiting.put((data, digest, problem))


def describe(setup: bytes, dask_worker: Any) -> bytes:
    """Describe this worker for a comparison; called by the coordinator on it.

    Args:
        setup: a ``Setup`` as a line.
        dask_worker: Dask's own, which it gives.

    Returns:
        A ``Description`` as a line.
    """
    from whisperctl.compare.conclude import describe_machine

    common = _setup(setup)
    refused = difference(common.versions, versions_for(common.job))
    return records.line(Description(describe_machine(), dask_worker.state.nthreads, refused))


def ignore_terminal() -> None:
    """Ignore Ctrl-C, which reaches every process of a terminal."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def dask_setup(worker: object) -> None:
    """Prepare a worker of a cluster on this machine; Dask calls it where this is a preload."""
    ignore_terminal()


@cache
def versions(engine: Engine) -> dict[str, str]:
    """Versions of all that decides about the results of an engine here."""
    found = {"whisperctl": __version__, **registry.versions(engine)}
    info = registry.find(engine.backend).info
    for runtime in () if info is None else info.runtimes:
        if runtime.name == engine.runtime and runtime.available:
            for path in runtime.files:
                found[path.name] = hex_digest(path, "sha256")
    return found


def versions_for(job: Job) -> dict[str, str]:
    """Versions of all engines of a job."""
    if job.compared is None:
        return versions(job.engine)
    return {
        f"{engine.label} {name}": version
        for engine in job.compared.engines
        for name, version in versions(engine).items()
    }


def difference(ours: dict[str, str], theirs: dict[str, str]) -> str:
    """First version that differs, as a clause; empty if none does."""
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name, "nothing"), theirs.get(name, "nothing")
        if one != other:
            return f"{name} is {other:.40} there and {one:.40} here"
    return ""


# ------------------------------------------------------------------------------- the order's course


_ONE_AT_A_TIME = threading.Lock()
_TICKETS: dict[str, queue.SimpleQueue[tuple[bytes, str, str]]] = {}


@dataclass(slots=True)
class _Kept:
    """A child process, for which jobs it is, and when it was last used."""

    key: bytes
    execution: ProcessesExecution
    used_s: float


_kept: _Kept | None = None


class _Link:
    """The way back to the coordinator for one order."""

    def __init__(
        self, number: int, publish: Callable[[Any], None], wanted: Callable[[], bool]
    ) -> None:
        self._number = number
        self._attempt = uuid.uuid4().hex
        self._publish = publish
        self._wanted = wanted
        self._lines: list[bytes] = []
        self._segments: list[Segment] = []
        self._advanced: Advanced | None = None
        self._published_s = 0.0

    def check(self) -> None:
        """Raise ``_AbandonedError`` if the result is not wanted any longer."""
        if not self._wanted():
            raise _AbandonedError

    def begin(self) -> None:
        """Say that the work begins. A short recording has ended before more is published."""
        self._send()
        self._published_s = time.monotonic()

    def event(self, event: WorkerEvent) -> None:
        """Take an event that is not the last; it is published soon."""
        match event:
            case Advanced():
                self._advanced = event
                return
            case SegmentDecoded(segment):
                self._segments.append(segment)
            case CheckpointReached(checkpoint):
                if checkpoint.segments == tuple(self._segments):
                    event = CheckpointReached(replace(checkpoint, segments=()))
                self._segments.clear()
            case _:
                pass
        self._flush_progress()
        self._lines.append(event_line(event))

    def publish(self, *, at_once: bool = True) -> None:
        """Publish what has come, or leave it if the last time was a moment ago."""
        if not at_once and time.monotonic() - self._published_s < _PUBLISHED_EVERY_S:
            return
        self._flush_progress()
        if self._lines:
            lines, self._lines = self._lines, []
            self._send(lines=lines)
        self._published_s = time.monotonic()

    def end(self, outcome: Outcome) -> bool:
        """Publish the rest, and with it the outcome; false if that is too large to be published."""
        self._flush_progress()
        fits = len(outcome.line) <= _MOST_PUBLISHED
        self._send(lines=self._lines, outcome=outcome if fits else None, over=True)
        self._lines = []
        return fits

    def ask(self, file: int, offset: int) -> tuple[bytes, str]:
        """Ask for a part of a file of the order's, and wait for it.

        Raises:
            _UnavailableError: it cannot be had.
        """
        ticket = uuid.uuid4().hex
        answer: queue.SimpleQueue[tuple[bytes, str, str]] = queue.SimpleQueue()
        _TICKETS[ticket] = answer
        try:
            self._send(file=file, offset=offset, ticket=ticket)
            while True:
                self.check()
                with suppress(queue.Empty):
                    data, digest, problem = answer.get(timeout=_BUSY_S)
                    if problem:
                        raise _UnavailableError(problem)
                    return data, digest
        finally:
            del _TICKETS[ticket]

    def _flush_progress(self) -> None:
        if self._advanced is not None:
            self._lines.append(event_line(self._advanced))
            self._advanced = None

    def _send(self, **values: Any) -> None:
        report = Report(self._number, self._attempt, **values)
        self._publish(msgspec.to_builtins(report, builtin_types=(bytes,)))


def _carry_out(setup: Setup, order: Order, link: _Link, n_threads: int) -> Outcome:
    differs = difference(setup.versions, versions_for(setup.job))
    if differs:
        return Outcome(refused=differs)
    try:
        with _alone(link):
            link.begin()
            _check_version(order.task)
            with _placed(setup, order, link) as (job, task, names):
                job = replace(job, threads=setup.threads or n_threads)
                line = _transcribe(job, task, setup.memory_bytes, link, names)
    except _AbandonedError:
        return Outcome()
    except WhisperctlError as error:
        line = event_line(Failed(f"{order.task.recording.label}: {error}"))
    except (OSError, _UnavailableError) as error:
        reason = files.reason(error) if isinstance(error, OSError) else str(error)
        line = event_line(
            Failed(f"{order.task.recording.label}: it cannot be sent to a worker ({reason})")
        )
    return Outcome(line)


def _check_version(task: Task) -> None:
    """Check that a recording at a URL is what the coordinator found there, perhaps hours ago.

    Raises:
        AudioError: it is not, or is gone.
    """
    recording = task.recording
    if task.chunk is not None or not recording.is_url:
        return
    before = (recording.size_bytes, recording.version)
    if before != (None, ""):
        found = urls.info(recording.name)
        if (found.size_bytes, found.version) != before:
            raise AudioError("it has changed since the run began: run the command again")


@contextmanager
def _alone(link: _Link) -> Iterator[None]:
    """Wait until this process does nothing else: each order has the whole worker."""
    while not _ONE_AT_A_TIME.acquire(timeout=_BUSY_S):
        link.check()
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


def _transcribe(
    job: Job, task: Task, memory_bytes: int | None, link: _Link, names: dict[str, str]
) -> bytes:
    """Have the child transcribe, and give its last event as a line."""
    last: list[WorkerEvent] = []

    def take(_: int, event: WorkerEvent) -> None:
        match event:
            case Failed(reason):
                last.append(Failed(_renamed(reason, names)))
            case WarningIssued(text):
                link.event(WarningIssued(_renamed(text, names)))
            case RunMeasured(error=error) if error:
                link.event(replace(event, error=_renamed(error, names)))
            case Transcribed() | Measured():
                last.append(event)
            case _:
                link.event(event)

    execution = _child(job, memory_bytes)
    try:
        execution.submit(0, task)
        while not last:
            execution.poll(take, _POLL_S)
            link.publish(at_once=False)
            link.check()
    except WhisperctlError as error:
        _end_child()
        return fatal_line(error)
    except BaseException:
        _end_child()
        raise
    _rest()
    return event_line(last[0])


def _renamed(text: str, names: dict[str, str]) -> str:
    for there, here in names.items():
        text = text.replace(there, here)
    return text


# ------------------------------------------------------------------------------------ child process


def _child(job: Job, memory_bytes: int | None) -> ProcessesExecution:
    """The child for this job: the one of the last order, if it is for the same."""
    global _kept
    key = records.line([records.plain(job), memory_bytes])
    if _kept is not None and _kept.key != key:
        _end_child()
    if _kept is None:
        options = ExecutorOptions(memory_bytes=memory_bytes)
        _kept = _Kept(key, ProcessesExecutor().open(job, options), time.monotonic())
    return _kept.execution


def _end_child() -> None:
    global _kept
    if _kept is not None:
        kept, _kept = _kept, None
        kept.execution.close()


def _rest() -> None:
    """End the child if it is not used again within a while."""
    if _kept is not None:
        _kept.used_s = time.monotonic()
        timer = threading.Timer(_IDLE_S, _end_idle)
        timer.daemon = True
        timer.start()


def _end_idle() -> None:
    if _ONE_AT_A_TIME.acquire(blocking=False):
        try:
            if _kept is not None and time.monotonic() - _kept.used_s >= _IDLE_S:
                _end_child()
        finally:
            _ONE_AT_A_TIME.release()


# -------------------------------------------------------------------------------------------- files


@contextmanager
def _placed(setup: Setup, order: Order, link: _Link) -> Iterator[tuple[Job, Task, dict[str, str]]]:
    """The job and task with paths of this machine; what was sent for the task alone is removed.

    Gives, besides, names in messages to be replaced by those that the coordinator knows.
    """
    job, task = setup.job, order.task
    names: dict[str, str] = {}
    folder: Path | None = None
    try:
        for place, file in enumerate((*setup.files, *order.files)):
            if _is_seen(file):
                continue
            if place < len(setup.files):
                path = _cached(place, file, link)
                task = replace(
                    task,
                    runs=tuple(
                        replace(run, model=path) if run.model == file.path else run
                        for run in task.runs
                    ),
                )
                job = replace(
                    job,
                    model=path if file.path == job.model else job.model,
                    vad_model=path if file.path == job.vad_model else job.vad_model,
                )
            else:
                folder = folder or files.make_temporary_folder(_PURPOSE)
                path = folder / (file.path.name if file.path.name != "-" else "stdin")
                _fetch(place, path, link)
                if task.chunk is not None:
                    task = replace(task, chunk=replace(task.chunk, path=path))
                else:
                    task = replace(task, recording=replace(task.recording, name=str(path)))
            names[quoted(path)] = quoted(file.path)
        yield job, task, names
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _is_seen(file: SharedFile) -> bool:
    """True if this worker has the same file at the same place."""
    if file.size < 0:
        return False
    try:
        status = file.path.stat()
    except (OSError, ValueError):
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _cached(place: int, file: SharedFile, link: _Link) -> Path:
    """A model of this machine's, found by its hash: in the cache or the store of models.

    If it is in neither, the store pulls it where it is a published one; else it is sent.
    """
    _, digest = link.ask(place, -1)
    if len(digest) != 64 or not digest.isalnum():
        raise _UnavailableError("the coordinator gave no hash")
    root = paths.cache_dir(_CACHE)
    path = root / digest / file.path.name
    lock = FileLock(root / f"{digest}.lock")
    while True:
        link.check()
        with suppress(Timeout):
            lock.acquire(timeout=_BUSY_S)
            break
    try:
        if not path.exists():
            own = _pulled(file, digest, link.check)
            if own is not None:
                return own
            path.parent.mkdir(exist_ok=True)
            with files.replacing(path) as out:
                found = hashlib.sha256()
                for data in _parts(place, link):
                    found.update(data)
                    out.write(data)
                if found.hexdigest() != digest:
                    raise _UnavailableError("it arrived damaged")
            _prune(root, path.parent)
        os.utime(path.parent)
    finally:
        lock.release()
    return path


_digest = OncePerFile(partial(hex_digest, algorithm="sha256"))
_not_pulled: set[str] = set()
"""Hashes of models that this machine cannot get by itself."""


def _pulled(file: SharedFile, digest: str, check: Callable[[], None]) -> Path | None:
    """A published model in this machine's store, pulled if it is not there.

    Args:
        file: the coordinator's.
        digest: its SHA-256.
        check: called now and then; what it raises stops the download.

    Returns:
        Its file, or ``None``: it is no published model, or cannot be had.
    """
    from whisperctl.models.pull import pull

    name = file.path.name.removeprefix("ggml-").removesuffix(".bin")
    model = catalog.published(name)
    if model is None or model.size_bytes != file.size or digest in _not_pulled:
        return None
    try:
        path = Store().path_of(model.name)
        if not path.exists():
            path = pull(model.name, on_progress=lambda *_: check()).path
        if _digest(path) == digest:
            return path
    except (WhisperctlError, OSError) as error:
        _LOG.info("%s is sent, as it cannot be pulled here: %s", model.name, error)
    _not_pulled.add(digest)
    return None


def _prune(root: Path, kept: Path) -> None:
    """Remove the models that were used the longest ago, but for a few."""
    folders = sorted(
        (path for path in root.iterdir() if path.is_dir() and path != kept),
        key=lambda path: path.stat().st_mtime,
    )
    for folder in folders[: 1 - _KEPT_MODELS]:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(place: int, path: Path, link: _Link) -> None:
    with path.open("xb") as out:
        for data in _parts(place, link):
            out.write(data)


def _parts(place: int, link: _Link) -> Iterator[bytes]:
    offset = 0
    while True:
        data, _ = link.ask(place, offset)
        if not data:
            return
        yield data
        offset += len(data)
