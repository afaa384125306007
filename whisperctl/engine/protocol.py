"""The engine door: the protocols of a backend, of its sessions, and of what else it may offer.

A backend is a class named by an entry point in the group ``whisperctl.backends``::

    [project.entry-points."whisperctl.backends"]
    acme = "whisperctl_acme:AcmeBackend"

It is called with no arguments to give a ``Backend``; there is nothing to inherit from.
``docs/backends.md`` lists what a backend promises, and ``whisperctl.testing`` tests it. How
backends are found and chosen is in ``whisperctl.engine.registry``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from whisperctl.transcript import Phase, Segment, SpokenLanguage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.audio import Audio
    from whisperctl.models.ggml import ModelInfo
    from whisperctl.options import DecodeOptions, VadOptions

GROUP = "whisperctl.backends"

CONTRACT = 1
"""Version of these protocols. It rises with each change that a backend must follow."""

OnSegment = Callable[[Segment], None]
OnProgress = Callable[[float], None]
OnLanguage = Callable[[SpokenLanguage], None]


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """One way a backend can run.

    ``problem`` is ``None`` if the runtime works here; otherwise it says why not and what to
    install. ``files`` are files it runs besides its packages, such as WebAssembly modules; they are
    part of a comparison's record. ``compared`` is true if ``whisperctl compare`` measures the
    runtime by default even where the backend prefers another one. ``advice`` says what would make
    it faster on this machine, for ``whisperctl doctor``; empty if there is nothing to do.
    """

    name: str
    version: str = ""
    problem: str | None = None
    files: tuple[Path, ...] = ()
    compared: bool = False
    advice: str = ""

    @property
    def available(self) -> bool:
        """True if the runtime can be used on this machine."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """Description of a backend on this machine.

    ``library`` is the name and version of what it runs models with. ``runtimes`` is in order of
    preference; a backend with a single way to run has one of them.
    """

    name: str
    version: str
    library: str
    runtimes: tuple[RuntimeInfo, ...]

    @property
    def available(self) -> bool:
        """True if at least one runtime works here."""
        return any(runtime.available for runtime in self.runtimes)


@dataclass(frozen=True, slots=True)
class Model:
    """A Whisper model file, inspected and found whole, with the facts of its header."""

    path: Path
    info: ModelInfo

    @classmethod
    def inspect(cls, path: Path) -> Self:
        """Inspect a file; its weights are not read.

        Raises:
            ModelError: it cannot be read, or is not a whole Whisper model.
        """
        from whisperctl.models import ggml

        return cls(path, ggml.inspect(path))


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """Options of a session, detector or quantizer for as long as it is open.

    ``threads`` is the number of threads to compute with, at least 1. ``runtime`` is one of
    ``Backend.describe().runtimes``; ``None`` is the first available one. ``word_timestamps``
    prepares a session for runs that ask for word timestamps; a session opened without it gives
    coarser ones, or none.
    """

    threads: int = 1
    runtime: str | None = None
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class SessionResult:
    """Result of one run of a session: what only the engine knows.

    ``language`` is the code of the language spoken, ``language_probability`` is ``None`` unless it
    was detected. ``phases`` is whisper.cpp's account of the run, keyed by the names in
    ``whisperctl.transcript.PHASES``. ``module_compile_ms`` and ``instantiate_ms`` belong to opening
    the session, ``linear_memory_bytes`` is the size of a sandbox's memory; ``None`` means that the
    engine has no such thing. ``system_info`` is a line about the CPU features in use, or empty.

    Wall time, CPU time and peak memory are measured by the host, see
    ``whisperctl.engine.session``.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None = None
    phases: Mapping[str, Phase] = field(default_factory=dict)
    module_compile_ms: float | None = None
    instantiate_ms: float | None = None
    linear_memory_bytes: int | None = None
    system_info: str = ""

    @property
    def text(self) -> str:
        """Text of all segments, joined and stripped at both ends."""
        return "".join(segment.text for segment in self.segments).strip()


