"""A processor's module: read and checked, and compiled once in a process and once on disk."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

from whisperctl.errors import PluginError, UsageError
from whisperctl.storage.files import reason
from whisperctl.text import quoted
from whisperctl_wasi.host import code_cache, imports
from whisperctl_wasi.host.imports import ModuleError
from whisperctl_wasi.host.limits import Limits, limits_for
from whisperctl_wasi.processors import description
from whisperctl_wasi.processors.description import Description
from whisperctl_wasi.runtimes import code_folder

if TYPE_CHECKING:
    import wasmtime

    from whisperctl.audio.filters import Value
    from whisperctl_wasi.processors.instance import Instance, Machine

_MEMORY_BYTES = 64 << 20
_CALL_S = 10.0
_MOST_BYTES = 16 << 20

_MOST_CODE_BYTES = 1 << 20
"""Compiling cannot be interrupted; this much, made to be slow, takes ten seconds."""

_PAGE_BYTES = 1 << 16

FUNCTIONS = {
    "alloc": "i32 -> i32",
    "setup": "i32 i32 i32 -> i32",
    "process": "i32 i32 i32 -> ",
    "set": "i32 f64 -> ",
    "latency": " -> i32",
}


@dataclass(frozen=True, slots=True)
class Module:
    """A processor as it was read from a file; nothing of it runs before there is an instance.

    ``label`` is its name in messages. ``sha256`` is that of ``code``, its bytes. Of ``limits``, two
    apply: its memory, and as ``idle_s`` the time in which a call must return.
    """

    label: str
    code: bytes
    sha256: str
    description: Description
    limits: Limits

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a module and its description.

        Raises:
            UsageError: the file cannot be read, or limits are set that cannot be.
            PluginError: it is not a processor for this version of the interface.
        """
        label = f"processor {quoted(path)}"
        try:
            # Before it is opened, as a pipe would keep us waiting.
            if not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(f"{label} is not a regular file: name a .wasm file")
            with path.open("rb") as file:
                code = file.read(_MOST_BYTES + 1)
        except FileNotFoundError as error:
            raise UsageError(f"{label} does not exist: check the name") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"{label} cannot be read: {reason(error)}") from error
        try:
            if len(code) > _MOST_BYTES:
                raise ModuleError(f"is larger than {_MOST_BYTES >> 20} MiB")
            imports.check(code, frozenset())
            if imports.code_bytes(code) > _MOST_CODE_BYTES:
                raise ModuleError(f"has more than {_MOST_CODE_BYTES >> 20} MiB of code")
            described = description.read(code)
        except ModuleError as error:
            raise unfit(label, str(error)) from error
        limits = limits_for("filter", memory_bytes=_MEMORY_BYTES, idle_s=_CALL_S)
        return cls(label, code, code_cache.sha256(code), described, limits)

    def instance(
        self, rate: int, channels: int, block: int, values: Mapping[str, Value | None] | None = None
    ) -> Instance:
        """Start the processor for one recording; close the instance when it is done.

        Args:
            rate: sample rate in Hz.
            channels: number of channels.
            block: samples per channel in the largest block.
            values: values of parameters by name; those that are missing have their defaults.

        Raises:
            UsageError: the processor refuses the format or the values.
            PluginError: it breaks the interface, or Wasmtime does not load here.
        """
        try:
            from whisperctl_wasi.processors.instance import Instance
        # A native library that does not fit the system fails in ways of its own.
        except Exception as error:
            raise PluginError(
                f"{self.label} needs wasmtime, which does not load: {error}; install it again"
            ) from error
        machine, compiled = self._compiled()
        given = values or {}
        numbers = [
            self.description.number(n, given.get(one.name, one.default))
            for n, one in enumerate(self.description.parameters)
        ]
        return Instance(self.label, machine, compiled, (rate, channels, block), numbers)

    def compile_again(self) -> None:
        """Compile the module as if for the first time, and drop the machine code.

        Raises:
            PluginError: it cannot be compiled.
        """
        import wasmtime

        machine, _ = self._compiled()
        wasmtime.Module(machine.engine, self.code)

    def read_again(self) -> None:
        """Read the machine code as a process does at first, and drop it.

        Raises:
            PluginError: it cannot be compiled.
        """
        self._compiled()
        _compile.__wrapped__(self.code, self.sha256, self.limits)

    def _compiled(self) -> tuple[Machine, wasmtime.Module]:
        try:
            return _compile(self.code, self.sha256, self.limits)
        except ModuleError as error:
            raise unfit(self.label, str(error)) from error


def unfit(label: str, what: str) -> PluginError:
    """An error that says what is wrong with a processor, as the rest of a sentence."""
    return PluginError(
        f"{label} {what}: use a module that keeps the interface in docs/processors.md"
    )


@lru_cache(maxsize=8)
def _machine(limits: Limits) -> Machine:
    from whisperctl_wasi.processors.instance import Machine

    return Machine(limits)


@lru_cache(maxsize=64)
def _compile(code: bytes, sha256: str, limits: Limits) -> tuple[Machine, wasmtime.Module]:
    """Machine code of a module, which is checked to have the interface.

    Raises:
        ModuleError: it has not.
    """
    import wasmtime

    machine = _machine(limits)
    compiler = f"wasmtime {version('wasmtime')}"
    binding = {"module": sha256, "compiler": f"{compiler} processor {limits.memory_bytes}"}
    folder = code_folder("wasmtime")
    cached = None if folder is None else folder / f"{sha256[:32]}-{version('wasmtime')}-dsp.cwasm"
    try:
        compiled = code_cache.compiled(machine.engine, code, cached, binding)
    except wasmtime.WasmtimeError as error:
        text = str(error).partition("\n")[0]
        raise ModuleError(f"cannot be compiled: {text:.200}") from error
    _check(compiled, limits)
    return machine, compiled


def _check(compiled: wasmtime.Module, limits: Limits) -> None:
    import wasmtime

    exports = {export.name: export.type for export in compiled.exports}
    memory = exports.get("memory")
    if not isinstance(memory, wasmtime.MemoryType):
        raise ModuleError("exports no memory")
    if memory.limits.min * _PAGE_BYTES > limits.memory_bytes:
        raise ModuleError(f"wants more memory than {limits.memory_bytes >> 20} MiB")
    for name, wanted in FUNCTIONS.items():
        found = exports.get(name)
        if not isinstance(found, wasmtime.FuncType):
            raise ModuleError(f"exports no function {name}")
        has = " -> ".join(" ".join(map(str, types)) for types in (found.params, found.results))
        if has != wanted:
            raise ModuleError(f"exports {name} as ({has:.60}) instead of ({wanted})")
