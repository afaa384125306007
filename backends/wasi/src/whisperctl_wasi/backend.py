"""The ``wasi`` backend: which runtimes work here, and opening a session on one."""

from __future__ import annotations

import importlib
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.backend import BackendInfo, RuntimeInfo
from whisperctl.errors import BackendError, WhisperctlError
from whisperctl_wasi import modules

if TYPE_CHECKING:
    from whisperctl_wasi.detector import WasiDetector
    from whisperctl_wasi.guest import Guest
    from whisperctl_wasi.quantizer import WasiQuantizer
    from whisperctl_wasi.session import WasiSession

# In order of preference: import name of the runtime, its distribution, module and class of ours.
_RUNTIMES = {
    "wasmer": ("wasmer_sdk", "wasmer-sdk", "whisperctl_wasi.wasmer_guest", "WasmerGuest"),
    "wasmtime": ("wasmtime", "wasmtime", "whisperctl_wasi.wasmtime_guest", "WasmtimeGuest"),
}


def guest_class(runtime: str) -> type[Guest]:
    """The class that runs guests under ``runtime``.

    Raises:
        BackendError: the runtime is unknown, or not usable here.
    """
    if runtime not in _RUNTIMES:
        raise BackendError(
            f'the wasi backend has no runtime "{runtime}"; it has {" and ".join(_RUNTIMES)}'
        )
    info = _runtime_info(runtime)
    if info.problem is not None:
        raise BackendError(f"runtime {runtime} cannot be used here: {info.problem}")
    _, _, module, name = _RUNTIMES[runtime]
    found: type[Guest] = getattr(importlib.import_module(module), name)
    return found


def _runtime_info(runtime: str) -> RuntimeInfo:
    package, distribution, _, _ = _RUNTIMES[runtime]
    try:
        installed = version(distribution)
    except PackageNotFoundError:
        return RuntimeInfo(
            runtime, problem=f"{distribution} is not installed; try: pip install {distribution}"
        )
    try:
        importlib.import_module(package)
    # A native library that does not fit the system fails in ways of its own.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return RuntimeInfo(runtime, installed, f"{distribution} does not load: {reason}")
    return RuntimeInfo(runtime, installed)


def _first_available() -> str:
    infos = [_runtime_info(name) for name in _RUNTIMES]
    for info in infos:
        if info.available:
            return info.name
    raise BackendError(
        "no WebAssembly runtime can be used here: "
        + "; ".join(f"{info.name}: {info.problem}" for info in infos)
    )


class WasiBackend:
    """whisper.cpp in a WebAssembly sandbox."""

    name = "wasi"

    def describe(self) -> BackendInfo:
        """Versions, runtimes, and the CPU features the module was built for."""
        try:
            module = modules.find()
        except BackendError as error:
            broken = tuple(RuntimeInfo(name, problem=str(error)) for name in _RUNTIMES)
            return BackendInfo(self.name, version("whisperctl-wasi"), "whisper.cpp", broken)
        runtimes = tuple(replace(_runtime_info(name), files=(module.path,)) for name in _RUNTIMES)
        return BackendInfo(
            self.name,
            version("whisperctl-wasi"),
            f"whisper.cpp {module.whisper_version} in {module.path.name}",
            runtimes,
            self._system_info(runtimes),
        )

    def _system_info(self, runtimes: tuple[RuntimeInfo, ...]) -> str:
        from whisperctl_wasi.conversation import hello

        for runtime in runtimes:
            if runtime.available:
                try:
                    guest = guest_class(runtime.name)(modules.find())
                    try:
                        return str(hello(guest)["system_info"])
                    finally:
                        guest.kill()
                except WhisperctlError:
                    continue
        return ""

    def open(
        self,
        model: Path,
        *,
        threads: int,
        runtime: str | None = None,
        word_timestamps: bool = False,
    ) -> WasiSession:
        """Start the sandbox and load ``model`` into it; see ``whisperctl.backend.Backend.open``."""
        from whisperctl_wasi.session import WasiSession

        return WasiSession(
            guest_class(runtime or _first_available()),
            modules.find(),
            model,
            threads=threads,
            word_timestamps=word_timestamps,
        )

    def open_detector(
        self, model: Path, *, threads: int, runtime: str | None = None
    ) -> WasiDetector:
        """Start a sandbox for a Silero model; see ``whisperctl.backend.DetectingBackend``."""
        from whisperctl_wasi.detector import WasiDetector

        return WasiDetector(
            guest_class(runtime or _first_available()), modules.find(), model, threads=threads
        )

    def open_quantizer(self, *, runtime: str | None = None) -> WasiQuantizer:
        """Start the sandbox; see ``whisperctl.backend.QuantizingBackend``."""
        from whisperctl_wasi.quantizer import WasiQuantizer

        return WasiQuantizer(guest_class(runtime or _first_available()), modules.find())
