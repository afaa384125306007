"""The promises of an executor; each class is about one of ``docs/executors.md``.

Recordings are noise, and the engine is ``whisperctl.testing.fake``, so that no model is needed.
Workers find it by ``PYTHONPATH``; what they read and run is in temporary folders.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest

from whisperctl.compare.runner import Request
from whisperctl.engine.registry import Engine
from whisperctl.errors import WhisperctlError
from whisperctl.jobs.events import (
    CheckpointReached,
    End,
    Failed,
    Logged,
    Measured,
    Opened,
    RunMeasured,
    SegmentDecoded,
    Transcribed,
    WarningIssued,
    WorkerEvent,
)
from whisperctl.jobs.executors import (
    CONTRACT,
    ComparingExecution,
    Execution,
    Executor,
    ExecutorOptions,
)
from whisperctl.jobs.executors.in_process import TaskRunner
from whisperctl.jobs.job import Compared, Job, Results, Task
from whisperctl.jobs.sources import Recording
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.testing.fake import GOES_WRONG_S, install, write_model
from whisperctl.testing.plugin import PLUGIN
from whisperctl.transcript import Transcript
from whisperctl.transcription.chunking import Chunk, ChunkFile
from whisperctl.transcription.run import Checkpoint

_MANY = 100
_SHORT_S = 4.5
_LONG_S = GOES_WRONG_S + 4
_RATE = 16_000
_AT_MOST_S = 120.0
_SOON_S = 15.0


@pytest.fixture(scope="session")
def executor(request: pytest.FixtureRequest) -> Executor:
    """The executor under test."""
    found = request.config.stash.get(PLUGIN, None)
    if found is None:
        raise pytest.UsageError(
            "run these tests with: pytest -p whisperctl.testing.plugin "
            "--pyargs whisperctl.testing --executor NAME"
        )
    return cast(Executor, found)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where recordings and the model are; the fake backend is found here too, by every process."""
    folder = tmp_path_factory.mktemp("executors")
    install(folder)
    write_model(folder / "ggml-fake.bin")
    others = os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), others))))
        patch.setenv("WHISPERCTL_STATE", str(folder / "state"))
        yield folder


@pytest.fixture
def job(folder: Path) -> Job:
    """A job on the runtime of the fake backend that takes no time."""
    # Nor does the decoder, unlike one that starts a process for each recording.
    options = TranscriptionOptions(speech_check=False, decoder="soundfile")
    model = folder / "ggml-fake.bin"
    return Job(Engine("fake", "fake"), model, 1, options, Results(("srt",), folder / "out"))


def on(job: Job, runtime: str) -> Job:
    """The job on another runtime of the fake backend."""
    return replace(job, engine=Engine("fake", runtime))


MakeTask = Callable[..., Task]


