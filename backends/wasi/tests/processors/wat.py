"""Processors in WebAssembly's text format, whole or with a flaw, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wasmtime

DRIVE = {
    "name": "drive", "type": "float", "default": 2, "low": 0, "high": 9, "help": "Factor."
}  # fmt: skip
DESCRIPTION = {
    "abi": 1,
    "name": "scale",
    "version": "7",
    "summary": "Multiply.",
    "parameters": [DRIVE],
}

PARTS = {
    "memory": '(memory (export "memory") 1)',
    "state": "(global $drive (mut f64) (f64.const 0)) (global $end (mut i32) (i32.const 1024))",
    "alloc": """(func (export "alloc") (param i32) (result i32)
        (global.get $end)
        (global.set $end (i32.add (global.get $end) (i32.mul (i32.const 4) (local.get 0)))))""",
    "setup": '(func (export "setup") (param i32 i32 i32) (result i32) (i32.const 0))',
    "set": '(func (export "set") (param i32 f64) (global.set $drive (local.get 1)))',
    "process": """(func (export "process") (param $in i32) (param $out i32) (param $n i32)
        (loop $next
            (f32.store (local.get $out)
                (f32.mul (f32.load (local.get $in)) (f32.demote_f64 (global.get $drive))))
            (local.set $in (i32.add (local.get $in) (i32.const 4)))
            (local.set $out (i32.add (local.get $out) (i32.const 4)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $next (local.get $n))))""",
    "latency": '(func (export "latency") (result i32) (i32.const 0))',
}
"""A processor for blocks of one channel that multiplies by its only parameter."""


def function(name: str, body: str) -> dict[str, str]:
    """A part with another body."""
    head = PARTS[name].partition("\n")[0] if name in ("alloc", "process") else PARTS[name]
    head = head[: head.rindex(")") + 1] if name in ("alloc", "process") else head
    for end in (" (i32.const 0))", " (global.set $drive (local.get 1)))"):
        head = head.removesuffix(end)
    return {name: f"{head} {body})"}


def section(data: bytes, name: bytes = b"whisperctl.processor") -> bytes:
    """A custom section."""
    body = bytes([len(name)]) + name + data
    size, length = b"", len(body)
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return b"\0" + size + bytes([length]) + body


def module(
    parts: Mapping[str, str] = {}, description: Mapping[str, Any] | bytes = DESCRIPTION
) -> bytes:
    """A module with some parts in place of those of ``PARTS``."""
    code = wasmtime.wat2wasm(f"(module {' '.join({**PARTS, **parts}.values())})")
    text = description if isinstance(description, bytes) else json.dumps(description).encode()
    return bytes(code) + (section(text) if text else b"")


def write(path: Path, *arguments: Any) -> Path:
    """A file with ``module``."""
    path.write_bytes(module(*arguments))
    return path
