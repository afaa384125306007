"""The backend contract, and how installed backends are found.

``docs/backends.md`` lists what a backend promises, and ``whisperctl.testing`` tests it.

A backend is a class named by an entry point in the group ``whisperctl.backends``::

    [project.entry-points."whisperctl.backends"]
    native = "whisperctl_native:NativeBackend"

It is called with no arguments to give a ``Backend``. Only the chosen backend is imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from whisperctl.errors import BackendError
from whisperctl.transcript import Segment, SpokenLanguage, Transcript

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.audio import Audio
    from whisperctl.engine.speech import Detection
    from whisperctl.options import DecodeOptions, VadOptions

GROUP = "whisperctl.backends"

OnSegment = Callable[[Segment], None]
OnProgress = Callable[[float], None]
OnLanguage = Callable[[SpokenLanguage], None]


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """One way a backend can run: ``problem`` says why it cannot here and what to install.

    ``files`` are what it runs besides its packages, such as WASI modules, for those who want to
    know exactly what was measured.
    """

    name: str
    version: str = ""
    problem: str | None = None
    files: tuple[Path, ...] = ()

    @property
    def available(self) -> bool:
        """Whether the runtime can be used on this machine."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What a backend is made of and can do here.

    ``runtimes`` is in order of preference; a backend with a single way to run has one of them.
    ``system_info`` is whisper.cpp's own line of CPU features, empty when it cannot be had.
    """

    name: str
    version: str
    engine: str
    runtimes: tuple[RuntimeInfo, ...]
    system_info: str = ""

    @property
    def available(self) -> bool:
        """Whether at least one runtime works here."""
        return any(runtime.available for runtime in self.runtimes)


class Closing(ABC):
    """What is closed at the end of a ``with`` block; a base for sessions and quantizers."""

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
    """What is closed at the end of a ``with`` block; ``close`` may be called more than once."""

    def close(self) -> None:
        """Release everything the engine holds: threads, processes, memory."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Session(Closeable, Protocol):
    """One loaded model, for any number of recordings, one at a time.

    ``close`` releases everything (threads, processes, memory) and may be called more than once.
    """

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> Transcript:
        """Transcribe ``audio`` with exactly these options; nothing lingers from earlier calls.

        Callbacks run in the caller's thread while the engine works: ``on_segment`` with each
        segment as it is decided, ``on_progress`` with a fraction from 0 to 1, and ``on_language``
        once with the language, detected or not, before the first segment. An exception raised in
        one, or KeyboardInterrupt, stops the engine within a second and propagates; the session can
        be used again afterwards.

        An option that the engine has nothing for is refused before anything is computed, never
        ignored. The defaults of ``DecodeOptions``, greedy decoding (``beam_size=1``) and a language
        that the model knows may not be refused.

        Raises:
            BackendError: the engine failed, or the session is closed.
            UsageError: an option does not fit the model (such as a language it does not know), or
                the engine has nothing for it; the message names the option.
        """
        ...


class Backend(Protocol):
    """An engine that turns speech into text."""

    name: str

    def describe(self) -> BackendInfo:
        """Say what this backend is and whether it works here; never raises for a missing part."""
        ...

    def open(
        self,
        model: Path,
        *,
        threads: int,
        runtime: str | None = None,
        word_timestamps: bool = False,
    ) -> Session:
        """Load a ggml model file.

        Args:
            model: a ggml model file, whole and with finite weights: ``engines`` checks that.
            threads: how many threads compute with, at least 1.
            runtime: one of ``describe().runtimes``; ``None`` takes the first available one.
            word_timestamps: prepare for runs that ask for word timestamps. A session opened
                without this gives coarser ones, or none.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
            ModelError: the engine refused the model.
            UsageError: it cannot compute with so many threads, or gives no word timestamps.
        """
        ...


class Detector(Closeable, Protocol):
    """A loaded voice activity detector, for any number of recordings, one at a time.

    ``close`` releases everything and may be called more than once.
    """

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
    """What a backend may offer besides: whisper.cpp's voice activity detection."""

    def open_detector(self, model: Path, *, threads: int, runtime: str | None = None) -> Detector:
        """Load a Silero model in ggml's format.

        Args:
            model: the model file.
            threads: how many threads compute with, at least 1.
            runtime: one of ``describe().runtimes``; ``None`` takes the first available one.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
            ModelError: the engine refused the model.
        """
        ...


class Quantizer(Closeable, Protocol):
    """ggml's quantization, ready to be used any number of times.

    ``close`` releases everything and may be called more than once.
    """

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
    """What a backend may offer besides: the arithmetic of ``whisperctl models quantize``."""

    def open_quantizer(self, *, runtime: str | None = None) -> Quantizer:
        """Start the engine; no model is needed.

        Args:
            runtime: one of ``describe().runtimes``; ``None`` takes the first available one.

        Raises:
            BackendError: the runtime is unknown or unavailable, or the engine failed to start.
        """
        ...


def installed() -> dict[str, EntryPoint]:
    """Entry points of all installed backends by name, sorted; imports none of them.

    Raises:
        BackendError: two distributions claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise BackendError(
                f'two packages provide a backend named "{entry.name}" ({_owner(other)} and '
                f"{_owner(entry)}): uninstall one of them"
            )
    return dict(sorted(found.items()))


def load(name: str) -> Backend:
    """Import the backend called ``name``.

    Raises:
        BackendError: no such backend is installed, or importing it failed.
    """
    backends = installed()
    if name not in backends:
        have = ", ".join(backends) or "none"
        raise BackendError(
            f'backend "{name}" is not installed (installed: {have}); '
            f"try: pip install whisperctl-{name}"
        )
    entry = backends[name]
    try:
        factory: Callable[[], Backend] = entry.load()
        return factory()
    # SystemExit too: a plugin's import must not end the program without a word.
    except (Exception, SystemExit) as error:
        raise BackendError(
            f'backend "{name}" ({_owner(entry)}) failed to load: {type(error).__name__}: {error}'
        ) from error


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
