"""Opens a model, and transcribes recordings with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine import registry, stall
from whisperctl.engine.protocol import Detector, Model, OnSegment, Session
from whisperctl.engine.registry import Engine
from whisperctl.engine.session import HostSession
from whisperctl.errors import AudioError, BackendError, ModelError
from whisperctl.models import store
from whisperctl.options import TranscriptionOptions
from whisperctl.text import quoted
from whisperctl.transcript import Transcript
from whisperctl.transcription.chunking import CHUNK_S, ChunkFile, OneChunk, ReadAhead, detected
from whisperctl.transcription.quality import Tally
from whisperctl.transcription.run import (
    Callbacks,
    Checkpoint,
    OnCheckpoint,
    OnProgress,
    OnWarning,
    Progress,
    RecordingRun,
)

if TYPE_CHECKING:
    from whisperctl.audio import Audio

__all__ = [
    "Callbacks",
    "OnProgress",
    "OnWarning",
    "Progress",
    "Transcriber",
    "find_vad_model",
    "open_transcriber",
    "read_ahead",
]


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
        source: str | Path | Audio | ReadAhead,
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
            source: a media file, ``"-"`` for standard input, or samples; or one that is being read
                already, with the same options and from where ``resume_from`` is. It is closed.
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
        self._check(options)
        callbacks = Callbacks(on_segment, on_progress, on_warning, on_checkpoint)
        reading = source
        if not isinstance(reading, ReadAhead):
            reading = read_ahead(reading, options, resume_from, chunk_s=self._chunk_s)
        with closing(reading):
            reading.detect_with(self._detector)
            run = RecordingRun(reading, self._session, options, callbacks, resume_from)
            return self._described(run.transcribe())

    def transcribe_chunk(
        self,
        file: ChunkFile,
        source: str,
        options: TranscriptionOptions,
        callbacks: Callbacks,
        resume_from: Checkpoint | None = None,
    ) -> tuple[Transcript, Tally]:
        """Transcribe one chunk of a recording, without the text before it.

        Args:
            file: the chunk; options about reading recordings were applied to it.
            source: name of the recording in messages.
            options: options for the recording.
            callbacks: callbacks in this thread; segments are in seconds of the recording.
            resume_from: a checkpoint that names the language, if it is known.

        Returns:
            The chunk's transcript, and the counts that warnings at the recording's end need.

        Raises:
            AudioError: the file cannot be read.
            BackendError, UsageError: as for ``transcribe``.
        """
        self._check(options)
        try:
            chunk = file.read()
        except (OSError, ValueError) as error:
            raise AudioError(
                f"{quoted(source)}: a chunk of it cannot be read ({error}): try again"
            ) from error
        chunks = OneChunk(detected(chunk, self._detector, options), source)
        run = RecordingRun(chunks, self._session, options, callbacks, resume_from)
        return self._described(run.transcribe(whole=False)), run.tally

    def _check(self, options: TranscriptionOptions) -> None:
        if options.vad is not None and self._detector is None:
            raise BackendError("cannot detect speech: no voice activity detector is open")

    def _described(self, transcript: Transcript) -> Transcript:
        if self._model is None:
            return transcript
        description = self._model.info.description
        return replace(transcript, model=self._model.path, model_description=description)


def read_ahead(
    source: str | Path | Audio,
    options: TranscriptionOptions,
    resume_from: Checkpoint | None = None,
    *,
    chunk_s: float = CHUNK_S,
) -> ReadAhead:
    """Begin to read a recording, which may be done before the model is loaded.

    Args:
        source: a media file, ``"-"`` for standard input, or samples in memory.
        options: options for this recording.
        resume_from: where to begin; ``None`` is at the start.
        chunk_s: as for ``Transcriber``.

    Raises:
        AudioError, PluginError, UsageError: it cannot be opened.
    """
    start = 0 if resume_from is None else round(resume_from.position_s * SAMPLE_RATE)
    return ReadAhead(source, options, start=start, chunk_s=chunk_s)


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
    reading: ReadAhead | None = None,
) -> Iterator[Transcriber]:
    """Open the model, and the voice activity model if there is one.

    ``reading`` is a recording in which speech can be detected while the model is loaded.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: a model is damaged, or the engine refused it.
    """
    with ExitStack() as stack:
        detector = _open_detector(engine, options, vad_model)
        if detector is not None:
            stack.enter_context(detector)
        with ExitStack() as opening:
            if reading is not None:
                reading.detect_with(detector)
                opening.callback(reading.close)  # before the detector
            checked = registry.check_model(model)
            session = stack.enter_context(
                registry.open_session(
                    engine,
                    checked,
                    threads=threads,
                    word_timestamps=options.decoding.word_timestamps,
                )
            )
            opening.pop_all()
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
