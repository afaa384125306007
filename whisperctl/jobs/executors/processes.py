"""The executor that transcribes in worker processes: several at once, stopped at any moment.

A worker is started as ``python -m whisperctl.jobs.executors.processes IN OUT``, with the numbers of
its descriptors; 0 and 1 will do. It reads lines of JSON, a ``Job`` and then a ``Task`` at a time,
and answers with events, a line each: ``[KIND, FIELDS]``, see ``parse_answer``. ``["Fatal", {"kind",
"message"}]`` says that no recording can be transcribed. See ``whisperctl.processes`` for how each
side notices the other's end.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from typing import Any, BinaryIO, get_args

from whisperctl import __version__
from whisperctl.errors import BackendError, ModelError, UsageError, WhisperctlError
from whisperctl.jobs.events import End, Failed, Logged, WorkerEvent
from whisperctl.jobs.executors import CONTRACT, ExecutorInfo, ExecutorOptions, OnWorkerEvent
from whisperctl.jobs.executors.in_process import TaskRunner, failed
from whisperctl.jobs.job import Job, Task, resident_bytes, size_text
from whisperctl.processes import Send, WorkerProcess, abandon, command, end_all, serve
from whisperctl.storage import records

_MODULE = "whisperctl.jobs.executors.processes"
_MEMORY_POLL_S = 0.05
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(WorkerEvent)}
_FATAL: dict[str, type[WhisperctlError]] = {
    kind.__name__: kind for kind in (UsageError, ModelError, BackendError)
}

Answer = WorkerEvent | WhisperctlError | None
"""An event, an error for the whole run, or ``None``: the process is gone."""


class ProcessesExecutor:
    """See ``whisperctl.jobs.executors.Executor``."""

    name = "processes"
    contract = CONTRACT

    def describe(self) -> ExecutorInfo:
        """Describe it."""
        return ExecutorInfo(
            __version__, parallel=True, cancels=True, limits_memory=True, preference=10
        )

    def open(self, job: Job, options: ExecutorOptions) -> ProcessesExecution:
        """Get ready for a job; processes are started when there is work for them."""
        return ProcessesExecution(job, options)


class ProcessesExecution:
    """See ``whisperctl.jobs.executors.Execution``."""

    def __init__(self, job: Job, options: ExecutorOptions) -> None:
        self.slots = options.workers
        self._job = job
        self._memory_bytes = options.memory_bytes
        self._memory_checked = 0.0
        self._processes: list[_Process] = []
        self._answers: queue.SimpleQueue[tuple[_Process, Answer]] = queue.SimpleQueue()

    def submit(self, index: int, task: Task) -> None:
        """Send a task to an idle process, or to a new one."""
        process = next((one for one in self._processes if one.task is None), None)
        if process is None:
            process = _Process(self._job, self._answers)
            self._processes.append(process)
        process.begin(index, task)

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        """Report what processes have answered."""
        if self._memory_bytes is not None:
            self._check_memory(self._memory_bytes)
        try:
            self._take(*self._answers.get(timeout=timeout_s), on_event)
            for _ in range(self._answers.qsize()):
                self._take(*self._answers.get_nowait(), on_event)
        except queue.Empty:
            return

    def cancel(self, index: int, reason: str) -> None:
        """Kill the process of a task."""
        for process in self._processes:
            if process.task is not None and process.index == index:
                process.cancel(reason)

    def close(self) -> None:
        """End all processes."""
        end_all(self._processes)
        self._processes.clear()

    def _take(self, process: _Process, answer: Answer, on_event: OnWorkerEvent) -> None:
        if isinstance(answer, WhisperctlError):
            raise answer
        index, task = process.index, process.task
        if answer is None:
            reason = process.cancelled or f"{_label(task)}: {process.exit_summary()}"
            end_all([process])
            if process in self._processes:
                self._processes.remove(process)
            answer = Failed(reason)
        if task is None:
            return  # it ended, or was cancelled, when it had done its work
        if isinstance(answer, End):
            process.task = None
        on_event(index, answer)

    def _check_memory(self, most_bytes: int) -> None:
        if time.monotonic() - self._memory_checked < _MEMORY_POLL_S:
            return
        for process in self._processes:
            if process.task is not None and (resident_bytes(process.pid) or 0) > most_bytes:
                process.cancel(
                    f"{_label(process.task)}: stopped because it took more than "
                    f"{size_text(most_bytes)} of memory"
                )
        self._memory_checked = time.monotonic()


def _label(task: Task | None) -> str:
    return "a worker" if task is None else task.recording.label


class _Process(WorkerProcess):
    """A worker; ``task`` is what it works on, ``cancelled`` why it was stopped."""

    def __init__(self, job: Job, answers: queue.SimpleQueue[tuple[_Process, Answer]]) -> None:
        super().__init__(command(_MODULE), "working in separate processes", inherits_stdin=True)
        self.index = -1
        self.task: Task | None = None
        self.cancelled = ""
        self._answered = threading.Event()
        self.send(records.line(job))
        threading.Thread(target=self._read, args=(answers,), daemon=True).start()

    def begin(self, index: int, task: Task) -> None:
        """Send a task."""
        self.index, self.task = index, task
        self._answered.clear()
        self.send(records.line(task))

    def cancel(self, reason: str) -> None:
        """Kill it, unless its result has arrived or it was cancelled before."""
        if not self._answered.is_set() and not self.cancelled:
            self.cancelled = reason
            self.kill()

    def _read(self, answers: queue.SimpleQueue[tuple[_Process, Answer]]) -> None:
        for line in self.answers():
            try:
                answer = parse_answer(line)
            except ValueError as error:
                self.cancel(f"{_label(self.task)}: its process sent an invalid answer ({error})")
                break
            if isinstance(answer, End):
                self._answered.set()
            answers.put((self, answer))
        answers.put((self, None))
        self.close_answers()


def parse_answer(line: bytes) -> WorkerEvent | WhisperctlError:
    """Parse a line that a worker has sent: an event, or an error for the whole run.

    Raises:
        ValueError: it is neither.
    """
    try:
        kind, values = records.loads(line)
        if kind == "Fatal":
            return _FATAL[values["kind"]](values["message"])
        event: WorkerEvent = records.restore(_KINDS[kind], values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{line!r:.80} is not an event") from error
    return event


def event_line(event: WorkerEvent) -> bytes:
    """Write an event as ``parse_answer`` reads it."""
    return records.line([type(event).__name__, records.plain(event)])


def fatal_line(error: WhisperctlError) -> bytes:
    """Write an error for the whole run as ``parse_answer`` reads it."""
    kind = next((kind for kind in (UsageError, ModelError) if isinstance(error, kind)), None)
    name = "BackendError" if kind is None else kind.__name__
    return records.line(["Fatal", {"kind": name, "message": str(error)}])


def main(requests: BinaryIO, send: Send) -> int:
    """Serve as a worker until there are no more requests; see ``whisperctl.processes.serve``."""
    first = requests.readline()
    if not first:
        return 0
    job = records.parse(Job, first)
    waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_receive, args=(requests, waiting, busy), daemon=True).start()

    def emit(event: WorkerEvent) -> None:
        send(event_line(event))

    if job.logs:
        _hand_over_logs(send)
    with TaskRunner(job) as runner:
        while (task := waiting.get()) is not None:
            busy.set()
            try:
                runner.run(task, emit)
            except BrokenPipeError:
                raise
            except WhisperctlError as error:
                send(fatal_line(error))
                return 0
            except Exception as error:
                emit(failed(task, error))
            busy.clear()
    return 0


def _receive(
    requests: BinaryIO, waiting: queue.SimpleQueue[Task | None], busy: threading.Event
) -> None:
    for line in requests:
        waiting.put(records.parse(Task, line))
    waiting.put(None)
    abandon(interrupt=busy.is_set())


def _hand_over_logs(send: Send) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            send(event_line(Logged(record.name, record.levelno, record.getMessage())))

    root = logging.getLogger("whisperctl")
    root.addHandler(Handler())
    root.setLevel(logging.DEBUG)
    root.propagate = False


if __name__ == "__main__":
    sys.exit(serve(main))
