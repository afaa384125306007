"""The executor that transcribes in this process, which starts fastest and takes least memory.

``TaskRunner`` is what every executor runs where it has its work done.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Self, TypeVar

from whisperctl import __version__
from whisperctl.compare import runner as measuring
from whisperctl.errors import WhisperctlError
from whisperctl.jobs import events
from whisperctl.jobs.events import WorkerEvent
from whisperctl.jobs.executors import CONTRACT, ExecutorInfo, ExecutorOptions, OnWorkerEvent
from whisperctl.jobs.job import Job, Task
from whisperctl.options import Clip
from whisperctl.text import on_one_line
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.chunking import ChunkFile, ReadAhead, audible_clips
from whisperctl.transcription.transcriber import (
    Callbacks,
    Progress,
    Transcriber,
    open_transcriber,
    read_ahead,
)

_LOG = logging.getLogger(__name__)

Emit = Callable[[WorkerEvent], None]
T = TypeVar("T")


class InProcessExecutor:
    """See ``whisperctl.jobs.executors.Executor``."""

    name = "in-process"
    contract = CONTRACT

    def describe(self) -> ExecutorInfo:
        """Describe it; it can stop no recording, as it runs in the thread that would."""
        return ExecutorInfo(__version__, preference=20)

    def open(self, job: Job, options: ExecutorOptions) -> InProcessExecution:
        """Get ready for a job."""
        return InProcessExecution(TaskRunner(job))


class InProcessExecution:
    """See ``whisperctl.jobs.executors.Execution``."""

    slots = 1

    def __init__(self, runner: TaskRunner) -> None:
        self._runner = runner
        self._submitted: tuple[int, Task] | None = None

    def submit(self, index: int, task: Task) -> None:
        """Keep a task for ``poll``."""
        self._submitted = index, task

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        """Transcribe the task that was submitted, if any."""
        if self._submitted is not None:
            (index, task), self._submitted = self._submitted, None
            self._runner.run(task, partial(on_event, index))

    def cancel(self, index: int, reason: str) -> None:
        """Refuse; see ``InProcessExecutor.describe``."""
        raise NotImplementedError("a recording that this thread works on cannot be stopped")

    def close(self) -> None:
        """Release the model."""
        self._runner.close()


class TaskRunner:
    """Transcribes tasks of one job, one after another, with one loaded model.

    The model is loaded for the first task that needs it. Nothing is written.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stack = ExitStack()
        self._transcriber: Transcriber | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the model; safe to call again."""
        self._transcriber = None
        self._stack.close()

    def run(self, task: Task, emit: Emit) -> None:
        """Transcribe a recording, or measure runs; the last event is an ``events.End``.

        Args:
            task: recording, and where to go on in it.
            emit: gets events, in this thread. What it raises stops the work and propagates.

        Raises:
            WhisperctlError: the model or the engine cannot be used, for any recording.
        """
        ours: list[Exception] = []  # what failed is not the recording

        def guarded(work: Callable[[], T]) -> T:
            try:
                return work()
            except Exception as error:
                ours.append(error)
                raise

        def emitted(event: WorkerEvent) -> None:
            guarded(lambda: emit(event))

        try:
            self._transcribe(task, lambda reading: guarded(lambda: self._load(reading)), emitted)
        except Exception as error:
            if ours:
                raise ours[0] from ours[0].__cause__
            emit(failed(task, error))

    def _load(self, reading: ReadAhead | None) -> Transcriber:
        if self._transcriber is None:
            job = self._job
            self._transcriber = self._stack.enter_context(
                open_transcriber(
                    job.engine,
                    job.model,
                    job.options,
                    threads=job.threads,
                    vad_model=job.vad_model,
                    stall_timeout_s=job.stall_timeout_s,
                    reading=reading,
                )
            )
        return self._transcriber

    def _transcribe(
        self, task: Task, load: Callable[[ReadAhead | None], Transcriber], emit: Emit
    ) -> None:
        name = task.recording.name
        if task.runs and task.chunk is not None:
            _measure(task, task.chunk, emit)
            return

        def on_segment(segment: Segment) -> None:
            emit(events.SegmentDecoded(segment))

        def on_progress(progress: Progress) -> None:
            emit(events.Advanced(progress.done_s, progress.total_s))

        def on_warning(text: str) -> None:
            emit(events.WarningIssued(f"warning: {text}"))

        if task.chunk is not None:
            transcriber = load(None)
            emit(events.Opened())
            callbacks = Callbacks(
                on_segment,
                on_progress,
                on_warning,
                on_language=lambda spoken: emit(events.LanguageFound(spoken)),
            )
            transcript, tally = transcriber.transcribe_chunk(
                task.chunk,
                task.recording.shown,
                self._job.options,
                callbacks,
                task.resume_from,
            )
            emit(events.Transcribed(transcript, tally))
            return
        # A mistyped name shows before a model is loaded, and the first chunk is read meanwhile.
        with closing(read_ahead(name, self._job.options, task.resume_from)) as reading:
            transcriber = load(reading)
            emit(events.Opened())
            transcript = transcriber.transcribe(
                reading,
                self._job.options,
                on_segment=on_segment,
                on_progress=on_progress,
                on_warning=on_warning,
                on_checkpoint=lambda checkpoint: emit(events.CheckpointReached(checkpoint)),
                resume_from=task.resume_from,
            )
        _log_timings(
            transcript,
            requested_s(audible_clips(self._job.options), task.start_s, transcript.duration_s),
        )
        emit(events.Transcribed(transcript))


def _measure(task: Task, chunk: ChunkFile, emit: Emit) -> None:
    """Measure the runs of a task."""
    samples = chunk.read().samples
    emit(events.Opened())
    for place, asked in enumerate(task.runs):
        began = time.monotonic()
        outcome = measuring.carry_out(asked, samples)
        took_s = time.monotonic() - began
        if isinstance(outcome, measuring.Failure):
            emit(events.RunMeasured(place, None, outcome.message, took_s))
        else:
            emit(events.RunMeasured(place, outcome, "", took_s))
    emit(events.Measured())


def failed(task: Task, error: Exception) -> events.Failed:
    """Event for an exception that a recording failed with."""
    if isinstance(error, WhisperctlError):
        return events.Failed(str(error))
    reason = on_one_line(f"{type(error).__name__}: {error}")
    return events.Failed(f"{task.recording.label}: {reason} (unexpected)")


def requested_s(clips: Sequence[Clip], start_s: float, duration_s: float) -> float:
    """Seconds of a recording that were to be transcribed, from ``start_s`` on."""
    parts = (
        min(duration_s, math.inf if clip.end_s is None else clip.end_s) - max(start_s, clip.start_s)
        for clip in clips or (Clip(),)
    )
    return sum(max(0.0, part) for part in parts)


def _log_timings(transcript: Transcript, computed_s: float) -> None:
    """Log what the recording took, summed over the runs of the engine."""
    times = transcript.timings
    for name, phase in times.phases.items():
        if phase.runs:
            runs = "1 run" if phase.runs == 1 else f"{phase.runs} runs"
            _LOG.debug("time %s: %.1f ms in %s", name, phase.total_ms, runs)
    for name, value in (
        ("audio decode", times.audio_decode_ms),
        ("module compile", times.module_compile_ms),
        ("instantiate", times.instantiate_ms),
        ("wall", times.wall_ms),
    ):
        if value is not None:
            _LOG.debug("time %s: %.1f ms", name, value)
    if computed_s > 0:
        factor = times.wall_ms / 1000 / computed_s
        _LOG.debug("real-time factor: %.3f of %.1f s", factor, computed_s)
    if times.peak_memory_bytes is not None:
        _LOG.debug("peak memory: %.0f MiB", times.peak_memory_bytes / 2**20)
