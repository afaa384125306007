"""Loads what a job transcribes with."""

from __future__ import annotations

from contextlib import AbstractContextManager

from whisperctl.jobs.job import Job
from whisperctl.transcription import opening
from whisperctl.transcription.transcriber import Transcriber


def opened(job: Job) -> AbstractContextManager[Transcriber]:
    """What ``whisperctl.transcription.opening.opened`` gives for a job."""
    return opening.opened(
        job.engine,
        job.model,
        job.options,
        threads=job.threads,
        vad_model=job.vad_model,
        stall_timeout_s=job.stall_timeout_s,
    )
