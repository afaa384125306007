"""The ``native`` backend: its description, and opening what it offers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine.protocol import BackendInfo, Model, OpenOptions, RuntimeInfo
from whisperctl.errors import BackendError, UsageError

if TYPE_CHECKING:
    from whisperctl_native.detector import NativeDetector
    from whisperctl_native.quantizer import NativeQuantizer
    from whisperctl_native.session import NativeSession

_RUNTIME = "native"
_BINDINGS = "pywhispercpp"
_SPINS = "GOMP_SPINCOUNT"
_MAX_THREADS = 512
"""ggml's own limit, GGML_MAX_N_THREADS."""


class NativeBackend:
    """whisper.cpp compiled for this kind of machine."""

    name = "native"
    contract = 1
    preference = 20
    quantizer_preference = 10

    def describe(self) -> BackendInfo:
        """Versions; see ``Backend.describe``. The bindings are loaded to see whether they work."""
        runtime = _runtime_info()
        name = "whisper.cpp"
        if runtime.available:
            from whisperctl_native import library

            name = f"whisper.cpp {library.whisper_version()}".rstrip()
        return BackendInfo(
            name=self.name,
            version=_version("whisperctl-native"),
            library=f"{name} via {_BINDINGS} {runtime.version}".rstrip(),
            runtimes=(runtime,),
        )

    def system_info(self) -> str:
        """CPU features that whisper.cpp found; see ``ReportingBackend.system_info``."""
        _check_works()
        from whisperctl_native import library

        return library.system_info()

    def open(self, model: Model, options: OpenOptions) -> NativeSession:
        """Load ``model``; see ``whisperctl.engine.protocol.Backend.open``."""
        _check_runtime(options.runtime)
        _check_threads(options.threads)
        _check_works()
        from whisperctl_native.session import NativeSession

        return NativeSession(model, options)

    def open_detector(self, model: Path, options: OpenOptions) -> NativeDetector:
        """Load a Silero model; see ``whisperctl.engine.protocol.DetectingBackend``."""
        _check_runtime(options.runtime)
        _check_threads(options.threads)
        _check_works()
        from whisperctl_native.detector import NativeDetector

        return NativeDetector(model, options)

    def open_quantizer(self, options: OpenOptions) -> NativeQuantizer:
        """Find ggml's function; see ``whisperctl.engine.protocol.QuantizingBackend``."""
        _check_runtime(options.runtime)
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


@contextmanager
def _short_spins() -> Iterator[None]:
    """Have GNU's OpenMP, if it is loaded inside the ``with``, spin but briefly at barriers.

    ggml has a barrier after each of the some hundred operations of a token. By default a thread
    that waits there spins for milliseconds; where other programs want the processors too, it spins
    while the thread that it waits for has none, and a token takes twenty times as long. A thousand
    turns are enough when nothing else runs. libgomp reads its environment once, when it is loaded:
    https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", _SPINS)):
        yield
        return
    os.environ[_SPINS] = "1000"
    try:
        yield
    finally:
        del os.environ[_SPINS]


def _runtime_info() -> RuntimeInfo:
    installed = _version(_BINDINGS)
    try:
        with _short_spins():
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