@pytest.fixture
def task(folder: Path) -> MakeTask:
    """Makes a task for a recording, each number another one: ``task(number, seconds)``."""

    def make(number: int, duration_s: float = _SHORT_S) -> Task:
        path = folder / f"{number} {duration_s:g}.wav"
        if not path.exists():
            noise = np.random.default_rng(number).integers(-9000, 9000, int(duration_s * _RATE))
            with wave.open(str(path), "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(_RATE)
                out.writeframes(noise.astype("<i2").tobytes())
        return Task(Recording(str(path)))

    return make


@dataclass
class Log:
    """Events of each task, as they were reported, and the threads they were reported in."""

    events: dict[int, list[WorkerEvent]] = field(default_factory=dict)
    threads: set[threading.Thread] = field(default_factory=set)

    def __call__(self, index: int, event: WorkerEvent) -> None:
        self.threads.add(threading.current_thread())
        if not isinstance(event, Logged):
            self.events.setdefault(index, []).append(event)

    def ended(self, index: int) -> bool:
        """True if the last event of a task has come."""
        return any(isinstance(one, End) for one in self.events.get(index, ()))

    def transcript(self, index: int) -> Transcript:
        """The transcript of a task, which must have one."""
        end = self.events[index][-1]
        assert isinstance(end, Transcribed), end
        return end.transcript


def drive(
    execution: Execution,
    tasks: dict[int, Task],
    log: Log,
    *,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Submit tasks as there are slots, and poll until all have ended, calling ``after`` each."""
    waiting, running = list(tasks), set[int]()
    until = time.monotonic() + _AT_MOST_S
    while waiting or running:
        while waiting and len(running) < execution.slots:
            index = waiting.pop(0)
            running.add(index)
            execution.submit(index, tasks[index])
        execution.poll(log, 0.05)
        after()
        running = {index for index in running if not log.ended(index)}
        assert time.monotonic() < until, f"still running: {running}"
    execution.poll(log, 0.1)  # what comes too late


def run(executor: Executor, job: Job, tasks: dict[int, Task]) -> Log:
    """Run tasks to their end, with no more workers than there are tasks."""
    log = Log()
    workers = min(_workers(executor), len(tasks))
    with closing(executor.open(job, ExecutorOptions(workers))) as execution:
        drive(execution, tasks, log)
    return log


def _workers(executor: Executor) -> int:
    return 2 if executor.describe().parallel else 1


def expected(job: Job, task: Task) -> Transcript:
    """The transcript that a task has in this process."""
    seen: list[WorkerEvent] = []
    with TaskRunner(job) as runner:
        runner.run(task, seen.append)
    end = seen[-1]
    assert isinstance(end, Transcribed)
    return end.transcript


def is_line(text: str) -> bool:
    """True of a text that is one line."""
    return bool(text.strip()) and "\n" not in text


class TestDescription:
    """Promise 1. Description. The class that the entry point names is called without arguments.
    `name` is the entry point's, `contract` the number that whisperctl has. `describe` never raises,
    starts nothing and is quick; it says in `problem` what keeps the executor from working here.
    """

    def test_it_is_described_at_once(
        self, executor: Executor, request: pytest.FixtureRequest
    ) -> None:
        assert executor.name == request.config.getoption("--executor")
        assert executor.contract == CONTRACT
        before, started = children(), time.perf_counter()
        info = executor.describe()
        assert time.perf_counter() - started < 1
        assert children() == before
        assert info.version
        assert info.problem is None or is_line(info.problem)


class TestTasks:
    """Promise 2. Tasks. Every task that is submitted is transcribed once, and gives what
    `TaskRunner` gives. Its last event is `Transcribed` or `Failed`, and none follows. `slots` tasks
    may be under way at once, at least one; a slot is free once the last event of its task is
    reported.
    """

    def test_a_hundred_recordings_are_transcribed_once_each(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        tasks = {number: task(number) for number in range(_MANY)}
        log = run(executor, job, tasks)
        assert sorted(log.events) == sorted(tasks)
        texts = set()
        for events in log.events.values():
            assert [isinstance(one, Transcribed) for one in events].count(True) == 1, events
            assert isinstance(events[-1], Transcribed)
            texts.add(events[-1].transcript.text)
        assert len(texts) == _MANY

    def test_a_transcript_is_that_of_this_process(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        log = run(executor, job, {7: task(7)})
        ours, theirs = expected(job, task(7)), log.transcript(7)
        assert replace(theirs, timings=ours.timings) == ours
        assert theirs.timings.wall_ms > 0


class TestEvents:
    """Promise 3. Events. `poll` reports events in the thread that calls it, each task's in their
    order: `Opened`, then segments, progress, warnings and checkpoints as they come, all of them
    before the transcript. With nothing to report it returns after the time it is given, unless it
    transcribes in this thread.
    """

    def test_events_come_in_order_and_in_the_callers_thread(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        log = run(executor, job, {number: task(number, _LONG_S) for number in range(3)})
        assert log.threads == {threading.current_thread()}
        for index, events in log.events.items():
            assert isinstance(events[0], Opened)
            segments = [one.segment for one in events if isinstance(one, SegmentDecoded)]
            assert tuple(segments) == log.transcript(index).segments
            checkpoints = [one for one in events if isinstance(one, CheckpointReached)]
            kept = [segment for one in checkpoints for segment in one.checkpoint.segments]
            assert kept == segments
            assert checkpoints[-1].checkpoint.done

    def test_polling_without_work_returns_in_time(self, executor: Executor, job: Job) -> None:
        with closing(executor.open(job, ExecutorOptions())) as execution:
            started = time.monotonic()
            execution.poll(Log(), 0.2)
            assert time.monotonic() - started < 2


class TestResuming:
    """Promise 4. Resuming. A task with `resume_from` continues from it. The segments of the
    checkpoint are part of the transcript and are not reported again.
    """

    def test_a_task_goes_on_at_its_checkpoint(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        whole = expected(job, task(1))
        checkpoint = Checkpoint(2.0, whole.segments[:1], whole.language)
        log = run(executor, job, {0: replace(task(1), resume_from=checkpoint)})
        segments = log.transcript(0).segments
        assert segments[0] == whole.segments[0]
        reported = [one.segment for one in log.events[0] if isinstance(one, SegmentDecoded)]
        assert tuple(reported) == segments[1:] and reported


class TestFailures:
    """Promise 5. Failures. A recording that cannot be read, or that the engine fails on, is
    `Failed` with one line. So is one whose worker dies, if the executor `cancels`; the line then
    names the recording. No other recording fails with it.
    """

    def test_a_bad_recording_stops_no_other(
        self, executor: Executor, job: Job, task: MakeTask, folder: Path
    ) -> None:
        (folder / "bad.wav").write_text("not a recording")
        tasks = {
            0: Task(Recording(str(folder / "missing.wav"))),
            1: Task(Recording(str(folder / "bad.wav"))),
            2: task(2, _LONG_S),
            3: task(3),
        }
        log = run(executor, on(job, "fail"), tasks)
        for index in (0, 1, 2):
            end = log.events[index][-1]
            assert isinstance(end, Failed) and is_line(end.reason), end
        assert log.transcript(3).segments

    def test_a_worker_that_dies_fails_its_recording_alone(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        if not executor.describe().cancels:
            pytest.skip("it cannot cancel, and may work in this process")
        tasks = {0: task(0, _LONG_S), **{number: task(number) for number in range(1, 6)}}
        log = run(executor, on(job, "crash"), tasks)
        end = log.events[0][-1]
        assert isinstance(end, Failed) and is_line(end.reason), end
        assert tasks[0].recording.label in end.reason
        assert all(log.transcript(number).segments for number in range(1, 6))


class TestUnusable:
    """Promise 6. Unusable. If no recording can be transcribed, such as when the backend has no such
    runtime, `open`, `submit` or `poll` raises a `WhisperctlError` of one line.
    """

    def test_a_missing_runtime_is_an_error_for_all(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        with pytest.raises(WhisperctlError) as caught:
            run(executor, on(job, "none"), {0: task(0), 1: task(1)})
        assert is_line(str(caught.value)) and "none" in str(caught.value)


class TestCancelling:
    """Promise 7. Cancelling. If the executor `cancels`, `cancel` stops a task within seconds,
    even one that makes no progress, with `Failed` and the reason given. The others continue.
    """

    def test_a_task_that_hangs_is_cancelled_alone(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        if not executor.describe().cancels:
            pytest.skip("it cannot cancel")
        log, cancelled = Log(), list[float]()
        tasks = {0: task(0, _LONG_S), 1: task(1), 2: task(2)}
        with closing(executor.open(on(job, "hang"), ExecutorOptions(2))) as execution:

            def cancel() -> None:
                decoded = [one for one in log.events.get(0, ()) if isinstance(one, SegmentDecoded)]
                if len(decoded) * 2 >= GOES_WRONG_S and not cancelled:
                    cancelled.append(time.monotonic())
                    execution.cancel(0, "it took too long")

            drive(execution, tasks, log, after=cancel)
        assert log.events[0][-1] == Failed("it took too long")
        assert log.transcript(1).segments and log.transcript(2).segments


class TestClosing:
    """Promise 8. Closing. What `on_event` raises propagates from `poll`. `close` then, or at any
    other time, stops all work within seconds and leaves no process of the executor's; it may be
    called twice.
    """

    def test_what_a_callback_raises_propagates_and_closing_ends_all(
        self, executor: Executor, job: Job, task: MakeTask
    ) -> None:
        before = children()
        execution = executor.open(on(job, "slow"), ExecutorOptions(_workers(executor)))

        def stop(index: int, event: WorkerEvent) -> None:
            if isinstance(event, SegmentDecoded):
                raise LookupError("enough")

        try:
            with pytest.raises(LookupError, match="enough"):
                for index in range(min(2, execution.slots)):
                    execution.submit(index, task(index, 60))
                until = time.monotonic() + _AT_MOST_S
                while time.monotonic() < until:
                    execution.poll(stop, 0.05)
        finally:
            started = time.monotonic()
            execution.close()
            took_s = time.monotonic() - started
        assert took_s < _SOON_S
        execution.close()
        assert children() == before


class TestWriting:
    """Promise 9. Writing. An executor writes neither journals nor results, and prints nothing:
    whoever polls it does.
    """

    def test_nothing_is_written(
        self,
        executor: Executor,
        job: Job,
        task: MakeTask,
        folder: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        one = task(0)
        before = sorted(folder.rglob("*"))
        log = run(executor, replace(job, logs=True), {0: one})
        assert not [event for event in log.events[0] if isinstance(event, WarningIssued)]
        assert sorted(folder.rglob("*")) == before
        sys.stdout.flush()
        assert capfd.readouterr().out == ""


class TestComparing:
    """Promise 10. Comparing. If the executor `compares`, it takes jobs with `Job.compared`. All
    its workers are then of one kind, which `kind` gives. The runs of a task are measured by one
    worker, which does nothing else meanwhile, and reported in their order as `RunMeasured`. The
    last event is `Measured`, or `Failed`.
    """

    def test_runs_are_measured_in_order(
        self, executor: Executor, job: Job, folder: Path, task: MakeTask
    ) -> None:
        if not executor.describe().compares:
            pytest.skip("it does not compare")
        samples = np.random.default_rng(7).uniform(-0.3, 0.3, 3 * _RATE).astype(np.float32)
        chunk = ChunkFile.write(Chunk(0, samples), folder / "samples.f32")
        engines = tuple(Engine("fake", runtime) for runtime in ("slow", "none", "fake"))
        runs = tuple(
            Request(engine, job.model, 1, DecodeOptions(), False, "talk", 0.0, len(samples))
            for engine in engines
        )
        comparing = replace(job, compared=Compared(engines, (job.model,), 1))
        log = Log()
        with closing(executor.open(comparing, ExecutorOptions(1))) as execution:
            assert isinstance(execution, ComparingExecution)
            kind = execution.kind()
            assert kind.key and kind.threads >= 1 and kind.machine.cpu
            drive(execution, {0: replace(task(0), chunk=chunk, runs=runs)}, log)
        assert log.events[0][-1] == Measured()
        ended = [event for event in log.events[0] if isinstance(event, RunMeasured)]
        assert [one.place for one in ended] == [0, 1, 2]
        slow, none, fake = (one.result for one in ended)
        assert slow is not None and fake is not None and none is None
        assert is_line(ended[1].error)
        assert slow.transcript.segments == fake.transcript.segments and fake.transcript.segments
        assert slow.values["wall_ms"] > fake.values["wall_ms"]


def children() -> set[int]:
    """Processes that this one has started."""
    return {child.pid for child in psutil.Process().children(recursive=True)}
