"""Limits on a guest's use of its host."""

from __future__ import annotations

from dataclasses import dataclass

from whisperctl_wasi.host.imports import STREAMS_AND_CLOCK

_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one guest, all of them on by default. A guest that exceeds one is ended.

    Args:
        memory_bytes: of linear memory. Wasmtime enforces it; under Wasmer the system does, by a
            bound on the memory of the process, which is 1 GiB higher (Linux only; elsewhere the
            4 GiB of a 32-bit memory are the bound).
        threads: started by the guest, beside its first.
        line_bytes: of one line of standard output.
        output_bytes: of standard output between one ``Guest.begin`` and the next. Each line counts
            for 64 bytes more, which it takes in the host.
        error_bytes: of standard error, in all.
        start_s: seconds for compiling and instantiating.
        idle_s: seconds in which the guest may take no input while the host sends, and then leave
            the host without an answer, whatever else it writes.
        imports: what the module may import, as ``MODULE.NAME``; ``None`` for all that the runtime
            offers (still no file, no network and no environment).
    """

    memory_bytes: int = 4 * _GIB
    threads: int = 64
    line_bytes: int = 16 * _MIB
    output_bytes: int = 64 * _MIB
    error_bytes: int = 4 * _MIB
    start_s: float = 300.0
    idle_s: float = 600.0
    imports: frozenset[str] | None = STREAMS_AND_CLOCK
