"""The ``wasi`` backend: a description of it, and opening sessions."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine.protocol import BackendInfo, RuntimeInfo
from whisperctl.errors import BackendError, WhisperctlError
from whisperctl_wasi import modules, runtimes

if TYPE_CHECKING:
    from whisperctl_wasi.detector import WasiDetector
    from whisperctl_wasi.modules import Module
    from whisperctl_wasi.quantizer import WasiQuantizer
    from whisperctl_wasi.session import WasiSession


class WasiBackend:
    """whisper.cpp in a WebAssembly sandbox."""

    name = "wasi"

    def describe(self) -> BackendInfo:
        """Versions, runtimes, and the CPU features the module was built for."""
        names = runtimes.DISTRIBUTIONS
        try:
            module = modules.find()
        except BackendError as error:
            broken = tuple(RuntimeInfo(name, problem=str(error)) for name in names)
            return BackendInfo(self.name, version("whisperctl-wasi"), "whisper.cpp", broken)
        infos = tuple(replace(runtimes.describe(name), files=(module.path,)) for name in names)
        return BackendInfo(
            self.name,
            version("whisperctl-wasi"),
            f"whisper.cpp {module.whisper_version} in {module.path.name}",
            infos,
            _system_info(module, infos),
        )

    def open(
        self,
        model: Path,
        *,
        threads: int,
        runtime: str | None = None,
        word_timestamps: bool = False,
    ) -> WasiSession:
        """Load ``model`` into a sandbox; see ``whisperctl.engine.protocol.Backend.open``."""
        from whisperctl_wasi.session import WasiSession

        return WasiSession(
            runtime, modules.find(), model, threads=threads, word_timestamps=word_timestamps
        )

    def open_detector(
        self, model: Path, *, threads: int, runtime: str | None = None
    ) -> WasiDetector:
        """Load a Silero model; see ``whisperctl.engine.protocol.DetectingBackend``."""
        from whisperctl_wasi.detector import WasiDetector

        return WasiDetector(runtime, modules.find(), model, threads=threads)

    def open_quantizer(self, *, runtime: str | None = None) -> WasiQuantizer:
        """Start the sandbox; see ``whisperctl.engine.protocol.QuantizingBackend``."""
        from whisperctl_wasi.quantizer import WasiQuantizer

        return WasiQuantizer(runtime, modules.find())


def _system_info(module: Module, infos: tuple[RuntimeInfo, ...]) -> str:
    from whisperctl_wasi.conversation import hello
    from whisperctl_wasi.host.limits import Limits

    for info in infos:
        if info.available:
            try:
                guest = runtimes.start(info.name, module, Limits())
                try:
                    return hello(guest).system_info
                finally:
                    guest.kill()
            except WhisperctlError:
                continue
    return ""
