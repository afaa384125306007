"""What the wasi backend's tests share: a recording, models, programs, a check for threads."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.models import store
from whisperctl_wasi.host.guest import Program

ROOT = Path(__file__).resolve().parents[3]

RUNTIMES = ("wasmer", "wasmtime")


@pytest.fixture(scope="session")
def jfk() -> Audio:
    return audio.load(ROOT / "samples/jfk.wav")


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return store.resolve("tiny.en")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], Program]:
    """Makes a program of WebAssembly's text format."""

    def make(text: str) -> Program:
        import wasmtime

        path = tmp_path / "guest.wasm"
        path.write_bytes(wasmtime.wat2wasm(text))
        return Program(path, hashlib.sha256(path.read_bytes()).hexdigest())

    return make


@pytest.fixture
def talker(compiled: Callable[[str], Program]) -> Callable[..., Program]:
    """Makes a program that says something once, and then something before each of its reads."""

    def make(once: bytes, forever: bytes = b"") -> Program:
        # Three vectors of WASI's: both texts behind them, and a page for what is read.
        head = struct.pack("<6I", 64, len(once), 64 + len(once), len(forever), 1 << 20, 1 << 16)
        data = "".join(f"\\{byte:02x}" for byte in head.ljust(64, b"\0") + once + forever)
        return compiled(
            f"""(module
            (import "wasi_snapshot_preview1" "fd_read"
                (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 20)
            (data (i32.const 0) "{data}")
            (func (export "_start")
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (loop $again
                    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32)))
                    (drop (call $fd_read
                        (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 32)))
                    (br_if $again (i32.load (i32.const 32))))))"""
        )

    return make


@pytest.fixture(scope="session")
def code_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the machine code of test programs, which have no place among the user's."""
    return tmp_path_factory.mktemp("code")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not left, f"threads left behind: {left}"
