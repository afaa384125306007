"""Processors of anybody: run within bounds, or refused in one clear line."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wasmtime

from whisperctl.audio.filters import AudioFormat, chain, registry
from whisperctl.audio.filters.chain import FilterChain
from whisperctl.errors import PluginError, UsageError, WhisperctlError
from whisperctl_wasi.processors import Module, description
from whisperctl_wasi.processors import module as modules

from . import wat

pytestmark = pytest.mark.usefixtures("own_cache")

PAGE = Path(__file__).resolve().parents[4] / "docs/processors.md"

Load = Callable[..., Module]


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, code_cache: Path) -> None:
    """Machine code of test modules has no place among the user's."""
    monkeypatch.setattr(modules, "code_folder", lambda runtime: code_cache)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a module with some parts replaced."""
    return lambda *arguments: Module.load(wat.write(tmp_path / "a.wasm", *arguments))


def test_a_block_goes_through_with_the_values_that_were_given(load: Load) -> None:
    samples = np.linspace(-1, 1, 100, dtype=np.float32)
    module = load()
    for values, factor in (({}, 2), ({"drive": 3.0}, 3)):
        with module.instance(16_000, 1, 256, values) as instance:
            instance.input[0, :100] = samples
            instance.process(100)
            np.testing.assert_array_equal(instance.output[0, :100], samples * factor)


def test_views_are_valid_while_and_after_memory_grows(load: Load) -> None:
    grows = wat.PARTS["process"].replace("(loop", "(drop (memory.grow (i32.const 64))) (loop", 1)
    with load({"process": grows}).instance(16_000, 1, 256) as instance:
        before = (instance.input, instance.output)
        for n in range(1, 15):  # 56 MiB
            instance.input[0] = n
            instance.process(256)
            assert (instance.output == 2 * n).all()
        assert before[0].ctypes.data == instance.input.ctypes.data
    assert (before[1] == 28).all()  # a view that somebody keeps outlives the instance


def test_memory_has_a_limit(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output is the size of the memory in pages, after it grew until it could not."""
    grows = wat.function(
        "process",
        "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))"
        "(f32.store (local.get $out) (f32.convert_i32_u (memory.size)))",
    )
    found = []
    for limit in ("", "filter.memory=2M,memory=3M"):
        monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", limit)
        with load(grows).instance(16_000, 1, 256) as instance:
            instance.process(1)
            found.append(instance.output[0, 0])
    assert found == [1024, 32]


