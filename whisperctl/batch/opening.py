"""Loads what a job transcribes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from whisperctl import engines
from whisperctl.backend import Detector
from whisperctl.batch.job import Job
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import vad
from whisperctl.transcription.options import TranscriptionOptions
from whisperctl.transcription.transcriber import Transcriber


def vad_model(options: TranscriptionOptions, asked: str | None) -> Path | None:
    """The voice activity model for a run: the one asked for, else the usual one if it is here.

    Raises:
        ModelError: it is damaged, or not here and needed.
    """
    if asked is not None:
        return vad.find(asked)
    helps = options.speech_check or options.speakers_from_channels
    if options.vad is None and not helps:
        return None
    found = vad.find()
    if found is None and options.vad is not None:
        raise ModelError(
            'no voice activity model is here: run "whisperctl models pull silero" first'
        )
    return found


@contextmanager
def opened(job: Job) -> Iterator[Transcriber]:
    """Load the model, and the voice activity detector if it is wanted and there is one.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: the engine refused a model.
    """
    with ExitStack() as stack:
        session = stack.enter_context(
            engines.open_session(
                job.engine,
                job.model,
                threads=job.threads,
                word_timestamps=job.options.decoding.word_timestamps,
            )
        )
        detector = _detector(job)
        if detector is not None:
            stack.enter_context(detector)
        yield Transcriber(session, model=job.model, detector=detector)


def _detector(job: Job) -> Detector | None:
    if job.vad_model is None:
        return None
    if job.options.vad is not None:
        return engines.open_detector(job.engine, job.vad_model)
    # The check for speech is a help: a backend that cannot do it transcribes all the same.
    with suppress(BackendError):
        return engines.open_detector(job.engine, job.vad_model)
    return None
