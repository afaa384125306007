"""The coordinator: what it makes of an executor's events, and what it writes when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from whisperctl.engine.registry import Engine
from whisperctl.errors import BackendError, PluginError, UsageError
from whisperctl.jobs import events, executors, journal, plan, runner
from whisperctl.jobs.events import (
    CheckpointReached,
    Event,
    Failed,
    Finished,
    SegmentDecoded,
    Transcribed,
    WorkerEvent,
)
from whisperctl.jobs.executors import ExecutorInfo, ExecutorOptions, OnWorkerEvent
from whisperctl.jobs.job import Job, RecordingLimits, Results, Task
from whisperctl.jobs.journal import Journal
from whisperctl.jobs.sources import Recording
from whisperctl.options import Clip, SubtitleOptions, TranscriptionOptions, VadOptions
from whisperctl.storage import state as state_files
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.run import Checkpoint

ONE = Segment(0.0, 1.0, " one")
TWO = Segment(1.0, 2.0, " two")
HALF = Checkpoint(1.0, (ONE,), "en")
WHOLE = Transcript((ONE, TWO), "en", 2.0)


@dataclass
class Scripted:
    """An executor that reports given events, one at each poll."""

    script: list[tuple[int, WorkerEvent]]
    slots: int = 2
    name: str = "scripted"
    contract: int = executors.CONTRACT
    tasks: dict[int, Task] = field(default_factory=dict)
    cancelled: dict[int, str] = field(default_factory=dict)
    options: ExecutorOptions | None = None
    closed: bool = False

    def describe(self) -> ExecutorInfo:
        return ExecutorInfo("1", parallel=True, cancels=True)

    def open(self, job: Job, options: ExecutorOptions) -> Scripted:
        self.options = options
        return self

    def submit(self, index: int, task: Task) -> None:
        self.tasks[index] = task

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        if self.script:
            on_event(*self.script.pop(0))

    def cancel(self, index: int, reason: str) -> None:
        self.cancelled[index] = reason
        self.script.append((index, Failed(reason)))

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(state_files.DIRECTORY_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    found = [Recording(str(tmp_path / name)) for name in ("a.wav", "b.wav")]
    for recording in found:
        Path(recording.name).write_bytes(b"not read here")
    return found


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    results = Results(("txt",), tmp_path / "out")
    return Job(Engine("fake"), model, 1, TranscriptionOptions(), results, resume=True)


def run(job: Job, recordings: list[Recording], executor: Scripted) -> list[tuple[int, Event]]:
    seen: list[tuple[int, Event]] = []
    runner.run(job, recordings, lambda *event: seen.append(event), jobs=2, executor=executor)
    assert executor.closed
    return seen


def kinds(seen: Iterable[tuple[int, Event]]) -> list[tuple[int, str]]:
    return [(index, type(event).__name__) for index, event in seen]


def test_results_are_written_as_they_come_and_reported_in_order(
    job: Job, recordings: list[Recording]
) -> None:
    second = replace(WHOLE, segments=(TWO,))
    executor = Scripted(
        [
            (1, SegmentDecoded(TWO)),
            (1, Transcribed(second)),
            (0, events.Opened()),
            (0, SegmentDecoded(ONE)),
            (0, SegmentDecoded(TWO)),
            (0, Transcribed(WHOLE)),
        ]
    )
    seen = run(job, recordings, executor)

    assert kinds(seen) == [
        (0, "Started"),
        (1, "Ended"),
        (0, "Opened"),
        (0, "SegmentDecoded"),
        (0, "SegmentDecoded"),
        (0, "Ended"),
        (0, "Finished"),
        (1, "Started"),
        (1, "SegmentDecoded"),
        (1, "Finished"),
    ]
    assert (job.results.directory / "a.txt").read_text() == "one\ntwo\n"
    assert (job.results.directory / "b.txt").read_text() == "two\n"
    assert all(journal.finished(job, recording) for recording in recordings)
    assert executor.options == ExecutorOptions(2, ahead=True)


def test_what_is_acknowledged_is_in_the_journal(job: Job, recordings: list[Recording]) -> None:
    class Watchful(Scripted):
        def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
            event = self.script[0][1]
            super().poll(on_event, timeout_s)
            if isinstance(event, CheckpointReached):
                (line,) = next(state_files.directory().glob("*")).read_text().splitlines()
                assert '"position_s":1.0' in line

    executor = Watchful([(0, CheckpointReached(HALF)), (0, Transcribed(WHOLE))])
    run(job, recordings[:1], executor)
    assert executor.script == []


def test_a_task_goes_on_from_the_journal(job: Job, recordings: list[Recording]) -> None:
    with Journal(job, recordings[0]) as kept:
        kept.add(HALF)
    executor = Scripted([(0, events.Opened()), (0, SegmentDecoded(TWO)), (0, Transcribed(WHOLE))])
    seen = run(job, recordings[:1], executor)

    assert executor.tasks[0] == Task(recordings[0], HALF)
    assert [event.segment for _, event in seen if isinstance(event, SegmentDecoded)] == [ONE, TWO]
    end = seen[-1][1]
    assert isinstance(end, Finished) and (end.computed_s, end.duration_s) == (1.0, 2.0)


def test_what_workers_have_finished_is_kept_when_the_run_is_stopped(
    job: Job, recordings: list[Recording]
) -> None:
    """Such as by Ctrl-C while the coordinator was at something else."""

    class Burst(Scripted):
        def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
            while self.script:
                on_event(*self.script.pop(0))

    executor = Burst(
        [
            (0, SegmentDecoded(ONE)),
            (0, CheckpointReached(HALF)),
            (1, Transcribed(WHOLE)),
        ]
    )

    def stop(index: int, event: Event) -> None:
        if isinstance(event, SegmentDecoded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(job, recordings, stop, jobs=2, executor=executor)
    assert executor.closed
    assert not job.results.directory.exists()
    with Journal(job, recordings[0]) as kept:
        assert kept.checkpoint == HALF
    with Journal(job, recordings[1]) as kept:
        assert kept.transcript == WHOLE

    seen = run(job, recordings, Scripted([(0, Transcribed(WHOLE))]))
    assert kinds(seen)[-1] == (1, "Finished")
    assert (job.results.directory / "b.txt").read_text() == "one\ntwo\n"


def test_a_result_that_cannot_be_written_fails_its_recording_alone(
    job: Job, recordings: list[Recording]
) -> None:
    (job.results.directory / "a.txt").mkdir(parents=True)
    executor = Scripted([(0, Transcribed(WHOLE)), (1, Transcribed(WHOLE))])
    seen = run(job, recordings, executor)

    ends = [event for _, event in seen if isinstance(event, Failed | Finished)]
    assert isinstance(ends[0], Failed) and 'a.txt" cannot be written' in ends[0].reason
    assert isinstance(ends[1], Finished)
    with Journal(job, recordings[0]) as kept:
        assert kept.transcript == WHOLE


def test_an_executor_that_cannot_go_on_ends_the_run(job: Job, recordings: list[Recording]) -> None:
    class Broken(Scripted):
        def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
            raise BackendError("the cluster is gone")

    executor = Broken([])
    with pytest.raises(BackendError, match="the cluster is gone"):
        run(job, recordings, executor)
    assert executor.closed


def test_a_recording_that_takes_too_long_is_cancelled_once(
    job: Job, recordings: list[Recording]
) -> None:
    executor = Scripted([])
    seen: list[tuple[int, Event]] = []
    runner.run(
        job,
        recordings[:1],
        lambda *event: seen.append(event),
        limits=RecordingLimits(timeout_s=0.01),
        executor=executor,
    )
    reason = f'"{recordings[0].name}": stopped because it took more than 0.01 s'
    assert executor.cancelled == {0: reason}
    assert seen[-1] == (0, Failed(reason))


def test_no_more_tasks_are_submitted_than_there_are_slots(
    job: Job, recordings: list[Recording]
) -> None:
    class Narrow(Scripted):
        def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
            assert len(self.tasks) <= 1
            super().poll(on_event, timeout_s)
            self.tasks.clear()

    executor = Narrow([(0, Transcribed(WHOLE)), (1, Transcribed(WHOLE))], slots=1)
    assert kinds(run(job, recordings, executor))[-1] == (1, "Finished")


def test_the_default_executor_is_the_preferred_one_that_can_do_what_is_asked_for() -> None:
    assert executors.choose(None).name == "in-process"
    assert executors.choose(None, 2).name == "processes"
    assert executors.choose(None, 1, RecordingLimits(timeout_s=1)).name == "processes"
    assert executors.choose(None, 1, RecordingLimits(memory_bytes=1)).name == "processes"
    assert executors.choose("processes").name == "processes"


@pytest.mark.parametrize(
    ("name", "workers", "limits", "message"),
    [
        ("in-proces", 1, RecordingLimits(), '"in-proces": did you mean "in-process"?'),
        ("in-process", 2, RecordingLimits(), "one recording at a time: leave out --jobs, or"),
        ("in-process", 1, RecordingLimits(1.0), "cannot stop a recording: leave out --timeout"),
        ("in-process", 1, RecordingLimits(None, 1), "cannot limit memory: leave out --max-mem"),
    ],
)
def test_an_executor_that_cannot_do_what_is_asked_for_is_refused(
    name: str, workers: int, limits: RecordingLimits, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        executors.choose(name, workers, limits)
    assert message in str(caught.value)


def test_an_executor_that_cannot_be_used_here_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "whisperctl_far-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: whisperctl-far\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[whisperctl.executors]\nfar = whisperctl_far:Far\n")
    (tmp_path / "whisperctl_far.py").write_text(
        "from whisperctl.jobs.executors import ExecutorInfo\n"
        "class Far:\n"
        "    name, contract = 'far', 1\n"
        "    def describe(self):\n"
        "        return ExecutorInfo('1', preference=99, problem='start its server first')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(PluginError, match=r'"far" cannot be used here: start its server first'):
        executors.choose("far")
    assert executors.choose(None).name == "in-process"


def test_a_plan_names_options_as_people_do(job: Job) -> None:
    job = replace(
        job,
        options=TranscriptionOptions(
            vad=VadOptions(threshold=0.4, speech_pad_ms=30), clips=(Clip(0, 0.5), Clip(1))
        ),
        results=Results(subtitles=SubtitleOptions(max_cps=17, min_duration_s=1)),
    )
    assert list(plan.describe(job, []))[2] == (
        "options: clips 0-0.5, 1-, vad, threshold 0.4, speech pad 30 ms, max cps 17, "
        "min duration 1 s"
    )
