"""Audio processors in WebAssembly, which run in this process under Wasmtime.

A processor is a module without imports: it gets a block of samples in its own memory and leaves
another, and there is nothing else that it could reach. ``docs/processors.md`` has the interface.
``module`` reads and compiles one, ``instance`` runs it, ``description`` declares its parameters,
and ``filters`` makes filters of whisperctl of processors.

Wasmtime alone runs them: Wasmer's package runs only whole programs, in processes of their own.
"""

from __future__ import annotations

from whisperctl_wasi.processors.module import Module

__all__ = ["Module"]
