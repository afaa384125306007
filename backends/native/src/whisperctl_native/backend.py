"""The ``native`` backend: what it is made of here, and opening a session."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine.protocol import BackendInfo, RuntimeInfo
from whisperctl.errors import BackendError, UsageError

if TYPE_CHECKING:
    from whisperctl_native.detector import NativeDetector
    from whisperctl_native.quantizer import NativeQuantizer
    from whisperctl_native.session import NativeSession

_RUNTIME = "native"
_BINDINGS = "pywhispercpp"
_MAX_THREADS = 512
"""ggml's own limit, GGML_MAX_N_THREADS."""


class NativeBackend:
    """whisper.cpp compiled for this kind of machine."""

    name = "native"

    def describe(self) -> BackendInfo:
        """Versions, and the CPU features whisper.cpp found; see ``Backend.describe``."""
        runtime = _runtime_info()
        engine = "whisper.cpp"
        system_info = ""
        if runtime.available:
            from whisperctl_native import library

            engine = f"whisper.cpp {library.whisper_version()}".rstrip()
            system_info = library.system_info()
        return BackendInfo(
            name=self.name,
            version=_version("whisperctl-native"),
            engine=f"{engine} via {_BINDINGS} {runtime.version}".rstrip(),
            runtimes=(runtime,),
            system_info=system_info,
        )

    def open(
        self,
        model: Path,
        *,
        threads: int,
        runtime: str | None = None,
        word_timestamps: bool = False,
    ) -> NativeSession:
        """Load ``model``; see ``whisperctl.engine.protocol.Backend.open``."""
        _check_runtime(runtime)
        _check_threads(threads)
        _check_works()
        from whisperctl_native.session import NativeSession

        return NativeSession(model, threads=threads, word_timestamps=word_timestamps)

    def open_detector(
        self, model: Path, *, threads: int, runtime: str | None = None
    ) -> NativeDetector:
        """Load a Silero model; see ``whisperctl.engine.protocol.DetectingBackend``."""
        _check_runtime(runtime)
        _check_threads(threads)
        _check_works()
        from whisperctl_native.detector import NativeDetector

        return NativeDetector(model, threads=threads)

    def open_quantizer(self, *, runtime: str | None = None) -> NativeQuantizer:
        """Find ggml's function; see ``whisperctl.engine.protocol.QuantizingBackend``."""
        _check_runtime(runtime)
        _check_works()
        from whisperctl_native.quantizer import NativeQuantizer

        return NativeQuantizer()


def _check_runtime(runtime: str | None) -> None:
    if runtime not in (None, _RUNTIME):
        raise BackendError(
            f'the native backend has no runtime "{runtime}"; it has "{_RUNTIME}" only'
        )


def _check_threads(threads: int) -> None:
    if not 1 <= threads <= _MAX_THREADS:
        raise UsageError(f"threads must be from 1 to {_MAX_THREADS}, not {threads}")


def _check_works() -> None:
    info = _runtime_info()
    if info.problem is not None:
        raise BackendError(f"the native backend cannot be used here: {info.problem}")
    from whisperctl_native import abort

    abort.install()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree that was never installed
        return ""


def _runtime_info() -> RuntimeInfo:
    installed = _version(_BINDINGS)
    try:
        import _pywhispercpp  # noqa: F401
    except ModuleNotFoundError:
        return RuntimeInfo(
            _RUNTIME, problem=f"{_BINDINGS} is not installed; try: pip install whisperctl-native"
        )
    # A native library that does not fit the system fails in ways of its own.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return RuntimeInfo(
            _RUNTIME,
            installed,
            f"{_BINDINGS} does not load ({reason}); "
            f"try: pip install --force-reinstall --no-cache-dir {_BINDINGS}",
        )
    return RuntimeInfo(_RUNTIME, installed)
