"""Running guests: their ends, their last words, and what they cannot reach, on both runtimes."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from whisperctl.engine.resources import cpu_time_s, own_usage, peak_memory_bytes
from whisperctl.errors import BackendError, GuestError
from whisperctl_wasi import modules, protocol, runtimes
from whisperctl_wasi.conversation import hello
from whisperctl_wasi.host.conversation import Event
from whisperctl_wasi.host.guest import Guest, Program
from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.host.output import Payload
from whisperctl_wasi.host.process import Process

PROBE = Path(__file__).with_name("probe.c")
ROOT = Path(__file__).resolve().parents[4]


def wat(body: str) -> str:
    """A WASI command around ``body``, which ends with the instructions of ``_start``."""
    return f"""(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
        (data (i32.const 16) "words\\n")
        (func (export "_start") {body}))"""


def last_words(guest: Guest) -> str:
    with pytest.raises(GuestError) as caught:
        while True:
            guest.receive(0.1)
    guest.kill()
    return str(caught.value)


def test_the_guest_greets_with_its_versions(runtime: str) -> None:
    guest = runtimes.start(runtime, modules.find(), Limits())
    greeting = hello(guest)
    guest.finish()
    assert greeting.whisper == modules.find().whisper_version
    assert "WASM_SIMD = 1" in greeting.system_info


@pytest.mark.parametrize("variant", [modules.PORTABLE, modules.THREADS])
def test_both_variants_end_by_themselves_when_the_input_ends(runtime: str, variant: str) -> None:
    guest = runtimes.start(runtime, modules.find(variant), Limits())
    hello(guest)
    guest.finish()
    assert guest.ended


def test_a_trap_becomes_an_error_with_the_guests_own_words(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    words = "(drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 40)))"
    guest = Guest(runtime, compiled(wat(words + "unreachable")), Limits(), code_cache)
    message = last_words(guest)
    assert "words" in message
    assert runtime in message
    assert "\n" not in message


def test_an_exit_code_is_named(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    program = compiled(wat("(call $proc_exit (i32.const 7))"))
    assert "exit code 7" in last_words(Guest(runtime, program, Limits(), code_cache))


def test_a_payload_arrives_as_it_was_sent_between_lines(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    """300 000 bytes, each the low byte of its number: among them are line ends and ``#``."""
    program = compiled(
        """(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 6)
        (data (i32.const 64) "before\\n#300000\\nafter\\n")
        (func $say (param i32 i32)
            (loop $rest
                (i32.store (i32.const 0) (local.get 0))
                (i32.store (i32.const 4) (local.get 1))
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (local.set 0 (i32.add (local.get 0) (i32.load (i32.const 8))))
                (local.set 1 (i32.sub (local.get 1) (i32.load (i32.const 8))))
                (br_if $rest (local.get 1))))
        (func (export "_start") (local $i i32)
            (loop $fill
                (i32.store8 (i32.add (i32.const 1024) (local.get $i)) (local.get $i))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $fill (i32.lt_u (local.get $i) (i32.const 300000))))
            (call $say (i32.const 64) (i32.const 15))
            (call $say (i32.const 1024) (i32.const 300000))
            (call $say (i32.const 79) (i32.const 6))))"""
    )
    guest = Guest(runtime, program, Limits(), code_cache)
    parts = [guest.receive(10) for _ in range(3)]
    guest.kill()
    expected = Payload(bytearray(i & 255 for i in range(300_000)))
    assert parts == [b"before", expected, b"after"]


def test_killing_a_guest_that_computes_takes_less_than_a_second(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    program = compiled(wat("(loop $again (br $again))"))
    guest = Guest(runtime, program, Limits(), code_cache)
    started = time.monotonic()
    guest.kill()
    assert time.monotonic() - started < 1
    assert guest.ended
    with pytest.raises(ProcessLookupError):
        os.kill(guest.pid, 0)


@pytest.mark.slow
def test_what_a_guest_takes_counts_as_the_hosts(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    program = compiled(wat("(loop $again (br $again))"))
    before_s = cpu_time_s()
    guest = Guest(runtime, program, Limits(), code_cache)
    try:
        deadline = time.monotonic() + 10
        while guest.usage().cpu_s < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        during_s, peak_bytes = cpu_time_s(), peak_memory_bytes()
        own_bytes, guest_bytes = own_usage().peak_bytes, guest.usage().peak_bytes
    finally:
        guest.kill()
    assert during_s - before_s >= 0.3
    assert peak_bytes is None or peak_bytes >= (own_bytes or 0) + (guest_bytes or 0) > 10_000_000
    assert cpu_time_s() >= during_s


def test_a_guest_runs_where_the_hosts_own_streams_are_closed(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path, tmp_path: Path
) -> None:
    program = compiled(wat("(call $proc_exit (i32.const 7))"))
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "for handle in range(3): os.close(handle)\n"
        "from whisperctl_wasi.host.guest import Guest, Program\n"
        "from whisperctl_wasi.host.limits import Limits\n"
        "runtime, path, sha256, cache, out = sys.argv[1:]\n"
        "try:\n"
        "    guest = Guest(runtime, Program(Path(path), sha256), Limits(), Path(cache))\n"
        "    while True: guest.receive(1)\n"
        "except Exception as error:\n"
        "    Path(out).write_text(str(error), 'utf-8')\n"
        "    guest.kill()\n"
    )
    out = tmp_path / "out"
    arguments = (runtime, program.path, program.sha256, code_cache, out)
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=60)
    assert "exit code 7" in out.read_text("utf-8")


