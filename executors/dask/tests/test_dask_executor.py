"""The executor on a cluster of a scheduler and two workers, which all tests of this file share."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

from bench import soak
from tests.web import serving
from whisperctl.compare import measure as measuring
from whisperctl.compare.plan import Cell, ForeignEngine, Plan, Variant, load_recordings
from whisperctl.compare.result import ModelFile
from whisperctl.compare.runner import Result
from whisperctl.compare.runner import run as measure_here
from whisperctl.engine.registry import Engine
from whisperctl.errors import PluginError, UsageError
from whisperctl.jobs import runner
from whisperctl.jobs.events import (
    CheckpointReached,
    ChunkTranscribed,
    Event,
    Failed,
    Finished,
    Placed,
    RunMeasured,
    SegmentDecoded,
    Transcribed,
    WarningIssued,
    WorkerEvent,
)
from whisperctl.jobs.executors import ExecutorOptions, OnWorkerEvent
from whisperctl.jobs.executors.in_process import TaskRunner
from whisperctl.jobs.job import Job, Results, Task
from whisperctl.jobs.sources import Recording
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.storage import urls
from whisperctl.testing.fake import install, write_model
from whisperctl.transcript import Transcript
from whisperctl.transcription.run import Checkpoint
from whisperctl_dask import DaskExecutor, crew, executor, worker
from whisperctl_dask.executor import DaskExecution

pytestmark = pytest.mark.slow

_RATE = 16_000
_N_WORKERS = 2
_AT_MOST_S = 120.0
_HOSTILE = """
import itertools, json, threading
from distributed import get_worker
from whisperctl_dask import worker

calls, topics = itertools.count(), []

def carry_out(setup, order):
    call, topic = next(calls), json.loads(setup)["topic"]
    topics.append(topic)
    number, log = json.loads(order)["number"], get_worker().log_event
    if topic == topics[0] and call == 2:
        log(topic, {"number": number, "attempt": "x", "lines": [b'["Lie",{}]'], "over": True})
    elif topic == topics[0]:
        return bytes(1 << 30) if call == 1 else "text"
    else:
        log(topic, {"number": number, "attempt": "x", "lines": [b'["Opened",{}]']})
        for other in range(1, 100):
            if other != number:
                log(topic, {"number": other, "attempt": "x", "outcome": {"line": b"x"}})
        threading.Event().wait()

