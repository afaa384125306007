"""Loads what a job transcribes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from whisperctl import engines
from whisperctl.batch.job import Job
from whisperctl.transcription.transcriber import Transcriber


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
            engines.open_session(job.engine, job.model, threads=job.threads)
        )
        yield Transcriber(session, model=job.model)
