"""The ``native`` backend: its description, and opening what it offers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine import resources
from whisperctl.engine.protocol import BackendInfo, Model, OpenOptions, RuntimeInfo
from whisperctl.errors import BackendError, UsageError

if TYPE_CHECKING:
    from whisperctl_native.detector import NativeDetector
    from whisperctl_native.quantizer import NativeQuantizer
    from whisperctl_native.session import NativeSession

_RUNTIME = "native"
_BINDINGS = "pywhispercpp"
_MAX_THREADS = 512
"""ggml's own limit, GGML_MAX_N_THREADS."""

_FASTER = {"avx": "LLAMAFILE", "avx512f": "AVX512"}
"""By the CPU's feature, what a build for the machine has in whisper.cpp's line of features."""
_LEFT_OUT = {
    "amx_tile": ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16"),
    "avx512_fp16": ("-mno-avx512fp16",),
}
"""By the CPU's feature, what tells a compiler not to use it. Virtual machines may announce AMX and
then refuse to run it; in half precision ggml adds up whole rows, and computes heads of 64 one
number at a time."""


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
            cpu_flags = resources.cpu_facts("flags")
            advice = advice_for(runtime.version, library.system_info(), cpu_flags)
            runtime = replace(runtime, advice=advice)
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


def _runtime_info() -> RuntimeInfo:
    installed = _version(_BINDINGS)
    try:
        with resources.short_spins():
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


def advice_for(version: str, system_info: str, cpu_flags: Collection[str]) -> str:
    """What a build for this machine would have, and the command for it; empty if nothing more.

    Args:
        version: version of the bindings.
        system_info: whisper.cpp's line of features.
        cpu_flags: features of the CPU by their names in Linux.
    """
    lacks = [
        name
        for flag, name in _FASTER.items()
        if flag in cpu_flags and f" {name} = 1 " not in f" {system_info} "
    ]
    if not lacks:
        return ""
    left_out = " ".join(o for flag, one in _LEFT_OUT.items() if flag in cpu_flags for o in one)
    flags = f'CMAKE_C_FLAGS="{left_out}" CMAKE_CXX_FLAGS="{left_out}" ' if left_out else ""
    return (
        f"compiled without {' and '.join(lacks)}, which this machine can use; faster, with gcc and "
        f"a few minutes: GGML_NATIVE=ON GGML_LLAMAFILE=ON BUILD_SHARED_LIBS=OFF "
        f"CMAKE_POSITION_INDEPENDENT_CODE=ON {flags}pip install --force-reinstall --no-deps "
        f"--no-cache-dir --no-binary {_BINDINGS} {_BINDINGS}=={version}"
    )