class Closing(ABC):
    """Base class for a context manager that calls ``close`` at the end of the ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; safe to call again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Closeable(Protocol):
    """A context manager that is closed at the end of the ``with`` block."""

    def close(self) -> None:
        """Release all threads, processes and memory of the engine; safe to call again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Session(Closeable, Protocol):
    """One loaded model, for any number of recordings, one at a time."""

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        """Transcribe ``audio`` with exactly these options; nothing lingers from earlier calls.

        Callbacks run in the caller's thread while the engine works: ``on_segment`` with each
        segment as it is decided, ``on_progress`` with a fraction from 0 to 1, and ``on_language``
        once with the language, detected or not, before the first segment. An exception raised in
        one, or KeyboardInterrupt, stops the engine within a second and propagates; the session can
        be used again afterwards.

        An option that the engine does not support is refused before anything is computed, never
        ignored. The defaults of ``DecodeOptions``, greedy decoding (``beam_size=1``) and a language
        that the model knows may not be refused.

        Raises:
            BackendError: the engine failed, or the session is closed.
            UsageError: an option does not fit the model (such as a language it does not know), or
                the engine does not support it; the message names the option.
        """
        ...


class Backend(Protocol):
    """An engine that turns speech into text.

    ``name`` is the entry point's. ``contract`` is the version of these protocols that the backend
    is written for, ``CONTRACT`` as a literal number. ``preference`` is its rank when nobody names a
    backend: the highest that works here is used, and 0 is right for most.
    """

    name: str
    contract: int
    preference: int

    def describe(self) -> BackendInfo:
        """Describe the backend on this machine without starting an engine.

        Never raises for a missing part: the description says what is missing.
        """
        ...

    def open(self, model: Model, options: OpenOptions) -> Session:
        """Load a ggml model file, whole and with finite weights: the host has checked that.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
            ModelError: the engine refused the model.
            UsageError: it cannot compute with so many threads, or gives no word timestamps.
        """
        ...


@runtime_checkable
class ReportingBackend(Protocol):
    """Optional part of a backend: the CPU features that its engine uses."""

    def system_info(self) -> str:
        """Give one line about CPU features, as a session would; starts the engine if need be.

        Raises:
            BackendError: no runtime is available, or the engine failed to start.
        """
        ...


FRAME_S = 512 / 16_000
"""Seconds of audio that each probability of a ``Detection`` is about."""


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """A stretch of speech, in seconds from the start of the samples."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Result of a voice activity detection.

    ``spans`` are in order and do not overlap. ``probabilities``: float32, shape (n_frames,), of
    speech in each stretch of ``FRAME_S`` seconds.
    """

    spans: tuple[SpeechSpan, ...]
    probabilities: npt.NDArray[np.float32]


class Detector(Closeable, Protocol):
    """A loaded voice activity detector, for any number of recordings, one at a time."""

    def detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        """Find speech; nothing lingers from earlier calls.

        Args:
            samples: float32, shape (n_samples,), [-1, 1], mono, 16 kHz.
            options: what counts as speech.

        Raises:
            BackendError: the engine failed.
        """
        ...


@runtime_checkable
class DetectingBackend(Protocol):
    """Optional part of a backend: whisper.cpp's voice activity detection."""

    def open_detector(self, model: Path, options: OpenOptions) -> Detector:
        """Load a Silero model in ggml's format, whole and with finite weights.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
            ModelError: the engine refused the model.
        """
        ...


class Quantizer(Closeable, Protocol):
    """ggml's quantization, ready to be used any number of times."""

    def quantize(self, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        """Quantize rows of numbers as ggml's ``ggml_quantize_chunk`` does.

        Args:
            values: float32, shape (n_rows, n_columns), finite, at most 2**21 of them; ``n_columns``
                is a multiple of 32.
            type_name: ``"q4_0"``, ``"q4_1"``, ``"q5_0"``, ``"q5_1"`` or ``"q8_0"``.

        Returns:
            ggml's blocks, row after row.

        Raises:
            BackendError: the engine failed.
        """
        ...


@runtime_checkable
class QuantizingBackend(Protocol):
    """Optional part of a backend: the arithmetic of ``whisperctl models quantize``.

    ``quantizer_preference`` is the backend's rank for this, as ``Backend.preference`` is for
    transcription.
    """

    quantizer_preference: int

    def open_quantizer(self, options: OpenOptions) -> Quantizer:
        """Start the engine; no model is needed.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
        """
        ...
