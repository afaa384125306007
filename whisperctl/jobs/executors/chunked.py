"""One recording transcribed by several workers at once, a chunk of it each.

Here the recording is read and cut where it is quietest. Any executor transcribes the chunks, which
are tasks like others, and their transcripts are joined in order. The text of a chunk depends on no
other, but for the language, which is that of the first chunk with text: so the result is the same
however many workers there are.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl import languages
from whisperctl.audio import SAMPLE_RATE
from whisperctl.errors import OutputError
from whisperctl.jobs import events
from whisperctl.jobs.executors.in_process import failed
from whisperctl.jobs.job import Job, Task
from whisperctl.models import ggml
from whisperctl.storage import files
from whisperctl.text import on_one_line, quoted
from whisperctl.transcript import Segment, SpokenLanguage, TimingsSum, Transcript
from whisperctl.transcription.chunking import (
    PARALLEL_CHUNK_S,
    Chunk,
    ChunkFile,
    ReadAhead,
)
from whisperctl.transcription.quality import Tally
from whisperctl.transcription.run import Checkpoint, requested_language

if TYPE_CHECKING:
    from whisperctl.jobs.executors import Execution, Executor, ExecutorOptions, OnWorkerEvent

_PURPOSE = "transcribing chunks of a recording at once"


class ChunkedExecution:
    """An execution (``whisperctl.jobs.executors.Execution``) that takes one recording at a time.

    The executor is opened once it is known whether there are several chunks: a single one gets all
    threads.

    Args:
        executor: transcribes the chunks.
        job: the job; ``chunk_threads`` is set.
        options: options of the executor, with the number of chunks at once.
        chunk_s: longest chunk; a recording of up to twice as long is a single one.
    """

    slots = 1

    def __init__(
        self,
        executor: Executor,
        job: Job,
        options: ExecutorOptions,
        *,
        chunk_s: float = PARALLEL_CHUNK_S,
    ) -> None:
        self._executor = executor
        self._job = job
        self._options = options
        self._chunk_s = chunk_s
        self._execution: Execution | None = None
        self._recording: _Recording | None = None
        self._running: dict[int, _Part] = {}
        self._n_submitted = 0

    def submit(self, index: int, task: Task) -> None:
        """Begin to read a recording."""
        self._recording = _Recording(index, task, self._job, self._chunk_s)

    def poll(self, on_event: OnWorkerEvent, timeout_s: float) -> None:
        """Submit chunks, and report what has become of them."""
        recording = self._recording
        if recording is None:
            return
        recording.emit = partial(on_event, recording.index)
        if recording.failure is None:
            recording.read(0.0 if self._running else timeout_s)
        self._begin(recording)
        if self._execution is not None and self._running and recording.failure is None:
            self._execution.poll(self._take, timeout_s)
        if recording.failure is None and recording.ended:
            recording.finish()
        elif recording.failure is not None:
            self._stop(recording.failure.reason)
            recording.emit(recording.failure)
        else:
            return
        self._recording = None
        recording.close()

    def cancel(self, index: int, reason: str) -> None:
        """Stop the recording at the next poll."""
        if self._recording is not None and self._recording.index == index:
            self._recording.failure = events.Failed(reason)

    def close(self) -> None:
        """Stop all work."""
        try:
            if self._execution is not None:
                self._execution.close()
        finally:
            if self._recording is not None:
                self._recording.close()

    def _begin(self, recording: _Recording) -> None:
        """Submit chunks that are read, as many as there is room for."""
        while recording.failure is None and recording.may_begin():
            if self._execution is None:
                threads = self._job.threads if recording.is_one_chunk else self._job.chunk_threads
                job = replace(self._job, threads=threads or 1, chunk_threads=None)
                self._execution = self._executor.open(job, self._options)
            if len(self._running) >= self._execution.slots:
                return
            begun = recording.begin()
            if begun is None:
                return
            part, task = begun
            self._n_submitted += 1
            self._running[self._n_submitted] = part
            self._execution.submit(self._n_submitted, task)
            recording.read(0.0)

    def _take(self, number: int, event: events.WorkerEvent) -> None:
        """Take an event of a chunk's."""
        part = self._running.get(number)
        if part is None:
            return
        if isinstance(event, events.Transcribed | events.Failed):
            del self._running[number]
        if self._recording is not None and part in self._recording.parts:
            self._recording.take(part, event)

    def _stop(self, reason: str) -> None:
        """Stop the chunks that are worked on, where the executor can; else they are waited for."""
        if self._execution is not None and self._executor.describe().cancels:
            for number in self._running:
                self._execution.cancel(number, reason)


