"""Transcribes recordings with one open session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from whisperctl.engine import stall
from whisperctl.engine.protocol import Detector, OnSegment, Session
from whisperctl.models import ggml
from whisperctl.options import TranscriptionOptions
from whisperctl.transcript import Transcript
from whisperctl.transcription.chunking import CHUNK_S
from whisperctl.transcription.run import (
    Callbacks,
    Checkpoint,
    OnCheckpoint,
    OnProgress,
    OnWarning,
    Progress,
    RecordingRun,
)

__all__ = ["OnProgress", "OnWarning", "Progress", "Transcriber"]


class Transcriber:
    """A session, and a detector where there is one; neither is closed here."""

    def __init__(
        self,
        session: Session,
        *,
        model: Path | None = None,
        detector: Detector | None = None,
        chunk_s: float = CHUNK_S,
        stall_timeout_s: float | None = stall.TIMEOUT_S,
    ) -> None:
        """Get ready; of the recording nothing is read yet.

        Args:
            session: the open model.
            model: its file, for the transcript to name, and to describe if it is a ggml file.
            detector: finds speech; without one, noise is told from speech less well.
            chunk_s: how long the chunks of a long recording are at most; what is up to twice as
                long is one chunk.
            stall_timeout_s: seconds without progress after which a run fails; ``None`` is no limit.
        """
        self._session = stall.WatchedSession(session, stall_timeout_s)
        self._model = model
        self._description = None if model is None else ggml.describe(model)
        self._detector = detector
        self._chunk_s = chunk_s

    def transcribe(
        self,
        source: str | Path,
        options: TranscriptionOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_warning: OnWarning | None = None,
        on_checkpoint: OnCheckpoint | None = None,
        resume_from: Checkpoint | None = None,
    ) -> Transcript:
        """Transcribe a recording of any length in bounded memory.

        Callbacks run in the caller's thread; an exception raised in one, or KeyboardInterrupt,
        stops the run and propagates. ``on_warning`` gets one-line remarks about the recording and
        what was done about it (cut short, loops decoded again).

        Args:
            source: a media file, or ``"-"`` for standard input.
            options: what to do; nothing lingers from earlier calls.
            on_segment: gets each segment once it is certain, in the order of time.
            on_progress: gets how far the run is.
            on_warning: gets remarks.
            on_checkpoint: gets what a later run needs to go on from here, after each chunk, and
                once more with ``done`` at the end.
            resume_from: where an earlier run of the same recording and options stood; its segments
                are part of the result and are not given to ``on_segment`` again.

        Raises:
            AudioError: the recording cannot be read.
            BackendError: the engine failed, or made no progress.
            UsageError: an option fits neither the model nor the recording.
        """
        callbacks = Callbacks(on_segment, on_progress, on_warning, on_checkpoint)
        run = RecordingRun(
            self._session, self._detector, options, callbacks, resume_from, chunk_s=self._chunk_s
        )
        transcript = run.over(source)
        return replace(transcript, model=self._model, model_description=self._description)
