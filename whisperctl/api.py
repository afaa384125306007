"""The library: ``transcribe`` for one recording, ``Transcriber`` for many with one model.

``pull`` installs a model, and ``write`` makes a file of a transcript.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.audio.decoders import registry as decoders
from whisperctl.engine import registry, resources, stall
from whisperctl.engine.protocol import OnSegment
from whisperctl.errors import UsageError
from whisperctl.models import store
from whisperctl.models.ggml import files
from whisperctl.options import (
    NO_LIMITS,
    Clip,
    DecodeKeywords,
    DecodeOptions,
    SubtitleOptions,
    TranscriptionOptions,
    VadOptions,
)
from whisperctl.transcript import Transcript
from whisperctl.transcription import transcriber
from whisperctl.transcription.transcriber import OnProgress, OnWarning, Progress

__all__ = ["Audio", "Keywords", "Progress", "Transcriber", "pull", "transcribe", "write"]


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Source = str | os.PathLike[str] | Audio | NDArray[np.floating[Any]]


class Keywords(DecodeKeywords, total=False):
    """Keywords of a transcription: these, and every field of ``DecodeOptions``.

    A keyword of decoding that is left out, or ``None``, has the default of ``DecodeOptions``.

    Attributes:
        decoding: all decoding options at once, instead of one by one.
        vad: decode speech only: ``True``, or how to find it. Needs the model ``silero``.
        speech_check: drop text where no speech is detected; on by default, and better with the
            model ``silero``.
        compression_ratio_threshold: decode text again if its compression ratio is above this.
        clips: start and end, in seconds, of the parts to transcribe, in order; an end of ``None``
            is the recording's. Without any, the whole recording.
        speakers_from_channels: transcribe each channel separately, and fill ``Segment.speaker``.
        speaker_names: names of the speakers, by channel, such as ``"Host,Guest"``.
        audio_track: number, from 1, or language of the audio track to read; by default the
            recording's default one, else the first.
        decoder: name of the only decoder to read the recording with; ``"auto"`` is the first that
            can.
        filters: filters to apply to the audio, in order, such as ``"highpass:frequency=80"``.
        on_segment: called with each segment once it is certain.
        on_progress: called with the ``Progress`` of the run, in seconds of audio.
        on_warning: called with one-line remarks about the recording and its transcription, which
            nobody is told otherwise.
    """

    decoding: DecodeOptions | None
    vad: bool | VadOptions
    speech_check: bool
    compression_ratio_threshold: float
    clips: Sequence[tuple[float, float | None]]
    speakers_from_channels: bool
    speaker_names: str
    audio_track: int | str | None
    decoder: str
    filters: Sequence[str]
    on_segment: OnSegment | None
    on_progress: OnProgress | None
    on_warning: OnWarning | None


_VAD = "True, False or VadOptions"
_CALLBACKS = ("on_segment", "on_progress", "on_warning")


def transcribe(
    path: Source,
    model: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    *,
    threads: int | None = None,
    stall_timeout_s: float | None = stall.TIMEOUT_S,
    **options: Unpack[Keywords],
) -> Transcript:
    """Transcribe a recording of any length.

    Callbacks run in the caller's thread while the engine works; an exception raised in one, or
    KeyboardInterrupt, stops it and propagates. The model is loaded at each call; use a
    ``Transcriber`` for many recordings.

    Args:
        path: an audio or video file, its URL, or ``"-"`` for standard input; or samples in memory:
            an ``Audio``, or an array of floats, shape (n_samples,), [-1, 1], 16 kHz mono.
        model: name of an installed model, or a ggml file; ``None`` is the command's default: base
            if it is installed, else tiny.en, else the only one that is.
        backend: name of an installed backend, or of a backend and its runtime with a slash
            between; ``None`` is the first that works.
        threads: number of threads to compute with; ``None`` is one per processor, at most four.
        stall_timeout_s: seconds without progress of the engine after which it fails; ``None`` is no
            limit.
        **options: see ``Keywords`` and ``DecodeOptions``.

    Raises:
        UsageError: an option is wrong, does not fit the model or the recording, or is given beside
            ``decoding``, which has it too.
        AudioError: the recording cannot be read.
        PluginError: the decoder or a filter cannot be loaded, or failed.
        ModelError: the model is missing or damaged.
        BackendError: the backend is not available, or its engine failed or made no progress.
    """
    wanted, callbacks = _options(options)
    source = _source(path)
    with _opened(model, backend, wanted, threads, stall_timeout_s) as opened:
        return opened.transcribe(source, wanted, **callbacks)


class Transcriber:
    """A loaded model, for any number of recordings, one at a time; a context manager.

    ::

        with whisperctl.Transcriber("base") as transcriber:
            for path in paths:
                transcript = transcriber.transcribe(path, language="de")
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        backend: str | None = None,
        *,
        threads: int | None = None,
        word_timestamps: bool = False,
        stall_timeout_s: float | None = stall.TIMEOUT_S,
    ) -> None:
        """Load the model, and the one that detects speech if it is installed.

        Args:
            model: as for ``whisperctl.transcribe``, like the rest.
            backend: backend to run it with.
            threads: number of threads to compute with.
            word_timestamps: load what precise times of words need; without it, transcriptions
                that ask for them get whisper.cpp's estimate.
            stall_timeout_s: seconds without progress of the engine after which it fails.

        Raises:
            UsageError: the backend has no such runtime, or cannot use that many threads.
            ModelError: the model is missing or damaged.
            BackendError: the backend is not available, or its engine failed to start.
        """
        options = TranscriptionOptions(decoding=DecodeOptions(word_timestamps=word_timestamps))
        self._stack = ExitStack()
        self._opened: transcriber.Transcriber | None = self._stack.enter_context(
            _opened(model, backend, options, threads, stall_timeout_s)
        )

    def transcribe(self, path: Source, **options: Unpack[Keywords]) -> Transcript:
        """Transcribe a recording of any length; nothing lingers from earlier ones.

        Args:
            path: an audio or video file, its URL, ``"-"`` for standard input, or samples, as for
                ``whisperctl.transcribe``.
            **options: see ``Keywords`` and ``DecodeOptions``.

        Raises:
            UsageError: an option is wrong, or the transcriber is closed.
            AudioError: the recording cannot be read.
            PluginError: the decoder or a filter cannot be loaded, or failed.
            ModelError: ``vad`` is asked for and its model is not installed.
            BackendError: the engine failed or made no progress.
        """
        wanted, callbacks = _options(options)
        if self._opened is None:
            raise UsageError("the transcriber is already closed: open another one")
        if wanted.vad is not None:
            transcriber.find_vad_model(wanted)  # an error if it is missing
        return self._opened.transcribe(_source(path), wanted, **callbacks)

    def close(self) -> None:
        """Release the model; safe to call again."""
        self._opened = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _opened(
    model: str | os.PathLike[str] | None,
    backend: str | None,
    options: TranscriptionOptions,
    threads: int | None,
    stall_timeout_s: float | None,
) -> Iterator[transcriber.Transcriber]:
    _check_type("the model", model, (str, os.PathLike, type(None)), "a name or a path")
    _check_type("the backend", backend, (str, type(None)), "a name")
    _check_type("threads", threads, (int, type(None)), "a whole number")
    _check_type("stall_timeout_s", stall_timeout_s, (int, float, type(None)), "a number")
    engine = registry.choose(backend, None)
    file = store.resolve(model)
    with transcriber.open_transcriber(
        engine,
        file,
        options,
        threads=resources.default_threads() if threads is None else threads,
        vad_model=transcriber.find_vad_model(options),
        stall_timeout_s=None if stall_timeout_s is None else stall.timeout(stall_timeout_s),
    ) as opened:
        yield opened


