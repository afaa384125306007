"""The ``wasi`` backend: its description, and opening what it offers."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine.protocol import BackendInfo, Model, OpenOptions, RuntimeInfo
from whisperctl.errors import BackendError

if TYPE_CHECKING:
    from whisperctl_wasi.detector import WasiDetector
    from whisperctl_wasi.quantizer import WasiQuantizer
    from whisperctl_wasi.session import WasiSession

# Imports are in the methods: whoever asks for the backend's rank need not wait for them.


class WasiBackend:
    """whisper.cpp in a WebAssembly sandbox."""

    name = "wasi"
    contract = 1
    preference = 10
    quantizer_preference = 20

    def describe(self) -> BackendInfo:
        """Versions and runtimes, both of which are compared; see ``Backend.describe``."""
        from whisperctl_wasi import modules, runtimes
        from whisperctl_wasi.host import process

        names = process.DISTRIBUTIONS
        try:
            module = modules.find()
        except BackendError as error:
            broken = tuple(RuntimeInfo(name, problem=str(error), compared=True) for name in names)
            return BackendInfo(self.name, version("whisperctl-wasi"), "whisper.cpp", broken)
        infos = tuple(
            replace(runtimes.describe(name), files=(module.path,), compared=True) for name in names
        )
        return BackendInfo(
            self.name,
            version("whisperctl-wasi"),
            f"whisper.cpp {module.whisper_version} in {module.path.name}",
            infos,
        )

    def system_info(self) -> str:
        """CPU features the module was built for; see ``ReportingBackend.system_info``."""
        from whisperctl_wasi import modules, runtimes
        from whisperctl_wasi.conversation import hello
        from whisperctl_wasi.host.limits import Limits

        guest = runtimes.start(None, modules.find(), Limits())
        try:
            return hello(guest).system_info
        finally:
            guest.kill()

    def open(self, model: Model, options: OpenOptions) -> WasiSession:
        """Load ``model`` into a sandbox; see ``whisperctl.engine.protocol.Backend.open``."""
        from whisperctl_wasi import modules
        from whisperctl_wasi.session import WasiSession

        return WasiSession(modules.find(), model, options)

    def open_detector(self, model: Path, options: OpenOptions) -> WasiDetector:
        """Load a Silero model; see ``whisperctl.engine.protocol.DetectingBackend``."""
        from whisperctl_wasi import modules
        from whisperctl_wasi.detector import WasiDetector

        return WasiDetector(modules.find(), model, options)

    def open_quantizer(self, options: OpenOptions) -> WasiQuantizer:
        """Start the sandbox; see ``whisperctl.engine.protocol.QuantizingBackend``."""
        from whisperctl_wasi import modules
        from whisperctl_wasi.quantizer import WasiQuantizer

        return WasiQuantizer(modules.find(), options)
