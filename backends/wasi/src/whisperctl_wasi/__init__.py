"""whisperctl's sandboxed backend: whisper.cpp as a WASI module, run by Wasmer or Wasmtime."""

from whisperctl_wasi.backend import WasiBackend

__all__ = ["WasiBackend"]