def pull(name: str, on_progress: files.OnProgress = files.ignore) -> Path:
    """Install a published model, unless it is installed already.

    Args:
        name: its name, such as ``"base"``; ``"silero"`` is the one that detects speech.
        on_progress: called as ``on_progress(step, done_bytes, total_bytes)`` with what is done, the
            bytes of it that are done, and all there are, ``None`` if that is unknown.

    Returns:
        The model's file.

    Raises:
        UnknownModelError: there is no such model.
        ModelError: it cannot be downloaded, or does not have the published hash.
    """
    from whisperctl.models import pull as pulling

    _check_type("the model", name, str, "a name")
    return pulling.pull(name, on_progress=on_progress).path


def write(
    transcript: Transcript,
    path: str | os.PathLike[str],
    file_format: str | None = None,
    subtitles: SubtitleOptions = NO_LIMITS,
) -> None:
    """Write a transcript to a file, which appears whole or not at all.

    Args:
        transcript: what to write.
        path: the file; an existing one is replaced.
        file_format: name of the format, such as ``"json-full"``; ``None`` is the path's extension.
        subtitles: limits of cues and lines; some need a transcript with times of words.

    Raises:
        UsageError: there is no such format.
        OutputError: the file cannot be written.
    """
    from whisperctl import formats
    from whisperctl.storage.files import write_atomic

    _check_type("the transcript", transcript, Transcript, "a Transcript")
    _check_type("the path", path, (str, os.PathLike), "a name or a path")
    _check_type("subtitles", subtitles, SubtitleOptions, "SubtitleOptions")
    target = Path(path)
    writer = formats.writer(target.suffix[1:].lower() if file_format is None else file_format)
    write_atomic(target, lambda out: writer(transcript, out, subtitles))