@dataclass(slots=True, eq=False)
class _Part:
    """A chunk that was submitted, and what is known of it that was not reported yet.

    ``number`` counts from 1. ``placed``: a worker of a cluster has it.
    """

    number: int
    file: ChunkFile
    end: int
    kept: list[events.WorkerEvent]
    placed: bool = False
    done_s: float = 0.0
    transcript: Transcript | None = None


class _Recording:
    """A recording that is read ahead, and the chunks of it that were begun.

    ``failure`` is its last event once it has failed. ``emit`` reports an event of it.
    """

    def __init__(self, index: int, task: Task, job: Job, chunk_s: float) -> None:
        before = task.resume_from
        self.index = index
        self.parts: list[_Part] = []
        self.failure: events.Failed | None = None
        self.emit: Callable[[events.WorkerEvent], None] = lambda event: None
        self._task = task
        self._job = job
        self._start = 0 if before is None else round(before.position_s * SAMPLE_RATE)
        self._segments: list[Segment] = [] if before is None else list(before.segments)
        self._spoken: SpokenLanguage | None = None
        if before is not None and before.language:
            self._spoken = SpokenLanguage(before.language, before.language_probability)
        self._model = ggml.inspect(job.model)
        self._detects = self._model.multilingual and job.options.decoding.language == languages.AUTO
        self._n_reported = 0
        self._n_warnings = 0
        self._opened = False
        self._timings = TimingsSum()
        self._tally = Tally()
        self._system_info = ""
        self._waiting: deque[Chunk] = deque()
        self._folder: Path | None = None
        self._chunks: ReadAhead | None = None
        try:
            self._chunks = ReadAhead(
                task.recording.name, job.options, start=self._start, chunk_s=chunk_s
            )
            self._chunks.detect_with(None)  # which the workers do
        except Exception as error:
            self.failure = failed(task, error)

    @property
    def is_one_chunk(self) -> bool:
        """True if all of it is the one chunk that is to begin."""
        return not self.parts and len(self._waiting) == 1 and self._is_read

    @property
    def ended(self) -> bool:
        """True once every chunk is transcribed."""
        return self._is_read and not self._waiting and all(part.transcript for part in self.parts)

    @property
    def _is_read(self) -> bool:
        return self._chunks is None or self._chunks.ended

    def read(self, timeout_s: float) -> None:
        """Take chunks that were read: two, as the first one may be the only one."""
        try:
            while len(self._waiting) < 2 and self._chunks is not None and not self._chunks.ended:
                chunk = self._chunks.take(timeout_s)
                if chunk is None:
                    return
                self._waiting.append(chunk)
        except Exception as error:
            self.failure = failed(self._task, error)

    def may_begin(self) -> bool:
        """True if a chunk is there, and the language is known or to be found in it."""
        if not self._waiting:
            return False
        if not self.parts:
            return len(self._waiting) > 1 or self._is_read
        return (
            not self._detects
            or self._spoken is not None
            or all(part.transcript for part in self.parts)
        )

    def begin(self) -> tuple[_Part, Task] | None:
        """Write the next chunk to a file for a worker; ``None`` if that failed."""
        chunk = self._waiting.popleft()
        try:
            if self._folder is None:
                self._folder = files.make_temporary_folder(_PURPOSE)
            file = ChunkFile.write(chunk, self._folder / str(chunk.start))
        except OSError as error:
            self.failure = failed(self._task, files.no_temporary(_PURPOSE, error))
            return None
        except OutputError as error:
            self.failure = failed(self._task, error)
            return None
        part = _Part(len(self.parts) + 1, file, chunk.end, self._warnings())
        self.parts.append(part)
        return part, Task(self._task.recording, self._checkpoint(chunk.start), file)

    def take(self, part: _Part, event: events.WorkerEvent) -> None:
        """Take an event of a chunk's, and report what is now in order."""
        match event:
            case events.Opened():
                self._open()
            case events.Advanced(done_s):
                part.done_s = done_s
                self._report_progress()
            case events.Logged():
                self.emit(event)
            case events.Placed(worker):
                part.placed = True
                self.emit(events.Placed(worker, part.number))
            case events.LanguageFound(spoken):
                self._spoken = self._spoken or spoken
            case events.CheckpointReached():
                pass  # reported once those before it are there
            case events.Failed():
                self.failure = event
            case events.Transcribed(transcript, tally):
                part.transcript = transcript
                self._timings.add(transcript.timings)
                self._system_info = transcript.system_info
                self._tally.n_dropped += tally.n_dropped
                self._tally.speech_detected |= tally.speech_detected
                part.file.path.unlink(missing_ok=True)
                if part.placed:
                    audio_s = (part.end - part.file.start) / SAMPLE_RATE
                    wall_s = transcript.timings.wall_ms / 1000
                    self.emit(events.ChunkTranscribed(part.number, audio_s, wall_s))
            case _:
                part.kept.append(event)
        self._report()

    def finish(self) -> None:
        """Report the whole transcript."""
        self._open()
        assert self._chunks is not None
        name = quoted(self._chunks.source)
        for warning in self._warnings():
            self.emit(warning)
        for text in self._tally.warnings(name, len(self._segments)):
            self.emit(_warning(text))
        decoding = self._job.options.decoding
        language = self._spoken.code if self._spoken else requested_language(decoding)
        self.emit(
            events.Transcribed(
                Transcript(
                    segments=tuple(self._segments),
                    language=language,
                    duration_s=self._chunks.duration_s(),
                    timings=self._timings.total(self._chunks.decode_ms),
                    language_probability=self._spoken.probability if self._spoken else None,
                    system_info=self._system_info,
                    task=decoding.task,
                    model=self._job.model,
                    model_description=self._model.description,
                    decoders=self._chunks.decoders,
                ).visible()
            )
        )

    def close(self) -> None:
        """Stop reading, and remove what was written for workers."""
        if self._chunks is not None:
            self._chunks.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self.emit(events.Opened())

    def _report(self) -> None:
        """Report the events of the first chunk that has not ended, and of those before it."""
        while self._n_reported < len(self.parts):
            part = self.parts[self._n_reported]
            kept, part.kept = part.kept, []
            for event in kept:
                self.emit(event)
            if part.transcript is None:
                return
            self._n_reported += 1
            self._segments += part.transcript.segments
            if self._spoken is None and part.transcript.segments and part.transcript.language:
                self._spoken = SpokenLanguage(part.transcript.language)
            reached = self._checkpoint(part.end, part.transcript.segments)
            self.emit(events.CheckpointReached(reached))

    def _checkpoint(self, position: int, segments: tuple[Segment, ...] = ()) -> Checkpoint:
        """Checkpoint at a sample, with the language as far as it is known."""
        spoken = self._spoken or SpokenLanguage("")
        return Checkpoint(position / SAMPLE_RATE, segments, spoken.code, spoken.probability)

    def _report_progress(self) -> None:
        assert self._chunks is not None
        done_s = self._chunks.done_s(self._start) + sum(part.done_s for part in self.parts)
        total_s = self._chunks.total_s
        self.emit(events.Advanced(done_s, None if total_s is None else max(total_s, done_s)))

    def _warnings(self) -> list[events.WorkerEvent]:
        """New warnings about the recording, as events."""
        assert self._chunks is not None
        found = self._chunks.warnings[self._n_warnings :]
        self._n_warnings += len(found)
        return [_warning(text) for text in found]


def _warning(text: str) -> events.WorkerEvent:
    return events.WarningIssued(f"warning: {on_one_line(text)}")