TRAP = "(unreachable)"
FOREVER = "(loop $again (br $again))"
FLAWS: dict[str, tuple[dict[str, str], str]] = {
    "no memory": ({"memory": "(memory 1)"}, "exports no memory"),
    "too much memory": ({"memory": '(memory (export "memory") 2000)'}, "wants more memory than 64"),
    "no function": ({"latency": ""}, "exports no function latency"),
    "another type": (
        {"latency": '(func (export "latency") (result i64) (i64.const 0))'},
        "exports latency as ( -> i64) instead of ( -> i32)",
    ),
    "an import": (
        {"memory": '(import "env" "f" (func)) ' + wat.PARTS["memory"]},
        "imports 'env.f', which guests do not get",
    ),
    "a file to open": (
        {
            "memory": '(import "wasi_snapshot_preview1" "fd_write" (func)) '
            + wat.PARTS["memory"]
        },
        "imports 'wasi_snapshot_preview1.fd_write', which guests do not get",
    ),
    "a 64-bit memory": ({"memory": '(memory (export "memory") i64 1)'}, "cannot be compiled: "),
    "two memories": ({"memory": '(memory (export "memory") 1) (memory 1)'}, "cannot be compiled: "),
    "a shared memory": (
        {"memory": '(memory (export "memory") 1 1 shared)'}, "cannot be compiled: "
    ),
    "a heap of objects": (
        {"state": wat.PARTS["state"] + " (type $s (struct (field i32)))"}, "cannot be compiled: "
    ),
    "exceptions": ({"state": wat.PARTS["state"] + " (tag)"}, "cannot be compiled: "),
    "results that depend on the machine": (
        wat.function("process", "(drop (f32x4.relaxed_min (v128.const i32x4 0 0 0 0)"
            " (v128.const i32x4 0 0 0 0)))"),
        "cannot be compiled: ",
    ),
    "a trap at the start": (
        {"state": wat.PARTS["state"] + f" (func $s {TRAP}) (start $s)"},
        "trapped in its start function (unreachable)",
    ),
    "a trap in set": (wat.function("set", TRAP), "trapped in set (unreachable)"),
    "a trap in setup": (wat.function("setup", TRAP), "trapped in setup (unreachable)"),
    "a trap in alloc": (wat.function("alloc", TRAP), "trapped in alloc (unreachable)"),
    "a trap in process": (wat.function("process", TRAP), "trapped in process (unreachable)"),
    "an address beyond memory": (
        wat.function("process", "(i32.store (i32.const -4) (i32.const 0))"),
        "trapped in process (memory out of bounds)",
    ),
    "a division by zero": (
        wat.function("process", "(drop (i32.div_u (local.get $n) (i32.const 0)))"),
        "trapped in process (integer division by zero)",
    ),
    "no end of calls": (
        {
            "process": '(func $p (export "process") (param i32 i32 i32)'
            " (call $p (local.get 0) (local.get 1) (local.get 2)))"
        },
        "trapped in process (stack overflow)",
    ),
    "a null pointer": (wat.function("alloc", "(i32.const 0)"), "has no memory for a block of 256"),
    "a crooked pointer": (wat.function("alloc", "(i32.const 6)"), "gave the address 6 for 256"),
    "a pointer at the end": (
        wat.function("alloc", "(i32.const 64516)"),
        "gave the address 64516 for 256 samples",
    ),
    "a negative pointer": (
        wat.function("alloc", "(i32.const -16)"),
        "gave the address 4294967280 for 256 samples",
    ),
    "a negative latency": (wat.function("latency", "(i32.const -1)"), "states a latency of -1"),
    "an hour of latency": (
        wat.function("latency", "(i32.const 57600000)"),
        "states a latency of 57600000 samples",
    ),
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_module_that_breaks_the_interface_is_one_clear_error(load: Load, flaw: str) -> None:
    parts, said = FLAWS[flaw]
    with pytest.raises(PluginError) as raised, load(parts).instance(16_000, 1, 256) as instance:
        instance.process(256)
    assert said in str(raised.value)
    assert str(raised.value).endswith(
        ": use a module that keeps the interface in docs/processors.md"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["start", "setup", "process"])
def test_a_call_that_never_returns_is_ended(load: Load, name: str) -> None:
    parts = (
        {"state": wat.PARTS["state"] + f" (func $s {FOREVER}) (start $s)"}
        if name == "start"
        else wat.function(name, FOREVER + " (unreachable)")
    )
    module = load(parts)
    hurried = dataclasses.replace(module, limits=dataclasses.replace(module.limits, idle_s=0.01))
    started = time.monotonic()
    with (
        pytest.raises(PluginError, match=r"did not return from .* within 0\.01 s: use a module"),
        hurried.instance(16_000, 1, 256) as instance,
    ):
        instance.process(256)
    assert time.monotonic() - started < 5


def test_a_processor_that_failed_or_was_closed_is_not_called_again(load: Load) -> None:
    instance = load(wat.function("process", TRAP)).instance(16_000, 1, 256)
    with pytest.raises(PluginError, match="trapped"):
        instance.process(1)
    with pytest.raises(ValueError, match="from 1 to 0 samples"):
        instance.process(1)
    instance.close()


def test_values_and_formats_may_be_refused(load: Load) -> None:
    refuses = wat.function("setup", "(i32.gt_u (local.get 0) (i32.const 8000))")
    with pytest.raises(UsageError, match="refuses its values, or 2 channels at 16000 Hz: change"):
        load(refuses).instance(16_000, 2, 64)
    load(refuses).instance(8_000, 1, 64).close()


def described(**changes: Any) -> dict[str, Any]:
    return {**wat.DESCRIPTION, **changes}


def parameter(**changes: Any) -> dict[str, Any]:
    return described(parameters=[{**wat.DRIVE, **changes}])


DESCRIPTIONS: dict[str, tuple[Any, str]] = {
    "none": (b"", "has no custom section whisperctl.processor"),
    "no JSON": (b"{", "has an invalid description: Input data was truncated"),
    "no text": (b'{"abi": 1, "name": "\xff"}', "has an invalid description: "),
    "no end of brackets": (b"[" * 60_000, "has an invalid description: "),
    "too long": (b" " * 70_000, "has a description of 70000 bytes; at most 65536 are read"),
    "a later version": (described(abi=2, more=1), "was made for version 2 of the interface"),
    "no version": ({"name": "a"}, "Object missing required field `abi`"),
    "a version that is text": (described(abi="1"), "Expected `int`, got `str`"),
    "a field that nobody knows": (described(author="me"), "unknown field `author`"),
    "a name with a line break": (described(name="a\nb"), "has an invalid description: "),
    "a summary with an escape": (described(summary="\x1b[31m"), "it holds control characters"),
    "a very long summary": (described(summary="a" * 999), "length <= 200"),
    "a default out of range": (parameter(default=10), "drive must have its default between"),
    "a default that is text": (parameter(default="2"), "drive must have a number as default"),
    "no limit": (parameter(high=None), "has an invalid description: "),
    "an endless limit": (b'{"abi": 1, "name": "a", "version": "1", "summary": "a", "parameters": '
        b'[{"name": "a", "type": "float", "default": 1, "low": 0, "high": 1e999, "help": "a"}]}',
        "has an invalid description: ",
    ),
    "half a bit": (parameter(type="int", high=9.5), "must have whole numbers"),
    "a number for a switch": (parameter(type="bool", default=1), "must have true or false"),
    "no choice": (parameter(type="str", default="a"), "must have its default among its choices"),
    "another type": (parameter(type="bytes"), "Invalid enum value 'bytes'"),
    "two of one name": (described(parameters=[wat.DRIVE] * 2), "two parameters have one name"),
    "too many": (described(parameters=[wat.DRIVE] * 65), "length <= 64"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", DESCRIPTIONS)
def test_a_description_is_checked(load: Load, flaw: str) -> None:
    description, said = DESCRIPTIONS[flaw]
    with pytest.raises(PluginError) as raised:
        load({}, description)
    assert said in str(raised.value)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 500


def test_two_descriptions_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(wat.module() + wat.section(json.dumps(wat.DESCRIPTION).encode()))
    with pytest.raises(PluginError, match="has 2 custom sections whisperctl"):
        Module.load(path)


def test_a_description_may_end_like_a_string_in_c(load: Load) -> None:
    assert load({}, json.dumps(wat.DESCRIPTION).encode() + b"\0").description.name == "scale"


def big(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)


FILES: dict[str, tuple[Callable[[Path], object], type[WhisperctlError], str]] = {
    "missing": (lambda path: None, UsageError, "does not exist: check the name"),
    "empty": (lambda path: path.write_bytes(b""), PluginError, "is not a WebAssembly module"),
    "text": (lambda path: path.write_text("(module)"), PluginError, "is not a WebAssembly module"),
    "cut": (lambda path: path.write_bytes(wat.module()[:-9]), PluginError, "is cut short"),
    "broken": (
        lambda path: path.write_bytes(wat.module()[:8] + b"\x01\x02\xff\xff" + wat.module()[8:]),
        PluginError,
        "cannot be compiled: ",
    ),
    "huge": (big, PluginError, "is larger than 16 MiB"),
    "a directory": (Path.mkdir, UsageError, "is not a regular file: name a .wasm file"),
    "a pipe": (lambda path: os.mkfifo(path), UsageError, "is not a regular file: name a .wasm"),
    "endless": (
        lambda path: path.symlink_to("/dev/zero"),
        UsageError,
        "is not a regular file: name a .wasm file",
    ),
    "much code": (
        lambda path: path.write_bytes(wat.module()[:8] + b"\x0a\x80\x80\xc0\x01" + bytes(3 << 20)),
        PluginError,
        "has more than 1 MiB of code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_processor_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    make, error, said = FILES[kind]
    path = tmp_path / "a.wasm"
    make(path)
    with pytest.raises(error) as raised:
        Module.load(path).instance(16_000, 1, 64)
    assert said in str(raised.value)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 500


def test_machine_code_is_kept_on_disk(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load({}, described(version="kept on disk"))
    module.instance(16_000, 1, 64).close()
    modules._compile.cache_clear()
    kept = wasmtime.Module.deserialize

    def fail(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(wasmtime.Module, "__init__", fail)
    monkeypatch.setattr(wasmtime.Module, "deserialize", kept)
    module.instance(16_000, 1, 64).close()


@pytest.mark.slow
def test_instances_are_cheap(load: Load) -> None:
    module = load()
    instances = [module.instance(16_000, 1, 64) for _ in range(1_500)]
    try:
        for n, instance in enumerate(instances):
            instance.input[0] = n
        for instance in instances[::100]:
            instance.process(64)
        assert [instance.output[0, 9] for instance in instances[::100]] == list(
            range(0, 3_000, 200)
        )
    finally:
        for instance in instances:
            instance.close()


# ------------------------------------------------------------------------------------- as filters


def test_a_file_is_a_filter_with_parameters(tmp_path: Path) -> None:
    folder = tmp_path / "a folder: with.wasm, and more"
    folder.mkdir()
    path = wat.write(folder / "my scale.WASM")
    (spec,) = registry.parse_all([f"{path}:drive=0.5"])

    with FilterChain([spec], AudioFormat(block_samples=64)) as filters:
        block = np.ones((1_000, 1), np.float32)
        found = np.concatenate([*filters.process(block), *filters.flush()])

    np.testing.assert_array_equal(found, block / 2)
    assert spec.text == f"{path}:drive=0.5"
    assert "sha256" in spec.key


def test_its_key_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = wat.write(tmp_path / "a.wasm")
    before = registry.parse(str(path)).key
    assert registry.parse(str(path)).key == before
    wat.write(path, wat.function("process", TRAP))
    assert registry.parse(str(path)).key != before


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (":drive=10", "drive must be from 0 to 9, not"),
        (":driv=1", 'did you mean "drive"?'),
        (":", "a parameter has no name: write key=value"),
        ("x:drive=1", "is not a file that an installed package runs: name one that ends in .wasm"),
        ("/b.wasm", "cannot be read: Not a directory"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, after: str, said: str) -> None:
    path = wat.write(tmp_path / "a.wasm")
    with pytest.raises(UsageError) as raised:
        chain.check([f"{path}{after}"])
    assert said in str(raised.value)


def test_samples_that_are_not_numbers_end_the_recording(tmp_path: Path) -> None:
    nan = wat.function("process", "(f32.store (local.get $out) (f32.const nan))")
    specs = [registry.parse(str(wat.write(tmp_path / "a.wasm", nan)))]
    with (
        FilterChain(specs, AudioFormat(block_samples=64)) as filters,
        pytest.raises(PluginError, match="gave samples that are not finite numbers"),
    ):
        list(filters.process(np.ones((10, 1), np.float32)))


# ------------------------------------------------------------------------------------ docs


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of the page in C, compiled as the page says."""
    tmp_path = tmp_path_factory.mktemp("drive")
    page = PAGE.read_text("utf-8")
    (source,) = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"^\$ python (-m ziglang .*)$", page, re.MULTILINE)
    (tmp_path / "drive.c").write_text(source)
    done = subprocess.run(
        [sys.executable, *command.split(), "-Wall", "-Wextra", "-Werror"],
        cwd=tmp_path,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "drive.wasm"


def test_the_example_in_c_is_a_processor(drive: Path) -> None:
    samples = np.linspace(-1, 1, 300, dtype=np.float32).reshape(2, 150)

    module = Module.load(drive)
    with module.instance(16_000, 2, 200, {"drive": 0.75}) as instance:
        instance.input[:, :150] = samples
        instance.process(150)
        found = instance.output[:, :150].copy()

    np.testing.assert_allclose(found, 7 * samples / (1 + 6 * abs(samples)), rtol=1e-6)
    (described,) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert module.description == description.read(wat.module({}, described.encode()))


@pytest.mark.slow
def test_the_example_in_c_keeps_every_promise_of_filters(drive: Path) -> None:
    (line,) = re.findall(r"^\$ (pytest .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", *line.split(), "-q", "-p", "no:cacheprovider"],
        cwd=drive.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
