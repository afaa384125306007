"""One recording whose chunks are transcribed at once."""

from __future__ import annotations

import tempfile
import wave
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from whisperctl.engine import registry
from whisperctl.engine.registry import Engine
from whisperctl.errors import UsageError
from whisperctl.jobs import executors, journal, runner
from whisperctl.jobs.events import (
    Advanced,
    CheckpointReached,
    Failed,
    LanguageFound,
    Opened,
    SegmentDecoded,
    Transcribed,
    WarningIssued,
    WorkerEvent,
)
from whisperctl.jobs.executors import ExecutorInfo, ExecutorOptions, OnWorkerEvent
from whisperctl.jobs.executors.chunked import ChunkedExecution
from whisperctl.jobs.executors.in_process import TaskRunner
from whisperctl.jobs.job import Job, Results, Task
from whisperctl.jobs.sources import Recording
from whisperctl.options import Clip, TranscriptionOptions
from whisperctl.storage import records
from whisperctl.testing.fake import FakeBackend, write_model
from whisperctl.transcript import Transcript
from whisperctl.transcription.run import Checkpoint


@dataclass
class Latest:
    """An executor that transcribes here, the latest task first, and the first one last."""

    slots: int
    tasks: list[Task] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    threads: int = 0
    fails_at_s: float | None = None
    waiting: list[tuple[int, Task]] = field(default_factory=list)
    name: str = "latest"
    contract: int = executors.CONTRACT

    def describe(self) -> ExecutorInfo:
        return ExecutorInfo("1", parallel=True, cancels=True)

    def open(self, job: Job, options: ExecutorOptions) -> Latest:
        assert job.chunk_threads is None
        self.threads = job.threads
        self.runner = TaskRunner(job)
        return self

    def submit(self, index: int, task: Task) -> None:
        assert len(self.waiting) < self.slots
        self.tasks.append(records.parse(Task, records.line(task)))  # as another process gets it
        self.waiting.append((index, self.tasks[-1]))

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        index, task = self.waiting.pop()
        assert task.resume_from is not None
        if self.fails_at_s is not None and task.resume_from.position_s >= self.fails_at_s:
            on_event(index, Failed("no more"))
            return
        self.runner.run(task, partial(on_event, index))

    def cancel(self, index: int, reason: str) -> None:
        self.cancelled.append(reason)

    def close(self) -> None:
        self.runner.close()


@pytest.fixture(autouse=True)
def fake_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda name: FakeBackend())


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place for temporary files, which is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def job(model: Path) -> Job:
    return Job(Engine("fake"), model, 4, TranscriptionOptions(), Results(), chunk_threads=2)


def run(
    job: Job,
    path: Path,
    executor: Latest,
    before: Checkpoint | None = None,
    *,
    chunk_s: float = 2.0,
) -> list[WorkerEvent]:
    """Events of one recording."""
    execution = ChunkedExecution(executor, job, ExecutorOptions(executor.slots), chunk_s=chunk_s)
    seen: list[WorkerEvent] = []
    try:
        execution.submit(7, Task(Recording(str(path)), before))
        while not seen or not isinstance(seen[-1], Transcribed | Failed):
            execution.poll(lambda index, event: seen.append(event), 0.05)
            assert len(seen) < 1000
    finally:
        execution.close()
    assert not list(Path(tempfile.gettempdir()).iterdir())
    return seen


def transcript(seen: list[WorkerEvent]) -> Transcript:
    (done,) = [event for event in seen if isinstance(event, Transcribed)]
    return done.transcript


def test_the_result_depends_neither_on_the_number_of_workers_nor_on_who_is_first(
    job: Job, jfk: Path
) -> None:
    one, several = run(job, jfk, alone := Latest(1)), run(job, jfk, Latest(3))

    assert len(alone.tasks) >= 4
    assert transcript(one).segments == transcript(several).segments
    assert transcript(several).duration_s == pytest.approx(11.0)
    assert transcript(several).language == "en"
    for seen in (one, several):
        assert [event for event in seen if isinstance(event, Opened)] == [Opened()]
        given = tuple(event.segment for event in seen if isinstance(event, SegmentDecoded))
        assert given == transcript(seen).segments
        assert list(given) == sorted(given, key=lambda segment: segment.start_s)
        points = [event.checkpoint for event in seen if isinstance(event, CheckpointReached)]
        assert tuple(segment for point in points for segment in point.segments) == given
        ends = [task.chunk.start / 16000 for task in alone.tasks if task.chunk is not None]
        assert [point.position_s for point in points] == [*ends[1:], pytest.approx(11.0)]
        assert max(event.done_s for event in seen if isinstance(event, Advanced)) <= 11.0


