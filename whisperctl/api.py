"""The library: ``whisperctl.transcribe``, one call from a recording to a transcript.

It loads the model at each call. To transcribe many recordings with one model, open a session with
``whisperctl.engine.registry`` for a ``whisperctl.transcription.transcriber.Transcriber``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whisperctl import resources
from whisperctl.audio.decoders import registry as decoders
from whisperctl.engine import registry, stall
from whisperctl.engine.protocol import OnSegment
from whisperctl.errors import UsageError
from whisperctl.models import store
from whisperctl.options import Clip, DecodeOptions, Task, TranscriptionOptions, VadOptions
from whisperctl.transcript import Transcript
from whisperctl.transcription.transcriber import (
    OnProgress,
    OnWarning,
    find_vad_model,
    open_transcriber,
)


def transcribe(
    path: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    *,
    language: str | None = None,
    task: Task | None = None,
    word_timestamps: bool | None = None,
    vad: bool | VadOptions = False,
    speech_check: bool = True,
    clips: Sequence[tuple[float, float | None]] = (),
    speakers_from_channels: bool = False,
    audio_track: int | str | None = None,
    decoder: str = decoders.AUTO,
    filters: Sequence[str] = (),
    initial_prompt: str | None = None,
    condition_on_previous_text: bool | None = None,
    beam_size: int | None = None,
    best_of: int | None = None,
    temperature: float | None = None,
    temperature_increment: float | None = None,
    decoding: DecodeOptions | None = None,
    threads: int | None = None,
    stall_timeout_s: float | None = stall.TIMEOUT_S,
    on_segment: OnSegment | None = None,
    on_progress: OnProgress | None = None,
    on_warning: OnWarning | None = None,
) -> Transcript:
    """Transcribe a recording of any length.

    Callbacks run in the caller's thread while the engine works; an exception raised in one, or
    KeyboardInterrupt, stops it and propagates.

    Parameters of decoding have the defaults of ``DecodeOptions``: ``None`` is its default.

    Args:
        path: an audio or video file, or ``"-"`` for standard input.
        model: the name of an installed model, or a ggml file; ``None`` is the one that the command
            takes: base if it is installed, else tiny.en, else the only one that is.
        backend: ``"native"``, ``"wasi"``, ``"wasi/wasmtime"``, or the name of another one that is
            installed; ``None`` is the first that works here, native before all others.
        language: a code such as ``"de"``, an English name such as ``"German"``, or ``"auto"``.
        task: ``"translate"`` gives English text.
        word_timestamps: fill ``Segment.words``.
        vad: decode speech only: ``True``, or how to find it. Needs the model ``silero``.
        speech_check: drop text where nobody speaks; needs nothing, and is better with the model
            ``silero``.
        clips: start and end in seconds of what to transcribe, in order; an end of ``None`` is the
            recording's. None of them is the whole recording.
        speakers_from_channels: transcribe each channel by itself, and fill ``Segment.speaker``.
        audio_track: number, from 1, or language of the audio track to read; ``None`` is the default
            one, else the first.
        decoder: name of the only decoder to read the recording with; ``"auto"`` is the first that
            can.
        filters: filters to apply to the audio, in order, such as ``"highpass:frequency=80"``.
        initial_prompt: text that the first window is conditioned on, such as names to expect.
        condition_on_previous_text: condition each window on the text before it.
        beam_size: 1 is greedy decoding.
        best_of: candidates when the temperature is above zero.
        temperature: of the first try.
        temperature_increment: what it rises by when a try fails; zero is no further try.
        decoding: every decoding parameter there is; none of those above that it has too may then be
            given.
        threads: how many to compute with; ``None`` is up to four.
        stall_timeout_s: seconds without progress of the engine after which it fails; ``None`` is no
            limit.
        on_segment: gets each segment once it is certain.
        on_progress: gets how far the run is.
        on_warning: gets one-line remarks about the recording and what was done about it.

    Raises:
        UsageError: an option is wrong, does not fit the model or the recording, or is given beside
            ``decoding``, which has it too.
        AudioError: the recording cannot be read.
        PluginError: the decoder or a filter cannot be loaded, or failed.
        ModelError: the model is missing or damaged.
        BackendError: the backend is not available, or its engine failed or made no progress.
    """
    decoding = _decoding(
        decoding,
        language=language,
        task=task,
        beam_size=beam_size,
        best_of=best_of,
        temperature=temperature,
        temperature_increment=temperature_increment,
        initial_prompt=initial_prompt,
        condition_on_previous_text=condition_on_previous_text,
        word_timestamps=word_timestamps,
    )
    options = TranscriptionOptions(
        decoding=decoding,
        clips=tuple(Clip(start_s, end_s) for start_s, end_s in clips),
        vad=(VadOptions() if vad else None) if isinstance(vad, bool) else vad,
        speech_check=speech_check,
        speakers_from_channels=speakers_from_channels,
        audio_track=None if audio_track is None else str(audio_track),
        decoder=decoder,
        filters=(filters,) if isinstance(filters, str) else tuple(filters),
    )
    decoders.check(decoder)
    engine = registry.choose(backend, None)
    file = store.resolve(model)
    vad_model = find_vad_model(options)
    with open_transcriber(
        engine,
        file,
        options,
        threads=resources.default_threads() if threads is None else threads,
        vad_model=vad_model,
        stall_timeout_s=None if stall_timeout_s is None else stall.timeout(stall_timeout_s),
    ) as transcriber:
        source = path if isinstance(path, str) else Path(path)
        return transcriber.transcribe(
            source, options, on_segment=on_segment, on_progress=on_progress, on_warning=on_warning
        )


def _decoding(decoding: DecodeOptions | None, **single: Any) -> DecodeOptions:
    """All parameters of decoding, given together or one by one; ``None`` is not given."""
    given = {name: value for name, value in single.items() if value is not None}
    if decoding is None:
        return DecodeOptions(**given)
    if given:
        names = ", ".join(f"{name}=" for name in given)
        raise UsageError(
            f"{names} cannot be given beside decoding=, which has the same parameters: set them "
            "in its DecodeOptions"
        )
    return decoding
