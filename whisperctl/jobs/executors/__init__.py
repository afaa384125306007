"""Executors: where the recordings of a job are transcribed.

An executor is a class named by an entry point in the group ``whisperctl.executors``::

    [project.entry-points."whisperctl.executors"]
    processes = "whisperctl.jobs.executors.processes:ProcessesExecutor"

It is called without arguments to give an ``Executor``. ``docs/executors.md`` shows a whole one and
lists what executors promise, which ``whisperctl.testing.test_executors`` tests.

An executor transcribes and reports events. Journals and results are written by its caller,
``whisperctl.jobs.runner``, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from whisperctl.errors import PluginError, UsageError
from whisperctl.jobs.events import WorkerEvent
from whisperctl.jobs.job import Job, RecordingLimits, Task
from whisperctl.plugins import Door

if TYPE_CHECKING:  # two dozen data types, of which a transcription needs none
    from whisperctl.compare.result import Machine

CONTRACT = 1

OnWorkerEvent = Callable[[int, WorkerEvent], None]
"""Gets the number that a task was submitted with, and an event of it.

When it returns, the event is safe: a checkpoint or transcript is in the journal, on disk.
"""


@dataclass(frozen=True, slots=True)
class ExecutorInfo:
    """Description of an executor.

    ``parallel``: several recordings at once. ``cancels``: a recording can be stopped at any moment.
    ``limits_memory``: ``ExecutorOptions.memory_bytes`` is enforced. ``preference``: the executor
    with the highest number that can do what is asked for is the default; one with ``None`` is used
    only by name. ``problem``: why it cannot be used here, and how to change that. ``address``: how
    the address of what it runs on is written; empty if it takes none. ``compares``: it measures
    comparisons on workers of one kind, and its executions are ``ComparingExecution``.
    """

    version: str
    parallel: bool = False
    cancels: bool = False
    limits_memory: bool = False
    preference: int | None = None
    problem: str | None = None
    address: str = ""
    compares: bool = False


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """Options of an executor for one job.

    ``workers``: number of recordings to work on at once. ``memory_bytes``: resident memory for
    each; ``None`` is no limit. ``address``: what follows the executor's name and a colon; given
    only if ``ExecutorInfo.address`` says that there may be one. ``all_workers``: nobody asked for a
    number of workers; for an executor that takes an address, which has workers of its own,
    ``workers`` is then the number of recordings. ``threads``: number of threads that was asked for;
    ``None``: an executor on other machines chooses, and one on this machine uses ``Job.threads``.
    ``ahead``: ``slots`` may count tasks that wait for a worker, so that none waits for a task while
    results are written; not where the time of a task is limited, which begins when it is submitted.
    """

    workers: int = 1
    memory_bytes: int | None = None
    address: str = ""
    all_workers: bool = False
    threads: int | None = None
    ahead: bool = False


class Execution(Protocol):
    """An executor that is open for one job. Its methods are called by one thread."""

    @property
    def slots(self) -> int:
        """Number of tasks to submit at once; may change."""
        ...

    def submit(self, index: int, task: Task) -> None:
        """Take a task, under a number that events are reported with.

        Raises:
            WhisperctlError: no recording can be transcribed.
        """
        ...

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        """Report events, in this thread and in the order of each task; wait for the first one.

        Returns once the events that have come are reported, or after ``timeout_s`` seconds without
        any. An executor that works in this thread transcribes a task here. What ``on_event``
        raises propagates.

        Raises:
            WhisperctlError: no recording can be transcribed, such as without a model.
        """
        ...

    def cancel(self, index: int, reason: str) -> None:
        """Stop a task; its last event is ``Failed(reason)`` unless it has just ended.

        Called only if ``ExecutorInfo.cancels``.
        """
        ...

    def close(self) -> None:
        """Stop all work at once, and release everything."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of the workers that measure a comparison.

    ``key`` is equal for workers that may be set against each other. ``machine`` describes one of
    them, with ``threads`` of its own. ``note`` says which others are not used; empty if all are.
    """

    key: str
    machine: Machine
    threads: int
    note: str = ""


@runtime_checkable
class ComparingExecution(Execution, Protocol):
    """An execution of a job with ``Job.compared``, all of whose workers are of one kind."""

    def kind(self) -> Kind:
        """Kind of the workers, chosen when it is asked for first; waits for a first worker.

        Raises:
            PluginError: there is no worker that can be used.
        """
        ...


class Executor(Protocol):
    """A way to run jobs."""

    @property
    def name(self) -> str:
        """Name of its entry point."""
        ...

    @property
    def contract(self) -> int:
        """``CONTRACT`` that it was written for."""
        ...

    def describe(self) -> ExecutorInfo:
        """Describe it, starting nothing."""
        ...

    def open(self, job: Job, options: ExecutorOptions) -> Execution:
        """Get ready for a job; models are loaded when a task needs them.

        Raises:
            PluginError: it cannot be used here.
        """
        ...


EXECUTORS: Door[Executor] = Door("executor", "whisperctl.executors", CONTRACT)


def address_of(text: str | None) -> str:
    """Address in the ``NAME:ADDRESS`` of an executor; empty if there is none."""
    return (text or "").partition(":")[2]


def choose(
    text: str | None,
    workers: int = 1,
    limits: RecordingLimits | None = None,
    *,
    compares: bool = False,
) -> Executor:
    """Executor for a run: the one named, else the preferred one that can do what is asked for.

    Args:
        text: its name, with a colon and an address where it takes one, such as
            ``dask://host:8786``; or ``None``.
        workers: number of recordings at once.
        limits: what a recording may take.
        compares: it has to measure a comparison.

    Raises:
        UsageError: there is no such executor, or it cannot do what is asked for.
        PluginError: it cannot be used here.
    """
    limits = limits or RecordingLimits()
    if text is not None:
        name, colon, _ = text.partition(":")
        executor = EXECUTORS.load(name)
        info = executor.describe()
        if info.problem is not None:
            raise PluginError(f'executor "{name}" cannot be used here: {info.problem}')
        if colon and not info.address:
            raise UsageError(f'executor "{name}" takes no address: write --executor {name}')
        lacking = _lacking(info, workers, limits)
        if compares and not info.compares:
            lacking = "cannot compare: leave out --executor to measure on this machine"
        if lacking:
            raise UsageError(f'executor "{name}" {lacking}, or choose another executor')
        return executor
    usable: list[tuple[int, str, Executor]] = []
    for other in EXECUTORS.installed():
        found = EXECUTORS.describe(other, _described).info
        if found is None:
            continue
        executor, info = found
        if info.preference is None or info.problem is not None:
            continue
        if not _lacking(info, workers, limits):
            usable.append((-info.preference, other, executor))
    if not usable:
        raise PluginError("no installed executor can do this: reinstall whisperctl")
    return min(usable, key=lambda one: one[:2])[2]


def _described(executor: Executor) -> tuple[Executor, ExecutorInfo]:
    return executor, executor.describe()


def _lacking(info: ExecutorInfo, workers: int, limits: RecordingLimits) -> str:
    """First thing asked for that it cannot do, and which option to leave out; empty if none."""
    if workers > 1 and not info.parallel:
        return "works on one recording at a time: leave out --jobs"
    if limits.timeout_s is not None and not info.cancels:
        return "cannot stop a recording: leave out --timeout"
    if limits.memory_bytes is not None and not info.limits_memory:
        return "cannot limit memory: leave out --max-memory"
    return ""