def test_a_run_goes_on_after_the_chunks_that_are_done(job: Job, jfk: Path) -> None:
    whole = run(job, jfk, Latest(3))
    points = [event.checkpoint for event in whole if isinstance(event, CheckpointReached)]
    done = points[0].segments + points[1].segments
    before = Checkpoint(points[1].position_s, done, "en", 0.5)

    rest = run(job, jfk, executor := Latest(2), before)

    assert transcript(rest).segments == transcript(whole).segments
    assert len(executor.tasks) == len(points) - 2


def test_a_recording_of_one_chunk_gets_all_threads(job: Job, jfk: Path) -> None:
    seen = run(job, jfk, executor := Latest(3), chunk_s=6.0)
    assert len(executor.tasks) == 1
    assert executor.threads == 4
    run(job, jfk, executor := Latest(3), chunk_s=5.0)
    assert executor.threads == 2

    runner_alone = TaskRunner(replace(job, chunk_threads=None))
    alone: list[WorkerEvent] = []
    with runner_alone:
        runner_alone.run(Task(Recording(str(jfk))), alone.append)
    assert transcript(seen).segments == transcript(alone).segments


def test_the_language_is_decided_once(job: Job, jfk: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "ggml-any.bin", multilingual=True)
    options = TranscriptionOptions()
    options = replace(options, decoding=replace(options.decoding, language="auto"))

    seen = run(replace(job, model=model, options=options), jfk, executor := Latest(3))

    known = [task.resume_from.language for task in executor.tasks if task.resume_from is not None]
    assert known == ["", *["en"] * (len(known) - 1)]
    assert transcript(seen).language == "en"
    assert transcript(seen).language_probability is not None
    assert not any(isinstance(event, LanguageFound) for event in seen)


def test_clips_are_chunks_as_well(job: Job, jfk: Path) -> None:
    options = replace(job.options, clips=(Clip(1.0, 2.0), Clip(8.0, 10.0)))
    seen = run(replace(job, options=options), jfk, executor := Latest(2))
    starts = [task.chunk.start for task in executor.tasks if task.chunk is not None]
    assert starts == [16000, 128000]
    segments = transcript(seen).segments
    assert segments
    assert all(1 <= s.start_s < s.end_s <= 2 or 8 <= s.start_s < s.end_s <= 10 for s in segments)


def test_silence_is_reported_once(job: Job, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 16000 * 9))
    seen = run(job, tmp_path / "silence.wav", Latest(2))
    told = [event.text for event in seen if isinstance(event, WarningIssued)]
    assert [text.partition('" ')[2] for text in told] == ["contains no speech"]
    assert transcript(seen).segments == ()


@pytest.mark.parametrize("channels", [True, False])
def test_what_fails_ends_the_recording_once(job: Job, jfk: Path, channels: bool) -> None:
    options = replace(job.options, speakers_from_channels=channels)
    executor = Latest(2, fails_at_s=None if channels else 4.0)
    seen = run(replace(job, options=options), jfk, executor)
    assert [event for event in seen if isinstance(event, Failed)] == [seen[-1]]
    assert isinstance(seen[-1], Failed)
    assert ("has only one channel" if channels else "no more") in seen[-1].reason
    assert executor.cancelled == [seen[-1].reason]  # the other chunk that was begun


def test_a_recording_that_cannot_be_read_fails(job: Job, tmp_path: Path) -> None:
    (tmp_path / "not.wav").write_text("no recording")
    (failed,) = run(job, tmp_path / "not.wav", Latest(2))
    assert isinstance(failed, Failed)
    assert 'not.wav" is not' in failed.reason


def test_an_engine_that_cannot_be_used_ends_the_run(job: Job, jfk: Path, temporary: Path) -> None:
    with pytest.raises(UsageError, match="unknown runtime"):
        run(replace(job, engine=Engine("fake", "none")), jfk, Latest(2))
    assert not list(temporary.iterdir())


def test_a_journal_is_kept_for_chunks_and_for_the_whole_apart(
    job: Job, jfk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_STATE", str(tmp_path / "state"))
    job = replace(job, results=Results(("txt",), tmp_path / "out"), resume=True)
    recording = Recording(str(jfk))
    told: list[object] = []
    runner.run(job, [recording], lambda *event: told.append(event), jobs=2, executor=Latest(2))
    assert journal.finished(job, recording)
    assert not journal.finished(replace(job, chunk_threads=None), recording)
