"""Loads what a job transcribes with."""

from __future__ import annotations

from contextlib import AbstractContextManager

from whisperctl.jobs.job import Job
from whisperctl.transcription.transcriber import Transcriber, open_transcriber


def opened(job: Job) -> AbstractContextManager[Transcriber]:
    """Open what a job needs, see ``open_transcriber``."""
    return open_transcriber(
        job.engine,
        job.model,
        job.options,
        threads=job.threads,
        vad_model=job.vad_model,
        stall_timeout_s=job.stall_timeout_s,
    )
