"""Opens a model, and transcribes recordings with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from whisperctl import audio
from whisperctl.engine import registry, stall
from whisperctl.engine.protocol import Detector, Model, OnSegment, Session
from whisperctl.engine.registry import Engine
from whisperctl.engine.session import HostSession
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import store
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

__all__ = [
    "OnProgress",
    "OnWarning",
    "Progress",
    "Transcriber",
    "find_vad_model",
    "open_transcriber",
]

_BLOCK_S = 30.0


class Transcriber:
    """Transcribes with a session and, if there is one, a detector. Closes neither.

    Args:
        session: the open model.
        model: what it was opened with, which the transcript names and describes.
        detector: a voice activity detector; without one, noise is harder to tell from speech.
        chunk_s: longest chunk of a long recording; one up to twice as long is a single chunk.
        stall_timeout_s: seconds without progress after which a run fails; ``None`` for no limit.
    """

    def __init__(
        self,
        session: Session,
        *,
        model: Model | None = None,
        detector: Detector | None = None,
        chunk_s: float = CHUNK_S,
        stall_timeout_s: float | None = stall.TIMEOUT_S,
    ) -> None:
        self._session = HostSession(session, stall_timeout_s=stall_timeout_s)
        self._model = model
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
            raise BackendError("cannot detect speech: no voice activity detector is open")
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
        if self._model is None:
            return transcript
        description = self._model.info.description
        return replace(transcript, model=self._model.path, model_description=description)


def find_vad_model(options: TranscriptionOptions, requested: str | None = None) -> Path | None:
    """The voice activity model for a run: the one requested, or the default one if installed.

    Raises:
        ModelError: it is damaged, or ``options.vad`` needs it and it is not installed.
    """
    if requested is not None:
        return store.find_detector(requested)
    if options.vad is None and not options.speech_check and not options.speakers_from_channels:
        return None
    model = store.find_detector()
    if model is None and options.vad is not None:
        raise ModelError(
            'no voice activity model is installed: run "whisperctl models pull silero"'
        )
    return model


@contextmanager
def open_transcriber(
    engine: Engine,
    model: Path,
    options: TranscriptionOptions,
    *,
    threads: int,
    vad_model: Path | None,
    stall_timeout_s: float | None = stall.TIMEOUT_S,
) -> Iterator[Transcriber]:
    """Open the model, and the voice activity model if there is one.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: a model is damaged, or the engine refused it.
    """
    with ExitStack() as stack:
        checked = registry.check_model(model)
        session = stack.enter_context(
            registry.open_session(
                engine,
                checked,
                threads=threads,
                word_timestamps=options.decoding.word_timestamps,
            )
        )
        detector = _open_detector(engine, options, vad_model)
        if detector is not None:
            stack.enter_context(detector)
        yield Transcriber(
            session, model=checked, detector=detector, stall_timeout_s=stall_timeout_s
        )


def _open_detector(
    engine: Engine, options: TranscriptionOptions, vad_model: Path | None
) -> Detector | None:
    if vad_model is None:
        return None
    if options.vad is not None:
        return registry.open_detector(engine, vad_model)
    # The speech check can do without a detector, and so can a backend that has none.
    with suppress(BackendError):
        return registry.open_detector(engine, vad_model)
    return None
