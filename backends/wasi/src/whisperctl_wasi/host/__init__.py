"""Hosts guests: WebAssembly programs with two streams and a clock, each in a separate process.

This package knows nothing of Whisper. ``guest`` is the host's side: it starts a process, feeds it,
limits it and kills it. ``child`` is what that process runs: a runtime (``run_wasmtime``,
``run_wasmer``), with machine code from ``code_cache`` and modules checked by ``imports``. No module
here reads or writes a guest's memory: the streams are the runtime's own WASI on the process's own
pipes, and the only function of ours that a guest can call takes and gives a number.
"""