def _check_type(what: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise UsageError(f"{what} must be {wanted}, not {type(value).__name__}")


def _source(given: Source) -> str | Path | Audio:
    if isinstance(given, str):
        return given
    if isinstance(given, os.PathLike):
        return Path(given)
    import numpy as np

    samples, name = (given.samples, given.source) if isinstance(given, Audio) else (given, "array")
    _check_type("the recording", samples, np.ndarray, "a path, an Audio or an array of samples")
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise UsageError(
            f"samples must be floats of shape (n_samples,), mono at {SAMPLE_RATE} Hz, not "
            f"{samples.dtype} of shape {samples.shape}: convert them, or write them to a file"
        )
    warnings, decoders = (given.warnings, given.decoders) if isinstance(given, Audio) else ((), ())
    return Audio(np.ascontiguousarray(samples, np.float32), name, 0.0, warnings, decoders)


def _options(keywords: Keywords) -> tuple[TranscriptionOptions, dict[str, Any]]:
    """Return the options that keywords stand for, and the callbacks."""
    given: dict[str, Any] = dict(keywords)
    callbacks = {name: given.pop(name) for name in _CALLBACKS if name in given}
    for name, callback in callbacks.items():
        if callback is not None and not callable(callback):
            raise UsageError(f"{name} must be a function, not {type(callback).__name__}")
    wanted = {
        one.name: given.pop(one.name) for one in fields(TranscriptionOptions) if one.name in given
    }
    wanted["decoding"] = _decoding(wanted.get("decoding"), given)
    try:
        wanted["clips"] = tuple(Clip(start_s, end_s) for start_s, end_s in wanted.get("clips", ()))
    except (TypeError, ValueError) as error:
        raise UsageError(
            "clips must be pairs of seconds such as [(60, 90), (3600, None)], not "
            f"{wanted['clips']!r:.80}"
        ) from error
    vad = wanted.get("vad", False)
    _check_type("vad", vad if vad not in (True, False) else None, (VadOptions, type(None)), _VAD)
    wanted["vad"] = (VadOptions() if vad else None) if isinstance(vad, bool) else vad
    track = wanted.get("audio_track")
    _check_type("audio_track", track, (int, str, type(None)), "a number or a language")
    wanted["audio_track"] = None if track is None else str(track)
    filters = wanted.get("filters", ())
    if not isinstance(filters, Iterable) or not all(isinstance(one, str) for one in filters):
        raise UsageError(f'filters must be strings such as "highpass", not {filters!r:.80}')
    wanted["filters"] = (filters,) if isinstance(filters, str) else tuple(filters)
    decoder = wanted.get("decoder", decoders.AUTO)
    _check_type("decoder", decoder, str, "a name")
    decoders.check(decoder)
    return TranscriptionOptions(**wanted), callbacks


def _decoding(decoding: DecodeOptions | None, single: dict[str, Any]) -> DecodeOptions:
    """Return all decoding options, given together or one by one; ``None`` is not given.

    Raises:
        TypeError: there is no such option.
    """
    names = [one.name for one in fields(DecodeOptions)]
    for name in single.keys() - set(names):
        raise TypeError(f"transcribe() got an unexpected keyword argument '{name}'")
    given = {name: single[name] for name in names if single.get(name) is not None}
    _check_type("decoding", decoding, (DecodeOptions, type(None)), "DecodeOptions")
    if decoding is None:
        return DecodeOptions(**given)
    if given:
        listed = ", ".join(f"{name}=" for name in given)
        raise UsageError(
            f"{listed} cannot be given beside decoding=, which has the same parameters: set them "
            "in its DecodeOptions"
        )
    return decoding
