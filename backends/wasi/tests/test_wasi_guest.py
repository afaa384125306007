"""Running guests: their ends, their last words, and what they cannot reach, on both runtimes."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wasmtime

from whisperctl.errors import BackendError, GuestError
from whisperctl_wasi import modules, protocol
from whisperctl_wasi.backend import guest_class
from whisperctl_wasi.conversation import hello
from whisperctl_wasi.guest import Guest
from whisperctl_wasi.modules import Module

PROBE = Path(__file__).with_name("probe.c")


def module_of(path: Path) -> Module:
    return Module("test", path, hashlib.sha256(path.read_bytes()).hexdigest(), "")


def wat(folder: Path, body: str) -> Module:
    """A WASI command around ``body``, which ends with the instructions of ``_start``."""
    path = folder / "guest.wasm"
    path.write_bytes(
        wasmtime.wat2wasm(
            f"""(module
              (import "wasi_snapshot_preview1" "fd_write"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
              (memory (export "memory") 1)
              (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
              (data (i32.const 16) "words\\n")
              (func (export "_start") {body}))"""
        )
    )
    return module_of(path)


def last_words(guest: Guest) -> str:
    with pytest.raises(GuestError) as caught:
        while True:
            guest.receive(0.1)
    guest.kill()
    return str(caught.value)


def test_the_guest_greets_with_its_versions(runtime: str) -> None:
    guest = guest_class(runtime)(modules.find())
    greeting = hello(guest)
    guest.finish()
    assert greeting["whisper"] == modules.find().whisper_version
    assert "WASM_SIMD = 1" in greeting["system_info"]


@pytest.mark.parametrize("variant", [modules.PORTABLE, modules.THREADS])
def test_both_variants_end_by_themselves_when_the_input_ends(runtime: str, variant: str) -> None:
    guest = guest_class(runtime)(modules.find(variant))
    hello(guest)
    guest.finish()
    assert guest.ended


def test_compiled_code_is_used_again(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))

    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    guest_class(runtime)(modules.find(modules.PORTABLE)).kill()
    first = files()
    guest_class(runtime)(modules.find(modules.PORTABLE)).kill()
    assert first
    assert files() == first


def test_damaged_compiled_code_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))
    guest_class("wasmtime")(modules.find(modules.PORTABLE)).kill()
    (cached,) = (path for path in tmp_path.rglob("*") if path.is_file())
    cached.write_bytes(b"not machine code")
    guest = guest_class("wasmtime")(modules.find(modules.PORTABLE))
    hello(guest)
    guest.finish()
    assert cached.stat().st_size > 1000


def test_a_trap_becomes_an_error_with_the_guests_own_words(runtime: str, tmp_path: Path) -> None:
    words = "(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 40)))"
    message = last_words(guest_class(runtime)(wat(tmp_path, words + "unreachable")))
    assert "words" in message
    assert runtime in message
    assert "\n" not in message


def test_an_exit_code_is_named(runtime: str, tmp_path: Path) -> None:
    message = last_words(guest_class(runtime)(wat(tmp_path, "(call $proc_exit (i32.const 7))")))
    assert "exit code 7" in message


def test_killing_a_guest_that_computes_takes_less_than_a_second(
    runtime: str, tmp_path: Path
) -> None:
    guest = guest_class(runtime)(wat(tmp_path, "(loop $again (br $again))"))
    started = time.monotonic()
    guest.kill()
    assert time.monotonic() - started < 1
    assert guest.ended


def test_an_unknown_request_ends_with_its_name(runtime: str) -> None:
    guest = guest_class(runtime)(modules.find())
    hello(guest)
    guest.send(protocol.request("dance"))
    assert 'unknown op "dance"' in last_words(guest)


def test_a_misspelt_parameter_is_refused(runtime: str) -> None:
    guest = guest_class(runtime)(modules.find())
    hello(guest)
    fields = {"bytes": 1, "flash_attn": True, "dtw_aheads_preset": "", "dtw_mem_size": 0}
    guest.send(protocol.request("load", **fields, flash_atn=True))
    assert 'unknown field "flash_atn"' in last_words(guest)


def test_a_cpp_exception_becomes_an_error(runtime: str) -> None:
    """A vocabulary whose first token claims 4 GiB makes whisper.cpp's own vector throw."""
    header = struct.pack("<12i", 0x67676D6C, 51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1)
    filters = struct.pack("<2i", 80, 201) + bytes(80 * 201 * 4)
    model = header + filters + struct.pack("<iI", 50257, 0xFFFFFFFF) + bytes(1000)
    guest = guest_class(runtime)(modules.find())
    hello(guest)
    guest.send(protocol.load_request(len(model)) + model)
    message = last_words(guest)
    assert "vector" in message or "length" in message


def test_memory_that_cannot_be_had_becomes_an_error(runtime: str) -> None:
    """A model header that asks for more than a 32-bit memory holds."""
    sizes = (51864, 1500, 20480, 6, 32, 448, 20480, 6, 32, 80, 1)
    header = struct.pack("<12i", 0x67676D6C, *sizes)
    filters = struct.pack("<2i", 80, 201) + bytes(80 * 201 * 4)
    model = header + filters + struct.pack("<i", 0) + bytes(1000)
    guest = guest_class(runtime)(modules.find())
    hello(guest)
    guest.send(protocol.load_request(len(model)) + model)
    message = ""
    while "memory" not in message:
        try:
            line = guest.receive(5)
        except GuestError as error:
            message = str(error)
            break
        assert line is not None
        message = protocol.parse_event(line).get("message", "")
    guest.kill()
    assert "memory" in message or "alloc" in message


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Module, Path]:
    """A program that tries to get out, and the host's folder it tries to reach."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "secret").write_text("the host's secret", "utf-8")
    path = folder.parent / "probe.wasm"
    target = ["-target", "wasm32-wasi", "-O1"]
    defines = [f'-DHOST_FILE="{folder / "secret"}"', f'-DHOST_FOLDER="{folder}"']
    cache = Path(__file__).resolve().parents[3] / "build/wasm"
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache / "zig-global"),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "zig-local"),
    }
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *target, *defines, str(PROBE), "-o", str(path)],
        check=True,
        env=environment,
    )
    return module_of(path), folder


def test_the_sandbox_has_no_files_and_no_environment(
    runtime: str, probe: tuple[Module, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, folder = probe
    monkeypatch.setenv("WHISPERCTL_TEST_SECRET", "from the environment")
    guest = guest_class(runtime)(module)
    said: list[str] = []
    while "done" not in said:
        line = guest.receive(5)
        assert line is not None
        said.append(line.decode())
    guest.kill()
    assert not [line for line in said if "secret" in line.lower()]
    assert not [line for line in said if line.startswith("environment: WHISPERCTL")]
    assert sorted(path.name for path in folder.iterdir()) == ["secret"]


def test_an_unknown_runtime_is_named_with_those_there_are() -> None:
    with pytest.raises(BackendError, match='no runtime "wazero"; it has wasmer and wasmtime'):
        guest_class("wazero")
