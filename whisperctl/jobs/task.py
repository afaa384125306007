"""One recording from beginning to end: transcribed or taken up again, then written."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from whisperctl.audio.source import STDIN, open_source
from whisperctl.errors import OutputError
from whisperctl.formats import Writer, extension, writer
from whisperctl.jobs import events
from whisperctl.jobs.deliver import PlannedOutput, output_path, write_atomic
from whisperctl.jobs.events import Event
from whisperctl.jobs.job import Job
from whisperctl.jobs.journal import Journal
from whisperctl.jobs.plan import is_there, label
from whisperctl.jobs.sources import Recording
from whisperctl.options import Clip
from whisperctl.subtitles.cues import timestamp
from whisperctl.subtitles.layout import SubtitleOptions
from whisperctl.text import quoted
from whisperctl.transcript import Transcript
from whisperctl.transcription.quality import assess
from whisperctl.transcription.run import Checkpoint
from whisperctl.transcription.transcriber import Progress, Transcriber

_LOG = logging.getLogger(__name__)

Emit = Callable[[Event], None]


def process(job: Job, recording: Recording, opened: Callable[[], Transcriber], emit: Emit) -> None:
    """Transcribe a recording and write its results; the last event is ``Finished``.

    Args:
        job: what to do.
        recording: what to do it with.
        opened: gives the transcriber; called when there is something to transcribe.
        emit: gets what there is to say; an exception raised in it stops the work and propagates.

    Raises:
        AudioError: the recording cannot be read.
        BackendError: the engine failed.
        OutputError: a result cannot be written.
        UsageError: an option does not fit the recording.
    """
    with Journal(job, recording) as journal:
        if journal.finished:
            emit(events.WarningIssued(f"{label(recording)} was finished by another run meanwhile"))
            emit(events.Finished(0.0, 0.0, 0, ""))
            return
        before = journal.checkpoint
        start_s = 0.0 if before is None else before.position_s
        if journal.transcript is not None:
            transcript = journal.transcript
            start_s = transcript.duration_s
            emit(
                events.WarningIssued(
                    f"{label(recording)} was transcribed before: its results are written"
                )
            )
            for segment in transcript.segments:
                emit(events.SegmentDecoded(segment))
        else:
            transcript = _transcribe(job, recording, opened, journal, emit)
            journal.transcribed(transcript)
            _log_timings(transcript, _asked_s(job.options.clips, start_s, transcript.duration_s))
        journal.written(_write(job, recording, transcript, emit))
        if journal.problem:
            emit(events.WarningIssued(f"warning: {journal.problem}"))
    emit(
        events.Finished(
            duration_s=transcript.duration_s,
            computed_s=_asked_s(job.options.clips, start_s, transcript.duration_s),
            n_segments=len(transcript.segments),
            language=transcript.language,
            language_probability=transcript.language_probability,
            quality=assess(transcript, job.options.clips).remark() or "",
        )
    )


def _transcribe(
    job: Job,
    recording: Recording,
    opened: Callable[[], Transcriber],
    journal: Journal,
    emit: Emit,
) -> Transcript:
    # A mistyped name shows before a model is loaded. What can be read but once is left alone.
    if recording.name != STDIN and Path(recording.name).is_file():
        open_source(recording.name).file.close()
    transcriber = opened()
    emit(events.Opened())
    before = journal.checkpoint
    if before is not None:
        emit(events.WarningIssued(f"{label(recording)} goes on at {timestamp(before.position_s)}"))
        for segment in before.segments:
            emit(events.SegmentDecoded(segment))

    def on_progress(progress: Progress) -> None:
        emit(events.Advanced(progress.done_s, progress.total_s))

    def on_checkpoint(checkpoint: Checkpoint) -> None:
        journal.add(checkpoint)

    return transcriber.transcribe(
        recording.name,
        job.options,
        on_segment=lambda segment: emit(events.SegmentDecoded(segment)),
        on_progress=on_progress,
        on_warning=lambda text: emit(events.WarningIssued(f"warning: {text}")),
        on_checkpoint=on_checkpoint,
        resume_from=before,
    )


def _asked_s(clips: Sequence[Clip], start_s: float, duration_s: float) -> float:
    """Seconds of the recording from ``start_s`` on that were to be transcribed."""
    parts = (
        min(duration_s, math.inf if clip.end_s is None else clip.end_s) - max(start_s, clip.start_s)
        for clip in clips or (Clip(),)
    )
    return sum(max(0.0, part) for part in parts)


def _log_timings(transcript: Transcript, computed_s: float) -> None:
    """Say where the time went, as far as whisper.cpp has not said so itself."""
    times = transcript.timings
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


def _write(job: Job, recording: Recording, transcript: Transcript, emit: Emit) -> list[Path]:
    results = job.results
    # What is said in a translation is English, whatever was spoken.
    language = "en" if transcript.task == "translate" else transcript.language
    paths = []
    for name in results.formats:
        write = writer(name)
        if results.to_stdout:
            text = io.StringIO()
            write(transcript, text, results.subtitles)
            emit(events.Written(text.getvalue()))
            continue
        path = output_path(
            recording.name,
            results.directory,
            extension(name),
            template=results.template,
            folder=recording.folder,
            language=results.language or language or "und",
        )
        paths.append(path)
        if job.skip_existing and is_there(results, recording, PlannedOutput("", name, path)):
            continue
        _make_folder(path)
        write_atomic(path, _to_stream(write, transcript, results.subtitles))
    return paths


def _to_stream(
    write: Writer, transcript: Transcript, options: SubtitleOptions
) -> Callable[[TextIO], None]:
    return lambda out: write(transcript, out, options)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{quoted(path)} cannot be written: its directory cannot be made "
            f"({error.strerror or error}); choose another"
        ) from error
