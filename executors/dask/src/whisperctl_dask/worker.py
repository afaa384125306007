"""What a worker of the cluster does with an order.

It runs in a thread of Dask's worker process, one order at a time. The recording is transcribed by a
child process, see ``whisperctl.jobs.executors.processes``, which keeps its model loaded for the
next order of the same kind, and ends when no other came for a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import msgspec

from whisperctl import __version__
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine
from whisperctl.errors import AudioError, WhisperctlError
from whisperctl.jobs.events import (
    Failed,
    Measured,
    RunMeasured,
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
from whisperctl.models.ggml.files import hex_digest
from whisperctl.storage import files, records, urls
from whisperctl_dask.link import BUSY_S, AbandonedError, Link, UnavailableError
from whisperctl_dask.messages import Description, Order, Outcome, Setup
from whisperctl_dask.placing import placed

_POLL_S = 0.1
_IDLE_S = 60.0
_LONGEST_REASON = 300


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
        link = Link(parsed.number, lambda message: worker.log_event(common.topic, message), wanted)
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


@dataclass(slots=True)
class _Kept:
    """A child process, for which jobs it is, and when it was last used."""

    key: bytes
    execution: ProcessesExecution
    used_s: float


_kept: _Kept | None = None


def _carry_out(setup: Setup, order: Order, link: Link, n_threads: int) -> Outcome:
    differs = difference(setup.versions, versions_for(setup.job))
    if differs:
        return Outcome(refused=differs)
    try:
        with _alone(link):
            link.begin()
            _check_version(order.task)
            with placed(setup, order, link) as (job, task, names):
                job = replace(job, threads=setup.threads or n_threads)
                line = _transcribe(job, task, setup.memory_bytes, link, names)
    except AbandonedError:
        return Outcome()
    except WhisperctlError as error:
        line = event_line(Failed(f"{order.task.recording.label}: {error}"))
    except (OSError, UnavailableError) as error:
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
def _alone(link: Link) -> Iterator[None]:
    """Wait until this process does nothing else: each order has the whole worker."""
    while not _ONE_AT_A_TIME.acquire(timeout=BUSY_S):
        link.check()
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


def _transcribe(
    job: Job, task: Task, memory_bytes: int | None, link: Link, names: dict[str, str]
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
