"""Transcribes recordings with one open session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from whisperctl import audio
from whisperctl.engine import stall
from whisperctl.engine.protocol import Detector, OnSegment, Session
from whisperctl.errors import BackendError
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

_BLOCK_S = 30.0


class Transcriber:
    """Transcribes with a session and, if there is one, a detector. Closes neither.

    Args:
        session: the open model.
        model: its file, which the transcript names, and describes if it is a ggml file.
        detector: a voice activity detector; without one, noise is harder to tell from speech.
        chunk_s: longest chunk of a long recording; one up to twice as long is a single chunk.
        stall_timeout_s: seconds without progress after which a run fails; ``None`` for no limit.
    """

    def __init__(
        self,
        session: Session,
        *,
        model: Path | None = None,
        detector: Detector | None = None,
        chunk_s: float = CHUNK_S,
        stall_timeout_s: float | None = stall.TIMEOUT_S,
    ) -> None:
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

        Callbacks run in the caller's thread. An exception raised in one, or KeyboardInterrupt,
        stops the run and propagates.

        Args:
            source: a media file, or ``"-"`` for standard input.
            options: options for this recording.
            on_segment: called with each segment once it is final, in order of time.
            on_progress: called with the progress of the run.
            on_warning: called with one line about the recording or its text, such as that it is cut
                short or that a repetition was decoded again.
            on_checkpoint: called with the state to resume from, after each chunk, and once more
                with ``done`` at the end.
            resume_from: checkpoint of an earlier run with the same recording and options. Its
                segments are part of the result, but not given to ``on_segment`` again.

        Raises:
            AudioError: the recording cannot be read.
            BackendError: the engine failed or made no progress, or there is no detector for
                ``options.vad``.
            UsageError: an option does not fit the model or the recording.
        """
        if options.vad is not None and self._detector is None:
            raise BackendError("speech cannot be found here: no voice activity detector is open")
        callbacks = Callbacks(on_segment, on_progress, on_warning, on_checkpoint)
        with audio.open_stream(
            source,
            block_s=_BLOCK_S,
            split=options.speakers_from_channels,
            track=options.audio_track,
            decoder=options.decoder,
            filters=options.filters,
        ) as blocks:
            transcript = RecordingRun(
                blocks,
                self._session,
                self._detector,
                options,
                callbacks,
                resume_from,
                chunk_s=self._chunk_s,
            ).transcribe()
        return replace(transcript, model=self._model, model_description=self._description)