worker.carry_out = carry_out
"""
"""A module that makes a worker answer what it should not."""


class Cluster(soak.Cluster):
    """A scheduler and workers."""

    @property
    def address(self) -> str:
        """As after ``dask:``."""
        return str(self.file)

    def kill_worker_of(self, place: str) -> None:
        """Kill a worker's process by the name of its nanny, which starts another."""
        for process in soak.workers(self.processes[1 + int(place)].pid):
            process.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster; its workers, and this process, find the fake backend."""
    folder = tmp_path_factory.mktemp("cluster")
    install(folder)
    write_model(folder / "ggml-fake.bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("WHISPERCTL_STATE", str(folder / "state"))
        patch.setenv("WHISPERCTL_CACHE", str(folder / "cache"))
        patch.setenv("WHISPERCTL_DECODER", "soundfile")
        started = Cluster(folder, _N_WORKERS)
        started.start()
        yield started
        started.kill()


@pytest.fixture
def job(cluster: Cluster) -> Job:
    options = TranscriptionOptions(speech_check=False, decoder="soundfile")
    model = cluster.folder / "ggml-fake.bin"
    return Job(Engine("fake", "fake"), model, 1, options, Results(("srt",), cluster.folder / "out"))


def on(job: Job, runtime: str) -> Job:
    return replace(job, engine=Engine("fake", runtime))


def recording(folder: Path, name: str, duration_s: float = 4.5) -> Path:
    path = folder / name
    noise = np.random.default_rng(len(name)).integers(-9000, 9000, int(duration_s * _RATE))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(noise.astype("<i2").tobytes())
    return path


def expected(job: Job, path: Path) -> Transcript:
    seen: list[WorkerEvent] = []
    with TaskRunner(job) as tasks:
        tasks.run(Task(Recording(str(path))), seen.append)
    end = seen[-1]
    assert isinstance(end, Transcribed)
    return end.transcript


def run(
    job: Job,
    cluster: Cluster,
    tasks: list[Task],
    react: Callable[[int, WorkerEvent], None] = lambda index, event: None,
    **options: Any,
) -> dict[int, list[WorkerEvent]]:
    """Events of each task, all submitted at once."""
    seen: dict[int, list[WorkerEvent]] = {index: [] for index in range(len(tasks))}

    def take(index: int, event: WorkerEvent) -> None:
        seen[index].append(event)
        react(index, event)

    until = time.monotonic() + _AT_MOST_S
    with closing(
        DaskExecutor().open(
            job, ExecutorOptions(address=cluster.address, all_workers=True, **options)
        )
    ) as execution:
        for index, task in enumerate(tasks):
            execution.submit(index, task)
        while not all(
            any(isinstance(event, Transcribed | Failed) for event in events)
            for events in seen.values()
        ):
            execution.poll(take, 0.05)
            assert time.monotonic() < until
    return seen


def _connected(cluster: Cluster) -> Any:
    connect: Any = Client  # which is not typed
    return connect(scheduler_file=cluster.address, set_as_default=False)


def _wait_for_workers(cluster: Cluster, n_workers: int) -> None:
    with _connected(cluster) as client:
        client.wait_for_workers(n_workers)


def test_the_executor_keeps_every_promise(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = '"address": "'
    text = cluster.file.read_text()
    place = text[text.index(address) + len(address) :].partition('"')[0]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short"),
            *("-p", "whisperctl.testing.plugin", "--pyargs", "whisperctl.testing"),
            *("--executor", "dask"),
        ],
        cwd=tmp_path,
        env={**os.environ, "DASK_SCHEDULER_ADDRESS": place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 13 passed" in f" {done.stdout.splitlines()[-1]}"


def test_files_that_workers_do_not_see_are_sent_and_removed(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    """A name below /dev/fd is this process's own: workers see nothing there, or something else."""
    talk = recording(tmp_path, "talk.wav", 60)
    before = expected(job, talk)
    temporary = Path(tempfile.gettempdir())
    spooled = set(temporary.glob("whisperctl-*"))
    with talk.open("rb") as sound, job.model.open("rb") as model:
        unseen = replace(job, model=Path(f"/dev/fd/{model.fileno()}"))
        task = Task(Recording(f"/dev/fd/{sound.fileno()}"))
        first = run(unseen, cluster, [task, task])
        again = run(unseen, cluster, [task])
    for events in (first[0], first[1], again[0]):
        end = events[-1]
        assert isinstance(end, Transcribed), end
        assert end.transcript.segments == before.segments
        assert end.transcript.model == unseen.model
    assert set(temporary.glob("whisperctl-*")) <= spooled
    (kept,) = (cluster.folder / "cache" / "cluster").glob("*/*")  # once for both workers
    assert kept.read_bytes() == job.model.read_bytes()


