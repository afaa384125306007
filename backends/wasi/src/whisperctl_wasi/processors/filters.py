"""Processors as filters of whisperctl: those that come with this package, and those in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisperctl.audio.filters import AudioFormat, FilterInfo, Parts, Processor
from whisperctl_wasi.processors.equivalents import equivalent
from whisperctl_wasi.processors.module import Module

if TYPE_CHECKING:
    from whisperctl.audio.filters import Block, Filter
    from whisperctl_wasi.processors.instance import Instance

FOLDER = Path(__file__).parent
"""Where the modules are that come with this package."""


class ModuleFilter:
    """A filter that a module describes and runs; ``ours`` if it comes with this package."""

    contract = 1
    technology = "WebAssembly"

    def __init__(self, name: str, module: Module, info: FilterInfo, *, ours: bool = False) -> None:
        self.name = name
        self._module = module
        self._info = info
        self._ours = ours

    def describe(self) -> FilterInfo:
        """See ``Filter.describe``."""
        return self._info

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """See ``Filter.open``."""
        return _Running(
            self._module.instance(
                audio.sample_rate_hz, audio.n_channels, audio.block_samples, values
            )
        )

    def in_python(
        self, audio: AudioFormat, values: Mapping[str, Any]
    ) -> tuple[str, Processor] | None:
        """See ``Measurable.in_python``."""
        return equivalent(self.name, audio, values) if self._ours else None

    def parts(self, processor: Processor, block: Block) -> Parts:
        """See ``Measurable.parts``."""
        assert isinstance(processor, _Running)
        return processor.parts(block)

    def starts(
        self, audio: AudioFormat, values: Mapping[str, Any]
    ) -> Mapping[str, Callable[[], object]]:
        """See ``Measurable.starts``."""
        return {
            "compile": self._module.compile_again,
            "read compiled": self._module.read_again,
            "instantiate": lambda: self.open(audio, values).close(),
        }


class _Running(Processor):
    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.latency = instance.latency

    def process(self, block: Block) -> Block:
        n = len(block)
        self._put(block)
        self._instance.process(n)
        return self._taken(n)

    def parts(self, block: Block) -> Parts:
        n = len(block)

        def copies() -> None:
            self._put(block)
            self._taken(n)

        return Parts(self._instance.enter, copies, lambda: self._instance.process(n))

    def _put(self, block: Block) -> None:
        self._instance.input[:, : len(block)] = block.T

    def _taken(self, n: int) -> Block:
        return self._instance.output[:, :n].T.copy(order="C")

    def close(self) -> None:
        self._instance.close()


def shipped(name: str) -> ModuleFilter:
    """A processor that comes with this package."""
    module = Module.load(FOLDER / f"{name}.wasm")
    return ModuleFilter(name, module, module.description.info(), ours=True)


bit_crusher = partial(shipped, "bit_crusher")
compressor = partial(shipped, "compressor")
denoise = partial(shipped, "denoise")
echo = partial(shipped, "echo")
gain = partial(shipped, "gain")
gate = partial(shipped, "gate")
highpass = partial(shipped, "highpass")
lowpass = partial(shipped, "lowpass")
wave_shaper = partial(shipped, "wave_shaper")


class WasmFiles:
    """Files that end in ``.wasm`` as filters; see ``whisperctl.audio.filters.FilterFiles``."""

    name = "wasm"
    contract = 1

    def load(self, path: str) -> Filter:
        """See ``FilterFiles.load``."""
        module = Module.load(Path(path))
        info = module.description.info()
        version = f"{info.version} sha256 {module.sha256}"
        return ModuleFilter(path, module, FilterInfo(info.summary, version, info.parameters))
