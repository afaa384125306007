"""Runs a job: hands its recordings to an executor, and writes journals and results.

An executor transcribes and reports events; nothing but this module writes. What a worker has
finished is in the journal before the executor hears that it was taken. A recording that fails stops
no other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from whisperctl.engine import resources
from whisperctl.jobs import deliver, events, executors
from whisperctl.jobs.events import OnEvent, Ordered, WorkerEvent
from whisperctl.jobs.executors import Execution, Executor, ExecutorOptions
from whisperctl.jobs.executors.chunked import ChunkedExecution
from whisperctl.jobs.executors.in_process import failed, requested_s
from whisperctl.jobs.job import Job, RecordingLimits, Task
from whisperctl.jobs.journal import Journal, Keys
from whisperctl.jobs.sources import Recording
from whisperctl.text import timestamp
from whisperctl.transcript import Transcript
from whisperctl.transcription.chunking import audible_clips
from whisperctl.transcription.quality import assess

_POLL_S = 0.05


def run(
    job: Job,
    recordings: Sequence[Recording],
    on_event: OnEvent,
    *,
    jobs: int | None = 1,
    limits: RecordingLimits | None = None,
    executor: Executor | None = None,
    address: str = "",
    threads: int | None = None,
) -> None:
    """Transcribe every recording and write its results; its last event says what became of it.

    ``on_event`` runs in this thread. What it raises, or KeyboardInterrupt, stops all work and
    propagates; results that are written stay. Events of a recording come after those of the
    recordings before it, but for some that come at once, see ``Ordered``.

    Args:
        job: what to do.
        recordings: what to do it with.
        on_event: gets the place of a recording and an event.
        jobs: number of recordings at once, or with ``job.chunk_threads`` of chunks of one;
            ``None`` is all workers of an executor that has its own, and one of any other.
        limits: what a recording may take.
        executor: where to transcribe; ``None`` is the default, see ``executors.choose``.
        address: address for the executor, see ``ExecutorOptions``.
        threads: number of threads that was asked for, see ``ExecutorOptions``.

    Raises:
        WhisperctlError: the engine, the model or the executor cannot be used for any recording.
    """
    limits = limits or RecordingLimits()
    if executor is None:
        executor = executors.choose(None, jobs or 1, limits)
    options = ExecutorOptions(
        workers=jobs or 1,
        memory_bytes=limits.memory_bytes,
        address=address,
        all_workers=jobs is None,
        threads=threads,
    )
    execution: Execution
    if job.chunk_threads is not None:
        execution = ChunkedExecution(executor, job, options)
    else:
        most = max(1, len(recordings))
        has_own = jobs is None and bool(executor.describe().address)
        workers = most if has_own else min(jobs or 1, most)
        ahead = limits.timeout_s is None
        execution = executor.open(job, replace(options, workers=workers, ahead=ahead))
    with closing(execution):
        _Coordinator(job, recordings, on_event, execution, limits).run()


@dataclass(slots=True)
class _Running:
    """A recording that the executor works on; ``since_s`` by ``time.monotonic``."""

    task: Task
    journal: Journal
    since_s: float
    cancelled: bool = False


class _Coordinator:
    """One run of a job by an open executor."""

    def __init__(
        self,
        job: Job,
        recordings: Sequence[Recording],
        on_event: OnEvent,
        execution: Execution,
        limits: RecordingLimits,
    ) -> None:
        self._job = job
        self._keys = Keys(job)
        self._recordings = recordings
        self._emit = Ordered(on_event, len(recordings)).event
        self._execution = execution
        self._timeout_s = limits.timeout_s
        self._waiting = deque(range(len(recordings)))
        self._running: dict[int, _Running] = {}

    def run(self) -> None:
        try:
            while True:
                while self._waiting and len(self._running) < self._execution.slots:
                    self._begin(self._waiting.popleft())
                if not self._running:
                    return
                self._execution.poll(self._take, _POLL_S)
                self._check_time()
        except BaseException:
            # What workers had finished by now is not to be computed again.
            with suppress(Exception):
                self._execution.poll(self._keep, 0.0)
            raise
        finally:
            for running in self._running.values():
                running.journal.close()

    def _begin(self, index: int) -> None:
        """Submit a recording, or finish it where an earlier run has transcribed it."""
        recording = self._recordings[index]
        self._emit(index, events.Started())
        journal = Journal(self._job, recording, self._keys)
        task = Task(recording, journal.checkpoint)
        if journal.finished:
            journal.close()
            self._warn(index, f"{recording.label} was finished by another run meanwhile")
            self._emit(index, events.Ended())
            self._emit(index, events.Finished(0.0, 0.0, 0, ""))
            return
        self._running[index] = _Running(task, journal, time.monotonic())
        if journal.transcript is None:
            self._execution.submit(index, task)
            return
        self._warn(index, f"{recording.label} was transcribed before: its results are written")
        for segment in journal.transcript.segments:
            self._emit(index, events.SegmentDecoded(segment))
        self._deliver(index, journal.transcript, journal.transcript.duration_s)

    def _take(self, index: int, event: WorkerEvent) -> None:
        """Take an event of the executor's."""
        running = self._running.get(index)
        if running is None:
            return  # it has ended, and its executor does not know yet
        match event:
            case events.CheckpointReached(checkpoint):
                running.journal.add(checkpoint)
            case events.Transcribed(transcript):
                running.journal.transcribed(transcript)
                self._deliver(index, transcript, running.task.start_s)
            case events.LanguageFound() | events.RunMeasured() | events.Measured():
                pass  # of a chunk, and part of its transcript; of no recording
            case events.Failed():
                self._end(index, event)
            case events.Opened():
                running.since_s = time.monotonic()  # loading the model is not the recording's fault
                self._emit(index, event)
                self._repeat(index, running.task)
            case _:
                self._emit(index, event)

    def _keep(self, index: int, event: WorkerEvent) -> None:
        """Take an event after the run was stopped: journals alone are written."""
        running = self._running.get(index)
        match event:
            case events.CheckpointReached(checkpoint) if running is not None:
                running.journal.add(checkpoint)
            case events.Transcribed(transcript) if running is not None:
                running.journal.transcribed(transcript)
            case _:
                pass

    def _repeat(self, index: int, task: Task) -> None:
        """Report the segments of an earlier run that this one goes on from."""
        before = task.resume_from
        if before is not None:
            self._warn(index, f"{task.recording.label} goes on at {timestamp(before.position_s)}")
            for segment in before.segments:
                self._emit(index, events.SegmentDecoded(segment))

    def _deliver(self, index: int, transcript: Transcript, start_s: float) -> None:
        """Write the results of a recording, and end it."""
        running = self._running[index]
        recording, journal = running.task.recording, running.journal

        try:
            written = deliver.write_results(self._job, recording, transcript)
        except Exception as error:
            self._end(index, failed(running.task, error))
            return
        if written.text is not None:
            self._emit(index, events.Written(written.text))
        journal.written(written.places)
        if journal.problem:
            self._warn(index, f"warning: {journal.problem}")
        if written.warning:
            self._warn(index, f"warning: {recording.label}: {written.warning}")
        clips = audible_clips(self._job.options)
        self._end(
            index,
            events.Finished(
                duration_s=transcript.duration_s,
                computed_s=requested_s(clips, start_s, transcript.duration_s),
                n_segments=len(transcript.segments),
                language=transcript.language,
                language_probability=transcript.language_probability,
                quality=assess(transcript, clips).warning() or "",
                places=tuple(one for one in written.places if one not in written.kept),
                wall_s=transcript.timings.wall_ms / 1000,
            ),
        )

    def _end(self, index: int, event: events.Finished | events.Failed) -> None:
        self._running.pop(index).journal.close()
        self._emit(index, events.Ended(event.reason if isinstance(event, events.Failed) else ""))
        self._emit(index, event)

    def _warn(self, index: int, text: str) -> None:
        self._emit(index, events.WarningIssued(text))

    def _check_time(self) -> None:
        if self._timeout_s is None:
            return
        for index, running in self._running.items():
            took_s = time.monotonic() - running.since_s
            if took_s > self._timeout_s and not running.cancelled:
                running.cancelled = True
                reason = f"stopped because it took more than {self._timeout_s:g} s"
                self._execution.cancel(index, f"{running.task.recording.label}: {reason}")


def share_of_threads(threads: int, jobs: int) -> int:
    """Threads for each of several recordings at once, if one alone would have ``threads``."""
    return max(1, min(threads, resources.available() // jobs))