def test_a_recording_that_has_changed_at_its_url_fails(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    with serving(recording(tmp_path, "talk.wav").read_bytes()) as served:
        url = f"{served.base}/whole/talk.wav"
        found = urls.info(url)
        same = Recording(url, size_bytes=found.size_bytes, version=found.version)
        tasks = [Task(same), Task(replace(same, size_bytes=7)), Task(replace(same, version="old"))]
        events = run(job, cluster, tasks)
    assert isinstance(events[0][-1], Transcribed), events[0][-1]
    changed = f'"{url}": it has changed since the run began: run the command again'
    assert [events[index][-1] for index in (1, 2)] == [Failed(changed)] * 2


def test_after_the_loss_of_a_worker_segments_are_reported_once(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    talk = recording(tmp_path, "talk.wav", 24)
    whole = expected(job, talk)
    start = Task(Recording(str(talk)), Checkpoint(4.0, whole.segments[:2], whole.language))
    places: list[str] = []

    def kill_once(index: int, event: WorkerEvent) -> None:
        if isinstance(event, Placed):
            places.append(event.worker)
        if event == SegmentDecoded(whole.segments[5]):
            cluster.kill_worker_of(places[0])

    (events,) = run(on(job, "slow"), cluster, [start], kill_once).values()
    assert len(places) == 2
    segments = tuple(one.segment for one in events if isinstance(one, SegmentDecoded))
    assert segments == whole.segments[2:]
    kept = [one.checkpoint.segments for one in events if isinstance(one, CheckpointReached)]
    assert sum(kept, ()) == segments
    end = events[-1]
    assert isinstance(end, Transcribed)
    assert end.transcript.segments == whole.segments


def test_a_recording_that_takes_two_workers_with_it_is_set_aside(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    talks = [recording(tmp_path, f"talk {n}.wav", seconds) for n, seconds in enumerate((60, 2))]

    def kill(index: int, event: WorkerEvent) -> None:
        if index == 0 and isinstance(event, Placed):
            cluster.kill_worker_of(event.worker)

    events = run(on(job, "slow"), cluster, [Task(Recording(str(talk))) for talk in talks], kill)
    assert events[0][-1] == Failed(f'"{talks[0]}": 2 workers were lost with it')
    assert isinstance(events[1][-1], Transcribed)


def test_the_next_recording_waits_at_its_worker_until_another_has_nothing_to_do(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    """Number 2 waits behind number 0, which takes longer than all others."""
    lengths_s = (120, 30, 2, 2)
    talks = [recording(tmp_path, f"{n}.wav", long_s) for n, long_s in enumerate(lengths_s)]
    waiting: list[list[int]] = []
    ended: list[int] = []

    def watch(index: int, event: WorkerEvent) -> None:
        if not ended:  # the scheduler may not have all of them when the first one begins
            waiting.append(sorted(map(len, client.processing().values())))
        if isinstance(event, Transcribed):
            ended.append(index)

    tasks = [Task(Recording(str(talk))) for talk in talks]
    _wait_for_workers(cluster, _N_WORKERS)
    with _connected(cluster) as client:
        run(on(job, "slow"), cluster, tasks, watch, ahead=True)
    assert [2, 2] in waiting
    assert ended[-1] == 0


def test_a_worker_that_lies_or_hangs_costs_few_recordings_and_no_memory(
    cluster: Cluster, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers what it should not, then hangs, answering for others, and then begins nothing."""
    (cluster.folder / "hostile.py").write_text(_HOSTILE)
    cluster.add("hostile", "--preload", "hostile")
    short, long = (
        [Recording(str(recording(tmp_path, f"{n}-{long_s}.wav", long_s))) for n in range(16)]
        for long_s in (2, 10)
    )
    try:
        _wait_for_workers(cluster, _N_WORKERS + 1)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ends, warnings = _outcomes(on(job, "slow"), cluster, short, DaskExecutor())
        said = "worker hostile gave an invalid answer "
        reasons = [end.reason.partition(said)[2] for end in ends if isinstance(end, Failed)]
        assert sorted(reasons) == [
            "(b'[\"Lie\",{}]' is not an event)",
            "(its result takes 1 GiB)",
            "(the result is not bytes)",
        ]
        assert [text for text in warnings if text.startswith("warning: worker hostile is not used")]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kib + (200 << 10)

        monkeypatch.setattr(crew, "_STOP_S", 0.5)
        monkeypatch.setattr(executor, "_LONG_S", 0.5)
        ends, warnings = _outcomes(on(job, "slow"), cluster, long, _Impatient())
        reasons = [end.reason for end in ends if isinstance(end, Failed)]
        assert "it takes too long" in reasons
        assert len(reasons) <= 2  # with the one that waited there, which it may answer for
        assert warnings == [
            "warning: worker hostile is not used: it does not stop what was cancelled"
        ]
        ends, warnings = _outcomes(on(job, "slow"), cluster, short, DaskExecutor())
        assert all(isinstance(end, Finished) for end in ends)
        assert not warnings
    finally:
        cluster.remove(-1)


class _Impatient(DaskExecutor):
    """An executor whose execution cancels what the hostile worker begins."""

    def open(self, job: Job, options: ExecutorOptions) -> DaskExecution:
        class Impatient(DaskExecution):
            def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
                begun: list[int] = []

                def take(index: int, event: WorkerEvent) -> None:
                    if event == Placed("hostile"):
                        begun.append(index)
                    on_event(index, event)

                super().poll(take, timeout_s)
                for index in begun:
                    self.cancel(index, "it takes too long")

        return Impatient(job, options)


def _outcomes(
    job: Job, cluster: Cluster, recordings: list[Recording], through: DaskExecutor
) -> tuple[list[Finished | Failed], list[str]]:
    """Ends of recordings of a run, and warnings."""
    seen: list[Event] = []
    runner.run(
        replace(job, results=Results(("srt",), cluster.folder), journal=False),
        recordings,
        lambda _, event: seen.append(event),
        jobs=None,
        executor=through,
        address=cluster.address,
    )
    ends = [one for one in seen if isinstance(one, Finished | Failed)]
    assert len(ends) == len(recordings)
    return ends, [one.text for one in seen if isinstance(one, WarningIssued)]


def test_workers_with_other_versions_are_refused_with_the_reason(
    cluster: Cluster, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**worker.versions(job.engine), "backend": "99.0"}
    monkeypatch.setattr(worker, "versions", lambda engine: other)
    with pytest.raises(PluginError, match=r"no worker of the cluster can be used .* 99\.0 here"):
        run(job, cluster, [Task(Recording(str(recording(tmp_path, "talk.wav"))))])


def test_a_comparison_is_measured_by_workers_of_one_kind_and_each_ratio_by_one_of_them(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    """A worker of another kind is not used; one that is lost has its runs measured again."""
    names = [str(recording(tmp_path, f"{'a' * n}.wav", 4.5)) for n in (1, 2)]
    recordings = load_recordings(names, [], decoder="soundfile")
    model = ModelFile("fake", "f16", job.model)
    variants = [Variant(Engine("fake", runtime), model, 1) for runtime in ("fake", "slow")]
    plan = Plan(recordings, tuple(variants), DecodeOptions(), repeats=2, warm_up=False)
    killed: list[str] = []

    class Watched(DaskExecution):
        worker = ""

        def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
            def take(index: int, event: WorkerEvent) -> None:
                if isinstance(event, Placed) and not self.worker:
                    self.worker = event.worker
                elif isinstance(event, RunMeasured) and not killed:
                    cluster.kill_worker_of(self.worker)
                    killed.append(self.worker)
                on_event(index, event)

            super().poll(take, timeout_s)

    cluster.add("other", n_threads=2)
    try:
        options = ExecutorOptions(address=cluster.address, all_workers=True)
        with closing(Watched(measuring.job(plan), options)) as execution:
            until = time.monotonic() + _AT_MOST_S
            while not (kind := execution.kind()).note:
                assert time.monotonic() < until
                execution.poll(lambda index, event: None, 0.1)
            with measuring.Journal.open(plan, resume=False, kind=kind.key) as journal:
                found = measuring.measure(plan, journal=journal, execution=execution)
    finally:
        cluster.remove(-1)
    assert kind.threads == 1
    assert re.fullmatch(r"of another kind and not used: other \(.*, 2 threads\)", kind.note)
    assert killed
    for recorded in recordings:
        one, other = (found[Cell(recorded, variant)] for variant in variants)
        assert not one.error and not other.error
        workers = [run.worker for run in one.runs]
        assert workers == [run.worker for run in other.runs]
        assert len(workers) == 2 and {*workers} <= {"0", "1"}
        assert one.transcript is not None and other.transcript is not None
        assert one.transcript.text == other.transcript.text
    here = measure_here(plan.cells[0], plan.options, warm_up=False)
    there = found[plan.cells[0]].transcript
    assert isinstance(here, Result) and there is not None
    assert here.transcript.text == there.text
    for key, n_kept in ((kind.key, 2), ("another kind", 0)):
        with measuring.Journal.open(plan, resume=True, kind=key) as journal:
            assert len(journal.kept(plan.cells[0])) == n_kept


def test_what_cannot_be_compared_on_the_cluster_is_one_error(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    (recorded,) = load_recordings([str(recording(tmp_path, "talk.wav"))], [], decoder="soundfile")
    model = ModelFile("fake", "f16", job.model)

    def opened(engine: Engine, threads: int) -> DaskExecution:
        plan = Plan((recorded,), (Variant(engine, model, threads),), DecodeOptions())
        return DaskExecution(measuring.job(plan), ExecutorOptions(address=cluster.address))

    with (
        closing(opened(Engine("fake", "fake"), 3)) as execution,
        pytest.raises(PluginError, match="it has 1 thread, and 3 are compared"),
    ):
        execution.kind()
    foreign = ForeignEngine("fake", "fake", "elsewhere", sys.executable)
    with pytest.raises(UsageError, match="elsewhere belongs to another environment"):
        opened(foreign, 1)


def test_a_run_writes_what_a_local_run_writes(
    cluster: Cluster, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under relative names, and with chunks of a long recording on several workers."""
    monkeypatch.chdir(tmp_path)
    recordings = [Recording(recording(Path(), f"{'a' * n}.wav", 3 * n).name) for n in range(1, 6)]
    recordings.append(Recording("missing.wav"))
    long = [Recording(recording(Path(), "long recording.wav", 500).name)]

    def written(folder: str, executor: DaskExecutor | None) -> tuple[list[Event], dict[str, bytes]]:
        seen: list[Event] = []
        address = "" if executor is None else cluster.address
        own = replace(job, results=Results(("json", "srt"), Path(folder)), journal=False)
        runner.run(
            own,
            recordings,
            lambda index, event: seen.append(event),
            jobs=None,
            executor=executor,
            address=address,
        )
        chunked = replace(own, chunk_threads=1)
        runner.run(
            chunked,
            long,
            lambda index, event: seen.append(event),
            jobs=2,
            executor=executor,
            address=address,
        )
        texts = {path.name: path.read_bytes() for path in Path(folder).glob("*.srt")}
        chunks_s = [one.audio_s for one in seen if isinstance(one, ChunkTranscribed)]
        assert sum(chunks_s) == pytest.approx(0 if executor is None else 500)
        ends = [replace(one, wall_s=0.0, places=()) for one in seen if isinstance(one, Finished)]
        return [*ends, *(one for one in seen if isinstance(one, Failed))], texts

    here, there = written("here", None), written("there", DaskExecutor())
    assert there == here
    assert len(here[1]) == 6
    assert isinstance(here[0][-1], Failed)
