"""whisperctl's sandboxed backend: whisper.cpp as a WASI module, run by Wasmer or Wasmtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisperctl_wasi.backend import WasiBackend

__all__ = ["WasiBackend"]


def __getattr__(name: str) -> object:
    # Only when it is asked for: the processes that run guests need nothing of it.
    if name == "WasiBackend":
        from whisperctl_wasi.backend import WasiBackend

        return WasiBackend
    raise AttributeError(f'module "whisperctl_wasi" has no attribute "{name}"')
