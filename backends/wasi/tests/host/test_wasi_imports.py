"""Reading what a module imports: the format, and bytes that are not one."""

from __future__ import annotations

import random

import pytest

from whisperctl_wasi import modules
from whisperctl_wasi.host import imports
from whisperctl_wasi.host.imports import STREAMS_AND_CLOCK, ModuleError


def compiled(text: str) -> bytes:
    import wasmtime

    return bytes(wasmtime.wat2wasm(text))


@pytest.mark.parametrize("variant", [modules.THREADS, modules.PORTABLE])
def test_the_shipped_modules_import_streams_and_a_clock_only(variant: str) -> None:
    module = modules.find(variant).path.read_bytes()
    imports.check(module, STREAMS_AND_CLOCK)
    assert "wasi_snapshot_preview1.fd_read" in imports.imports(module)


def test_every_kind_of_import_is_read() -> None:
    module = compiled(
        """(module
            (import "a" "function" (func (param i32) (result i64)))
            (import "a" "table" (table 1 2 funcref))
            (import "b" "memory" (memory 1 200))
            (import "b" "größe" (global (mut f64)))
            (import "c" "tag" (tag (param i32)))
            (func))"""
    )
    assert imports.imports(module) == ["a.function", "a.table", "b.memory", "b.größe", "c.tag"]


def test_a_module_without_imports_has_none() -> None:
    assert imports.imports(compiled("(module (func))")) == []


def test_the_first_import_that_is_not_allowed_is_named() -> None:
    module = compiled(
        '(module (import "env" "memory" (memory 1)) (import "env" "open\\1b" (func)))'
    )
    with pytest.raises(ModuleError, match=r"imports 'env\.open\\x1b', which guests do not get"):
        imports.check(module, STREAMS_AND_CLOCK)


@pytest.mark.parametrize("data", [b"", b"\0asm", b"\0asm\x02\0\0\0", b"not a module at all"])
def test_bytes_that_are_not_a_module_are_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ModuleError, match="is not a WebAssembly module"):
        imports.imports(data)


def test_a_module_cut_short_or_changed_never_fails_otherwise() -> None:
    module = modules.find(modules.THREADS).path.read_bytes()[:2000]
    chance = random.Random(10)
    refused = 0
    for _ in range(3000):
        mutant = bytearray(module[: chance.randrange(len(module))])
        for _ in range(chance.randrange(8)):
            if mutant:
                mutant[chance.randrange(len(mutant))] = chance.choice([0, 0x7F, 0x80, 0xFF, 2, 65])
        try:
            imports.check(bytes(mutant), STREAMS_AND_CLOCK)
        except ModuleError as error:
            refused += 1
            assert str(error)
    assert refused > 2000
