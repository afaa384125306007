"""An execution: what is known of the orders that are under way, and what is done about it."""

from __future__ import annotations

import queue
import stat
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from whisperctl.audio.source import STDIN
from whisperctl.errors import ModelError, PluginError, WhisperctlError
from whisperctl.jobs import events
from whisperctl.jobs.events import Failed, Measured, Transcribed, WorkerEvent
from whisperctl.jobs.executors import ExecutorOptions, Kind, OnWorkerEvent
from whisperctl.jobs.job import Job, Results, Task
from whisperctl.jobs.sources import Recording
from whisperctl.storage import files, records
from whisperctl.text import on_one_line, quoted
from whisperctl.transcript import Segment
from whisperctl.transcription.run import Checkpoint
from whisperctl_dask import cluster, messages, worker
from whisperctl_dask.cluster import Cluster, Ended, Lost, Published, Served, Workers
from whisperctl_dask.crew import Crew
from whisperctl_dask.messages import (
    InvalidAnswerError,
    Order,
    Outcome,
    Setup,
    SharedFile,
)

_WAIT_S = 0.1
_CHECKED_EVERY_S = 0.5
_MOST_LOSSES = 2
"""Number of workers that a recording may take with it before it is given up."""

_LONG_S = 10.0
"""Time after which a task that a worker has not begun may go to another worker."""


@dataclass(slots=True)
class _Running:
    """A task, and what has been reported of it.

    ``number`` is its order's, ``attempt`` that of the worker that began, at ``place``. ``sent_s``
    is when the order was sent, by ``time.monotonic``; ``moved``: it was taken back as it waited for
    long. ``since`` are the attempt's segments after the last checkpoint, ``reported`` the number of
    segments after it that were reported by any attempt.
    """

    task: Task
    served: list[Served]
    number: int = 0
    place: str = ""
    attempt: str = ""
    sent_s: float = 0.0
    moved: bool = False
    losses: int = 0
    opened: bool = False
    resume_from: Checkpoint | None = None
    since: list[Segment] = field(default_factory=list)
    reported: int = 0
    warnings: set[str] = field(default_factory=set)