def test_a_module_that_is_not_the_installed_one_is_not_run(
    runtime: str, compiled: Callable[[str], Program], code_cache: Path
) -> None:
    program = compiled(wat(""))
    program.path.write_bytes(program.path.read_bytes() + b"\0\1\0")
    with pytest.raises(GuestError, match="is not the file that was installed"):
        Guest(runtime, program, Limits(), code_cache)


def test_an_unknown_request_ends_with_its_name(runtime: str) -> None:
    guest = runtimes.start(runtime, modules.find(), Limits())
    hello(guest)
    guest.send(protocol.request("dance"))
    assert 'unknown op "dance"' in last_words(guest)


def test_a_misspelt_parameter_is_refused(runtime: str) -> None:
    guest = runtimes.start(runtime, modules.find(), Limits())
    hello(guest)
    fields = {"bytes": 1, "flash_attn": True, "dtw_aheads_preset": "", "dtw_mem_size": 0}
    guest.send(protocol.request("load", **fields, flash_atn=True))
    assert 'unknown field "flash_atn"' in last_words(guest)


def test_a_cpp_exception_becomes_an_error(runtime: str) -> None:
    """A vocabulary whose first token claims 4 GiB makes whisper.cpp's own vector throw."""
    header = struct.pack("<12i", 0x67676D6C, 51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1)
    filters = struct.pack("<2i", 80, 201) + bytes(80 * 201 * 4)
    model = header + filters + struct.pack("<iI", 50257, 0xFFFFFFFF) + bytes(1000)
    guest = runtimes.start(runtime, modules.find(), Limits())
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
    guest = runtimes.start(runtime, modules.find(), Limits())
    hello(guest)
    guest.send(protocol.load_request(len(model)) + model)
    message = ""
    while "memory" not in message:
        try:
            line = guest.receive(5)
        except GuestError as error:
            message = str(error)
            break
        assert isinstance(line, bytes)
        message = _message(protocol.parse_event(line))
    guest.kill()
    assert "memory" in message or "alloc" in message


def _message(event: Event | None) -> str:
    return event.message if isinstance(event, protocol.Failed) else ""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:
    """A program that tries to get out, and the host's folder it tries to reach."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "secret").write_text("the host's secret", "utf-8")
    path = folder.parent / "probe.wasm"
    # As the module that decodes is linked, or zig would compile its C library once more.
    target = ["-target", "wasm32-wasi", "-mcpu=generic+simd128+bulk_memory+atomics", "-O2", "-s"]
    defines = [f'-DHOST_FILE="{folder / "secret"}"', f'-DHOST_FOLDER="{folder}"']
    cache = ROOT / "build/wasm"
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
    return Program(path, hashlib.sha256(path.read_bytes()).hexdigest()), folder


def test_the_sandbox_has_no_files_no_sockets_and_no_environment(
    runtime: str,
    probe: tuple[Program, Path],
    code_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program, folder = probe
    monkeypatch.setenv("WHISPERCTL_TEST_SECRET", "from the environment")
    # Guests are refused what this one imports; here it gets it, to see what the runtime gives.
    guest = Guest(runtime, program, Limits(imports=None), code_cache)
    said: list[str] = []
    while "done" not in said:
        line = guest.receive(5)
        assert isinstance(line, bytes)
        said.append(line.decode())
    guest.kill()
    assert not [line for line in said if "secret" in line.lower()]
    assert not [line for line in said if line.startswith("environment: WHISPERCTL")]
    assert {line.partition(":")[0] for line in said} <= {"listed", "environment", "done"}
    assert sorted(path.name for path in folder.iterdir()) == ["secret"]


@pytest.mark.slow
def test_wasmers_own_sockets_reach_no_network(
    compiled: Callable[[str], Program], code_cache: Path
) -> None:
    """WASIX has sockets. No guest may import it; here one does all the same."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        address = "".join(f"\\{byte:02x}" for byte in struct.pack("<BxH4B", 1, port, 127, 0, 0, 1))
        program = compiled(
            f"""(module
            (import "wasix_32v1" "sock_open"
                (func $open (param i32 i32 i32 i32) (result i32)))
            (import "wasix_32v1" "sock_connect" (func $connect (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 64) "{address}")
            (func (export "_start")
                (if (call $open (i32.const 1) (i32.const 1) (i32.const 6) (i32.const 0))
                    (then (call $proc_exit (i32.const 8))))
                (if (call $connect (i32.load (i32.const 0)) (i32.const 64))
                    (then (call $proc_exit (i32.const 9))))))"""
        )
        guest = Guest("wasmer", program, Limits(imports=None), code_cache)
        message = last_words(guest)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "exit code 8" in message or "exit code 9" in message


def test_an_unknown_runtime_is_named_with_those_there_are() -> None:
    with pytest.raises(BackendError, match='no runtime "wazero"; it has wasmer and wasmtime'):
        runtimes.start("wazero", modules.find(), Limits())


def test_a_waiting_process_becomes_the_guests() -> None:
    waiting = Process("wasmtime")
    guest = runtimes.start(None, modules.media(), Limits(), order=["wasmtime"], process=waiting)
    try:
        assert guest.pid == waiting.popen.pid
        assert guest.receive(60) is not None
    finally:
        guest.kill()


def test_a_waiting_process_of_another_runtime_ends() -> None:
    waiting = Process("wasmer")
    with pytest.raises(BackendError):
        runtimes.start(
            None, Program(Path("missing"), ""), Limits(), order=["wasmtime"], process=waiting
        )
    assert waiting.popen.returncode is not None


def test_a_waiting_process_ends_with_its_host() -> None:
    with Process("wasmtime") as waiting:
        waiting.control.close()
        assert waiting.popen.wait(60) == 1
