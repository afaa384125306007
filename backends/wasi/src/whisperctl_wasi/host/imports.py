"""Imports and custom sections of a module, read before any runtime sees the module."""

from __future__ import annotations

from collections.abc import Iterator

WASI = "wasi_snapshot_preview1"

STREAMS_AND_CLOCK = frozenset(
    {f"{WASI}.{name}" for name in (
        "args_get",
        "args_sizes_get",
        "clock_res_get",
        "clock_time_get",
        "environ_get",
        "environ_sizes_get",
        "fd_close",
        "fd_fdstat_get",
        "fd_fdstat_set_flags",
        "fd_prestat_dir_name",
        "fd_prestat_get",
        "fd_read",
        "fd_seek",
        "fd_write",
        "poll_oneoff",
        "proc_exit",
        "random_get",
        "sched_yield",
    )}
    | {"env.memory", "wasi.thread-spawn"}
)  # fmt: skip
"""All that a guest gets: its streams, a clock, its own memory and threads. No ``path_open``, no
``sock_*``. Arguments and environment are empty."""

_MAGIC = b"\0asm\x01\0\0\0"
_CUSTOM_SECTION, _IMPORT_SECTION, _CODE_SECTION = 0, 2, 10
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)


class ModuleError(ValueError):
    """The bytes are not a module this host runs; the text says why, as the rest of a sentence."""


class _Reader:
    """Reads the binary format; an end before its time is a ``ModuleError``."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def byte(self) -> int:
        if self.position >= len(self.data):
            raise ModuleError("is cut short")
        self.position += 1
        return self.data[self.position - 1]

    def number(self) -> int:
        """An unsigned LEB128 number of at most 64 bits (limits of memories may have those)."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ModuleError("has a number that is too long")

    def name(self) -> str:
        size = self.number()
        if size > len(self.data) - self.position:
            raise ModuleError("is cut short")
        raw = self.data[self.position : self.position + size]
        self.position += size
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise ModuleError("has a name that is not UTF-8") from None


def imports(module: bytes) -> list[str]:
    """The names of what a module imports, as ``MODULE.NAME``.

    The format is the WebAssembly core specification's, section 5.5 (binary modules), with the
    threads proposal's flags of memories.

    Raises:
        ModuleError: the bytes are not a WebAssembly module, or its imports cannot be read.
    """
    for section, reader in _sections(module):
        if section == _IMPORT_SECTION:
            return [_import(reader) for _ in range(reader.number())]
    return []


def custom_sections(module: bytes, name: str) -> list[bytes]:
    """The contents of a module's custom sections of this name.

    Raises:
        ModuleError: the bytes are not a WebAssembly module.
    """
    return [
        reader.data[reader.position :]
        for section, reader in _sections(module)
        if section == _CUSTOM_SECTION and reader.name() == name
    ]


def code_bytes(module: bytes) -> int:
    """The size of a module's code.

    Raises:
        ModuleError: the bytes are not a WebAssembly module.
    """
    return sum(
        len(reader.data) - reader.position
        for section, reader in _sections(module)
        if section == _CODE_SECTION
    )


def _sections(module: bytes) -> Iterator[tuple[int, _Reader]]:
    """The number of each section, and a reader that ends where it ends."""
    if not module.startswith(_MAGIC):
        raise ModuleError("is not a WebAssembly module")
    reader = _Reader(module, len(_MAGIC))
    while reader.position < len(module):
        section, size = reader.byte(), reader.number()
        end = reader.position + size
        if end > len(module):
            raise ModuleError("is cut short")
        yield section, _Reader(module[:end], reader.position)
        reader.position = end


def _import(reader: _Reader) -> str:
    name = f"{reader.name()}.{reader.name()}"
    kind = reader.byte()
    if kind == _FUNCTION:
        reader.number()
    elif kind in (_TABLE, _MEMORY):
        if kind == _TABLE:
            reader.byte()
        flags = reader.number()
        reader.number()
        if flags & 1:
            reader.number()
    elif kind == _GLOBAL:
        reader.byte()
        reader.byte()
    elif kind == _TAG:
        reader.byte()
        reader.number()
    else:
        raise ModuleError("has an import of an unknown kind")
    return name


def check(module: bytes, allowed: frozenset[str]) -> None:
    """Check that a module imports nothing but what is allowed.

    Raises:
        ModuleError: it does, or it is not a module.
    """
    refused = [name for name in imports(module) if name not in allowed]
    if refused:
        raise ModuleError(f"imports {refused[0]!a:.100}, which guests do not get")