class DaskExecution:
    """See ``whisperctl.jobs.executors.Execution``."""

    def __init__(self, job: Job, options: ExecutorOptions) -> None:
        self._model = job.model
        self._limit = None if options.all_workers else options.workers
        self._ahead = options.ahead
        self._address = cluster.locate(options.address)
        self._threads = options.threads or self._address.threads
        self._compared = job.compared
        models = (job.model, job.vad_model, *(job.compared.models if job.compared else ()))
        self._shared = [_shared(path) for path in dict.fromkeys(models) if path is not None]
        self._running: dict[int, _Running] = {}
        self._numbers: dict[int, int] = {}
        self._waiting: deque[int] = deque()
        self._pending: deque[tuple[int, WorkerEvent]] = deque()
        self._crew = Crew(self._address, job.compared.threads if job.compared else None)
        self._n_orders = 0
        self._checked_s = 0.0
        self._notes: list[str] = []
        size = cluster.local_size(
            options.workers, all_workers=options.all_workers, threads=self._threads
        )
        topic = f"whisperctl-{uuid.uuid4().hex}"
        setup = Setup(
            topic,
            # Without what only the coordinator needs, so that the next run finds the model loaded.
            replace(
                job,
                model=_absolute(job.model),
                vad_model=None if job.vad_model is None else _absolute(job.vad_model),
                results=Results(),
                resume=False,
                skip_existing=False,
                journal=True,
                threads=1,
                chunk_threads=None,
            ),
            worker.versions_for(job),
            tuple(served.file for served in self._shared),
            options.memory_bytes,
            self._threads,
        )
        self._setup = records.line(setup)
        describe = self._setup if job.compared else b""
        self._cluster = Cluster(self._address, topic, *size, describe)
        if self._cluster.dashboard:
            self._notes.append(f"the cluster's dashboard is at {self._cluster.dashboard}")

    @property
    def slots(self) -> int:
        """Number of workers that can be used, and as many tasks again that wait for them."""
        n_usable = len(self._crew.ready())
        n_used = max(1, n_usable if self._limit is None else min(self._limit, n_usable))
        return 2 * n_used if self._ahead else n_used

    def kind(self) -> Kind:
        """See ``whisperctl.jobs.executors.ComparingExecution``."""
        while (kind := self._crew.kind()) is None:
            self._check_workers()
            with suppress(queue.Empty):
                self._take(self._cluster.news.get(timeout=_WAIT_S))
        return kind

    def submit(self, index: int, task: Task) -> None:
        """Take a task; it goes to a worker once one is free."""
        served = [_served(task.chunk.path)] if task.chunk else _recording(task.recording)
        self._running[index] = _Running(task, served, resume_from=task.resume_from)
        self._pending.extend((index, events.WarningIssued(text)) for text in self._notes)
        self._notes.clear()
        self._waiting.append(index)
        self._assign()

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        """Report what has come from the cluster."""
        if time.monotonic() - self._checked_s > _CHECKED_EVERY_S:
            self._checked_s = time.monotonic()
            self._check_stopping()
            self._assign()
        if not self._pending:
            self._check_workers()
            try:
                self._take(self._cluster.news.get(timeout=timeout_s))
                for _ in range(self._cluster.news.qsize()):
                    self._take(self._cluster.news.get_nowait())
            except queue.Empty:
                pass
        while self._pending:
            on_event(*self._pending.popleft())

    def cancel(self, index: int, reason: str) -> None:
        """Abandon a task; its worker kills the process that works on it."""
        if index in self._running:
            self._end(index, Failed(reason))

    def close(self) -> None:
        """Abandon all tasks, and leave the cluster."""
        for running in self._running.values():
            _close(running)
        self._running.clear()
        self._cluster.close()

    # ---------------------------------------------------------------------------------- what comes

    def _take(self, news: cluster.News) -> None:
        match news:
            case Workers(names, described):
                self._take_workers(names, described)
            case Published(message):
                self._take_report(message)
            case Ended():
                self._take_end(news)
            case Lost(reason):
                raise PluginError(
                    f"the Dask scheduler at {self._address.label} is gone ({reason}): start it "
                    "again, and go on with --resume"
                )

    def _take_workers(self, names: dict[str, str], described: dict[str, object]) -> None:
        self._crew.take(names, described)
        for index, running in list(self._running.items()):
            if running.place and running.place not in names:
                self._lose(index)
        self._assign()

    def _check_workers(self) -> None:
        """Give up if tasks wait, there is no worker that can be used, and none comes."""
        if self._waiting or self._compared:
            self._crew.check()

    def _take_report(self, message: object) -> None:
        try:
            report = messages.report(message)
        except InvalidAnswerError:
            return  # nobody knows whose it is
        if report.over and self._crew.stopped(report.number, report.worker):
            self._assign()
            return
        index = self._numbers.get(report.number)
        running = None if index is None else self._running.get(index)
        if index is None or running is None or running.number != report.number:
            return
        if report.worker != running.place:
            return  # it is not that worker's
        if not running.attempt:
            running.attempt = report.attempt
        elif running.attempt != report.attempt:
            self._lose(index)  # the worker came back at the same address, and began again
            return
        if report.file is not None:
            served = [*self._shared, *running.served]
            if report.file < len(served):
                self._cluster.serve(
                    served[report.file], report.offset, report.ticket, running.place
                )
        try:
            for line in report.lines:
                self._take_event(index, running, messages.event(line))
        except InvalidAnswerError as error:
            self._distrust(index, running, error, is_over=report.over)
            return
        if report.outcome is not None:
            self._take_outcome(index, running, report.outcome)

    def _take_event(
        self, index: int, running: _Running, event: WorkerEvent | WhisperctlError
    ) -> None:
        match event:
            case WhisperctlError() | Failed() | Transcribed() | Measured():
                raise InvalidAnswerError("an end among other events")
            case events.Placed() | events.ChunkTranscribed():
                raise InvalidAnswerError("an event of the coordinator's")
            case events.RunMeasured(place):
                if not 0 <= place < len(running.task.runs):
                    raise InvalidAnswerError("a run that nobody asked for")
            case events.Opened():
                if not running.opened:
                    self._report(index, event)
                running.opened = True
                self._report(index, events.Placed(self._crew.name(running.place)))
                return
            case events.SegmentDecoded(segment):
                running.since.append(segment)
                if len(running.since) <= running.reported:
                    return  # by the worker that was lost
                running.reported += 1
            case events.CheckpointReached(checkpoint):
                event = self._reached(running, checkpoint)
            case events.WarningIssued(text):
                event = events.WarningIssued(self._renamed(running, text))
                if text in running.warnings:
                    return
                running.warnings.add(text)
            case _:
                pass
        self._report(index, event)

    def _reached(self, running: _Running, checkpoint: Checkpoint) -> events.CheckpointReached:
        """Take a checkpoint, from which the task goes on if its worker is lost."""
        if not checkpoint.segments:
            checkpoint = replace(checkpoint, segments=tuple(running.since))
        before = () if running.resume_from is None else running.resume_from.segments
        running.resume_from = replace(checkpoint, segments=(*before, *checkpoint.segments))
        running.since.clear()
        running.reported = 0
        return events.CheckpointReached(checkpoint)

    def _take_end(self, ended: Ended) -> None:
        index = self._numbers.get(ended.number)
        running = None if index is None else self._running.get(index)
        if index is None or running is None or running.number != ended.number:
            return
        if ended.error is not None:
            self._take_error(index, running, ended.error)
            return
        try:
            outcome = messages.outcome(ended.value)
        except InvalidAnswerError as error:
            self._distrust(index, running, error)
            return
        self._take_outcome(index, running, outcome)

    def _take_outcome(self, index: int, running: _Running, outcome: Outcome) -> None:
        if outcome.refused:
            self._refuse(index, running, outcome.refused)
            return
        if not outcome.line:
            self._lose(index, is_over=True)
            return
        try:
            last = messages.event(outcome.line)
        except InvalidAnswerError as error:
            self._distrust(index, running, error)
            return
        if isinstance(last, Failed | Measured | Transcribed):
            self._crew.trust(running.place)
        match last:
            case WhisperctlError():
                raise last
            case Failed(reason):
                self._end(index, Failed(self._renamed(running, reason)), is_over=True)
            case Measured() if running.task.runs:
                self._end(index, last, is_over=True)
            case Transcribed(transcript) if not running.task.runs:
                found = replace(transcript, model=self._model)
                self._end(index, replace(last, transcript=found), is_over=True)
            case _:
                self._distrust(index, running, InvalidAnswerError("no end"))

    def _take_error(self, index: int, running: _Running, error: BaseException) -> None:
        """Take what Dask says instead of a result."""
        kind = type(error).__name__
        if isinstance(error, InvalidAnswerError):
            self._distrust(index, running, error)
        elif kind == "KilledWorker":
            self._lose(index, is_over=True)
        elif kind in ("FutureCancelledError", "CancelledError"):
            raise PluginError(
                f"the Dask scheduler at {self._address.label} has dropped the work "
                f"({cluster.described(error)}): go on with --resume"
            ) from error
        else:
            # The order's function catches what a recording can cause: the worker lacks something.
            self._refuse(index, running, cluster.described(error))

    def _distrust(
        self, index: int, running: _Running, error: Exception, *, is_over: bool = True
    ) -> None:
        """Fail a task by an invalid answer; a worker that gives several in a row is not used."""
        place = running.place
        name = self._crew.name(place)
        said = f"gave an invalid answer ({on_one_line(str(error))[:200]})"
        if self._crew.distrust(place):
            self._leave(index, place, f"it {said}")
        failed = Failed(f"{running.task.recording.label}: worker {name} {said}")
        self._end(index, failed, is_over=is_over)

    # -------------------------------------------------------------------------------- what is done

    def _report(self, index: int, event: WorkerEvent) -> None:
        self._pending.append((index, event))

    def _assign(self) -> None:
        """Send waiting tasks to workers that do nothing, then one to each that has one already.

        A worker begins the second at once when the first has ended. It is taken back while it has
        not begun if another worker has nothing to do.
        """
        at: dict[str, list[int]] = {}
        for index, running in self._running.items():
            if running.place:
                at.setdefault(running.place, []).append(index)
        usable = self._crew.ready()
        free = [place for place in usable if place not in at]
        if self._limit is not None:
            free = free[: max(0, self._limit - len(at))]
        for place in free:
            if not self._waiting:
                self._take_back(at)
            if not self._waiting:
                return
            index = self._waiting.popleft()
            self._send(index, place)
            at[place] = [index]
        for place in usable if self._ahead else ():
            if self._waiting and len(at.get(place, ())) == 1:
                self._send(self._waiting.popleft(), place)

    def _take_back(self, at: dict[str, list[int]]) -> None:
        """Take a task back that waits behind another, or for long, for a worker that has none.

        Args:
            at: tasks by the worker that has them; changed.
        """
        for indices in at.values():
            unbegun = [index for index in indices if not self._running[index].attempt]
            index = max(unbegun, key=lambda one: self._running[one].number, default=None)
            if index is None:
                continue
            running = self._running[index]
            is_behind = len(indices) > 1
            # Once only: the others may be as busy, with another run's.
            waits_long = not running.moved and time.monotonic() - running.sent_s > _LONG_S
            if is_behind or waits_long:
                running.moved |= not is_behind
                indices.remove(index)
                self._withdraw(running)
                self._waiting.append(index)
                return

    def _send(self, index: int, place: str) -> None:
        running = self._running[index]
        self._n_orders += 1
        running.number, running.place, running.attempt = self._n_orders, place, ""
        running.sent_s = time.monotonic()
        running.since.clear()
        self._numbers[running.number] = index
        task, name = running.task, running.task.recording.name
        if not (name == STDIN or task.recording.is_url):
            task = replace(task, recording=replace(task.recording, name=str(_absolute(name))))
        order = Order(
            running.number,
            replace(task, resume_from=running.resume_from),
            tuple(served.file for served in running.served),
        )
        self._cluster.submit(running.number, self._setup, records.line(order), place)

    def _withdraw(self, running: _Running, *, is_over: bool = False) -> None:
        self._numbers.pop(running.number, None)
        if running.number:
            self._cluster.cancel(running.number)
        if running.attempt and not is_over:
            self._crew.stop(running.number, running.place)
        running.number, running.place, running.attempt = 0, "", ""

    def _lose(self, index: int, *, is_over: bool = False) -> None:
        """Have a task done again whose worker is gone, unless it takes one worker after another."""
        running = self._running[index]
        name = self._crew.name(running.place)
        if running.attempt:
            running.losses += 1
        self._withdraw(running, is_over=is_over)
        self._waiting.appendleft(index)
        if running.losses >= _MOST_LOSSES:
            label = running.task.recording.label
            self._end(index, Failed(f"{label}: {running.losses} workers were lost with it"))
            return
        self._report(index, events.Logged("whisperctl.cluster", 20, f"worker {name} was lost"))
        self._assign()

    def _refuse(self, index: int, running: _Running, why: str) -> None:
        """Use a worker no longer, and have its tasks done by others."""
        self._leave(index, running.place, why)
        self._assign()

    def _leave(self, index: int, place: str, why: str) -> None:
        """Use a worker no longer: its tasks wait for others. A warning of ``index`` says so."""
        self._crew.refuse(place, why)
        name = self._crew.name(place)
        text = f"warning: worker {name} is not used: {why}"
        self._report(index, events.WarningIssued(on_one_line(text)))
        for other, running in self._running.items():
            if running.place == place:
                self._withdraw(running)
                self._waiting.appendleft(other)

    def _check_stopping(self) -> None:
        """Use workers no longer that do not stop what was cancelled."""
        for place in self._crew.take_late() if self._running else ():
            any_index = next(iter(self._running))
            self._leave(any_index, place, "it does not stop what was cancelled")

    def _end(self, index: int, event: WorkerEvent, *, is_over: bool = False) -> None:
        """End a task; unless its order ``is_over``, its worker may hold that still."""
        running = self._running.pop(index)
        if not running.place:
            self._waiting.remove(index)
        elif is_over:
            self._numbers.pop(running.number, None)
        else:
            self._withdraw(running)
        _close(running)
        self._report(index, event)
        self._assign()

    def _renamed(self, running: _Running, text: str) -> str:
        recording = running.task.recording
        if recording.is_url:
            return text
        return text.replace(quoted(_absolute(recording.name)), recording.label).replace(
            quoted(STDIN), recording.label
        )


def _absolute(path: str | Path) -> Path:
    return Path(path).absolute()


def _recording(recording: Recording) -> list[Served]:
    """The recording as a file for workers; none for a URL, which they open, or what is no file."""
    if recording.name == STDIN:
        return [Served(SharedFile(Path(STDIN), -1))]
    if recording.is_url:
        return []
    try:
        return [_served(Path(recording.name))]
    except (OSError, ValueError):
        return []  # whoever reads it says so


def _served(path: Path) -> Served:
    """A file for workers.

    Raises:
        OSError: there is none.
    """
    status = path.stat()
    path = _absolute(path)
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return Served(SharedFile(path, -1))
    return Served(SharedFile(path, status.st_size, status.st_mtime_ns))


def _shared(model: Path) -> Served:
    """A model for workers.

    Raises:
        ModelError: it is gone since it was checked.
    """
    try:
        return _served(model)
    except OSError as error:
        raise ModelError(f"{quoted(model)} cannot be read: {files.reason(error)}") from error


def _close(running: _Running) -> None:
    for served in running.served:
        served.close()
