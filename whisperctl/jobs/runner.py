"""Runs a job over its recordings: in this process, or several at once in processes of their own.

One recording that fails stops no other. Processes are used where a recording must be stoppable for
certain, and for several at once; else this process does the work, which takes the least memory.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from whisperctl import resources
from whisperctl.errors import WhisperctlError
from whisperctl.jobs import events, task
from whisperctl.jobs.events import Event, OnEvent, Ordered
from whisperctl.jobs.executors.processes import Process, Said
from whisperctl.jobs.job import Job, RecordingLimits, resident_bytes, size_text
from whisperctl.jobs.plan import label
from whisperctl.jobs.sources import Recording
from whisperctl.processes import end_all
from whisperctl.transcription.transcriber import Transcriber

_POLL_S = 0.05

T = TypeVar("T")


def run(
    job: Job,
    recordings: Sequence[Recording],
    on_event: OnEvent,
    *,
    jobs: int = 1,
    limits: RecordingLimits | None = None,
) -> None:
    """Transcribe and write every recording; what became of each is its last event.

    ``on_event`` runs in this thread. What it raises, or KeyboardInterrupt, stops all work and
    propagates; results that are written stay. Events of a recording come after those of the
    recordings before it, but for ``Advanced`` and ``Opened``, which come at once.

    Args:
        job: what to do.
        recordings: what to do it with.
        on_event: gets the place of a recording and an event.
        jobs: how many recordings at once.
        limits: what a recording may take.

    Raises:
        WhisperctlError: the engine or the model cannot be used for any recording.
    """
    limits = limits or RecordingLimits()
    if jobs == 1 and not limits.any:
        _run_here(job, recordings, on_event)
    else:
        _Pool(job, recordings, on_event, jobs, limits).run()


class _OutsideError(Exception):
    """Wraps what was raised by something else than the recording's own work."""


def _run_here(job: Job, recordings: Sequence[Recording], on_event: OnEvent) -> None:
    from whisperctl.jobs.opening import opened

    with ExitStack() as stack:
        transcribers: list[Transcriber] = []

        def load() -> Transcriber:
            if not transcribers:
                transcribers.append(_outside(lambda: stack.enter_context(opened(job))))
            return transcribers[0]

        for index, recording in enumerate(recordings):

            def emit(event: Event, index: int = index) -> None:
                _outside(lambda: on_event(index, event))

            on_event(index, events.Started())
            try:
                task.process(job, recording, load, emit)
            except _OutsideError as error:
                assert error.__cause__ is not None
                raise error.__cause__ from error.__cause__.__cause__
            except WhisperctlError as error:
                on_event(index, events.Failed(str(error)))
            except Exception as error:
                reason = f"{label(recording)}: {type(error).__name__}: {error} (unexpected)"
                on_event(index, events.Failed(reason))


def _outside(work: Callable[[], T]) -> T:
    try:
        return work()
    except Exception as error:
        raise _OutsideError from error


class _Pool:
    """Recordings handed to processes."""

    def __init__(
        self,
        job: Job,
        recordings: Sequence[Recording],
        on_event: OnEvent,
        jobs: int,
        limits: RecordingLimits,
    ) -> None:
        self._job = job
        self._recordings = recordings
        self._ordered = Ordered(on_event, len(recordings))
        self._jobs = min(jobs, len(recordings))
        self._limits = limits
        self._processes: list[Process] = []
        self._said: queue.SimpleQueue[tuple[Process, Said]] = queue.SimpleQueue()
        self._waiting = deque(range(len(recordings)))
        self._stopped: dict[Process, str] = {}

    def run(self) -> None:
        checked = time.monotonic()
        try:
            self._hand_out()
            while self._waiting or any(process.index is not None for process in self._processes):
                try:
                    process, said = self._said.get(timeout=_POLL_S)
                except queue.Empty:
                    pass
                else:
                    self._take(process, said)
                    self._hand_out()
                if self._limits.any and time.monotonic() - checked >= _POLL_S:
                    self._check_limits()
                    checked = time.monotonic()
        finally:
            end_all(self._processes)

    def _hand_out(self) -> None:
        idle = [process for process in self._processes if process.index is None]
        while self._waiting:
            if not idle:
                if len(self._processes) >= self._jobs:
                    return
                process = Process(self._job, self._said)
                self._processes.append(process)
            else:
                process = idle.pop()
            index = self._waiting.popleft()
            self._ordered.event(index, events.Started())
            process.begin(index, self._recordings[index])

    def _take(self, process: Process, said: Said) -> None:
        index = process.index
        if isinstance(said, WhisperctlError):
            raise said
        if said is None:
            self._processes.remove(process)
            reason = self._stopped.pop(process, None) or process.exit_summary()
            end_all([process])
            if index is not None:
                name = label(self._recordings[index])
                self._ordered.event(index, events.Failed(f"{name}: {reason}"))
            return
        assert index is not None
        if isinstance(said, events.Opened):
            process.since = time.monotonic()  # loading the model is not the recording's fault
        if isinstance(said, events.Finished | events.Failed):
            process.index = None
        self._ordered.event(index, said)

    def _check_limits(self) -> None:
        timeout_s, memory_bytes = self._limits.timeout_s, self._limits.memory_bytes
        for process in self._processes:
            if process.index is None or process in self._stopped:
                continue
            if timeout_s is not None and time.monotonic() - process.since > timeout_s:
                self._stopped[process] = f"stopped, as it took more than {timeout_s:g} s"
            elif memory_bytes is not None and (resident_bytes(process.pid) or 0) > memory_bytes:
                self._stopped[process] = (
                    f"stopped, as it took more than {size_text(memory_bytes)} of memory"
                )
            if process in self._stopped:
                process.kill()


def share_of_threads(threads: int, jobs: int) -> int:
    """Threads for each of several recordings at once, if one alone would have ``threads``."""
    return max(1, min(threads, resources.available() // jobs))
