"""Loads what a transcription needs: the model, and a voice activity detector where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from whisperctl.engine import registry, stall
from whisperctl.engine.protocol import Detector
from whisperctl.engine.registry import Engine
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import vad
from whisperctl.options import TranscriptionOptions
from whisperctl.transcription.transcriber import Transcriber


def vad_model(options: TranscriptionOptions, asked: str | None = None) -> Path | None:
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
def opened(
    engine: Engine,
    model: Path,
    options: TranscriptionOptions,
    *,
    threads: int,
    vad_model: Path | None,
    stall_timeout_s: float | None = stall.TIMEOUT_S,
) -> Iterator[Transcriber]:
    """Load the model, and the voice activity detector if it is wanted and there is one.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: the engine refused a model.
    """
    with ExitStack() as stack:
        session = stack.enter_context(
            registry.open_session(
                engine,
                model,
                threads=threads,
                word_timestamps=options.decoding.word_timestamps,
            )
        )
        detector = _detector(engine, options, vad_model)
        if detector is not None:
            stack.enter_context(detector)
        yield Transcriber(session, model=model, detector=detector, stall_timeout_s=stall_timeout_s)


def _detector(
    engine: Engine, options: TranscriptionOptions, vad_model: Path | None
) -> Detector | None:
    if vad_model is None:
        return None
    if options.vad is not None:
        return registry.open_detector(engine, vad_model)
    # The check for speech is a help: a backend that cannot do it transcribes all the same.
    with suppress(BackendError):
        return registry.open_detector(engine, vad_model)
    return None
