"""Programs that attack their host: each ends with one clear error, and takes a bounded share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from whisperctl.errors import GuestError
from whisperctl_wasi.host.guest import Guest, Program
from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.host.output import Payload

Compile = Callable[[str], Program]

MIB = 1 << 20
TIGHT = Limits(
    memory_bytes=128 * MIB,
    threads=8,
    line_bytes=MIB,
    output_bytes=2 * MIB,
    error_bytes=MIB,
    start_s=30,
    idle_s=0.5,
)

FUNCTIONS = """
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
"""
# At 0 an iovec of the six bytes at 16.
DATA = """
    (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
    (data (i32.const 16) "words\\n")
"""
OWN_MEMORY = '(memory (export "memory") 2)'
SHARED_MEMORY = """
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (import "env" "memory" (memory 2 65536 shared))
    (export "memory" (memory 0))
"""
HELLO = """(data (i32.const 1024)
    "{\\"event\\":\\"hello\\",\\"protocol\\":2,\\"max_threads\\":1,\\"whisper\\":\\"\\",\\"system_info\\":\\"\\"}\\n"
)"""
HELLO_BYTES = 79


def program(body: str, more: str = "") -> str:
    return f'(module {FUNCTIONS} {OWN_MEMORY} {DATA} {more} (func (export "_start") {body}))'


def threaded(body: str, thread: str = "") -> str:
    start = f'(func (export "wasi_thread_start") (param i32 i32) {thread})'
    return f'(module {FUNCTIONS} {SHARED_MEMORY} {DATA} {start} (func (export "_start") {body}))'


def forever(body: str = "") -> str:
    return f"(loop $again {body} (br $again))"


def write(stream: int, iovs: int = 0, count: int = 1, written: int = 40) -> str:
    return (
        f"(call $fd_write (i32.const {stream}) (i32.const {iovs}) "
        f"(i32.const {count}) (i32.const {written}))"
    )


def iovec(at: int, pointer: int, length: int) -> str:
    return (
        f"(i32.store (i32.const {at}) (i32.const {pointer}))"
        f"(i32.store (i32.const {at + 4}) (i32.const {length}))"
    )


GROW = """(loop $again
    (if (i32.ne (memory.grow (i32.const 100)) (i32.const -1)) (then
        (memory.fill
            (i32.mul (i32.const 65536) (i32.sub (memory.size) (i32.const 100)))
            (i32.const 1) (i32.const 6553600))
        (br $again))))
    unreachable"""
WAIT = "(drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const -1)))"

HOSTILE = {
    "traps": program("unreachable"),
    "exits": program("(call $proc_exit (i32.const 7))"),
    "recurses without end": "(module (memory (export \"memory\") 1)"
    " (func $f (export \"_start\") (call $f)))",
    "spins before its greeting": program(forever()),
    "spins after its greeting": program(
        iovec(0, 1024, HELLO_BYTES) + f"(drop {write(1)})" + forever(), HELLO
    ),
    "spins in a thread": threaded("(drop (call $spawn (i32.const 0)))" + WAIT, forever()),
    "waits without end": threaded(WAIT),
    "sleeps without end": program(
        """(i32.store (i32.const 216) (i32.const 1))
        (i64.store (i32.const 224) (i64.const 9000000000000000000))
        (call $proc_exit (call $poll_oneoff
            (i32.const 200) (i32.const 400) (i32.const 1) (i32.const 900)))"""
    ),
    "reads and says nothing": program(
        "(drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 40)))"
        + forever()
    ),
    "writes lines without end": program(forever(f"(drop {write(1)})")),
    "writes errors without end": program(forever(f"(drop {write(2)})")),
    "writes a line without end": program(
        iovec(0, 1024, 100_000)
        + "(memory.fill (i32.const 1024) (i32.const 65) (i32.const 100000))"
        + forever(f"(drop {write(1)})")
    ),
    "sends payloads without end": program(
        iovec(0, 1024, 100_008)
        + forever(f"(drop {write(1)})"), '(data (i32.const 1024) "#100000\\n")'
    ),
    "announces a larger payload than it may send": program(
        iovec(0, 1024, 9) + f"(drop {write(1)})" + forever(),
        '(data (i32.const 1024) "#9999999\\n")',
    ),
    "announces a payload that does not come": program(
        iovec(0, 1024, 8) + f"(drop {write(1)})" + forever(),
        '(data (i32.const 1024) "#100000\\n")',
    ),
    "writes to streams it does not have": program(
        "".join(f"(if (i32.eqz {write(fd)}) (then unreachable))" for fd in (3, 4, 255, -1))
        + "(call $proc_exit (i32.const 9))"
    ),
    "starts threads without end": threaded(forever("(drop (call $spawn (i32.const 0)))"), WAIT),
    "traps in a thread": threaded("(drop (call $spawn (i32.const 0)))" + WAIT, "unreachable"),
    "takes memory without end": program(GROW),
    "takes shared memory without end": threaded(GROW),
    "takes tables without end": program(
        """(loop $again
            (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1))))
        unreachable""",
        "(table 1 funcref)",
    ),
    "says what steers a terminal": program(
        iovec(0, 1024, 30) + f"(drop {write(2)})" + "unreachable",
        '(data (i32.const 1024) "\\1b[2J\\1b]0;owned\\07\\0d\\c2\\9b1A\\e2\\80\\aeowned!")',
    ),
    "polls more than there is": program(
        "(call $proc_exit (i32.add (i32.const 1) (call $poll_oneoff"
        " (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 900))))"
    ),
    "exports no _start": '(module (memory (export "memory") 1))',
    "exports no memory": f'(module {FUNCTIONS} (func (export "_start") (drop {write(1)})'
    " (call $proc_exit (i32.const 1))))",
    "imports what there is not": '(module (import "host" "secret" (func $f))'
    ' (memory (export "memory") 1) (func (export "_start") (call $f)))',
    "imports files": '(module (import "wasi_snapshot_preview1" "path_open" (func'
    " (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    ' (memory (export "memory") 1) (func (export "_start")))',
    "begins with more memory than it may have": program("unreachable").replace(
        OWN_MEMORY, '(memory (export "memory") 4000)'
    ),
}  # fmt: skip


def ending(guest: Guest) -> tuple[str, list[bytes]]:
    lines: list[bytes] = []
    with pytest.raises(GuestError) as caught:
        while True:
            part = guest.receive(0.1)
            if part is not None:
                lines.append(bytes(part.data) if isinstance(part, Payload) else part)
    return str(caught.value), lines


@pytest.mark.slow
@pytest.mark.parametrize("what", HOSTILE)
def test_a_guest_ends_with_one_line_and_within_its_limits(
    what: str,
    runtime: str,
    compiled: Compile,
    code_cache: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    started = time.monotonic()
    guest = None
    lines: list[bytes] = []
    try:
        guest = Guest(runtime, compiled(HOSTILE[what]), TIGHT, code_cache)
    except GuestError as error:
        message = str(error)
    else:
        try:
            message, lines = ending(guest)
            usage = guest.usage()
            assert usage.peak_bytes is None or usage.peak_bytes < 700 * MIB
        finally:
            guest.kill()
    assert message.isprintable()
    assert runtime in message
    assert len(message) < 1000
    assert sum(map(len, lines)) <= TIGHT.output_bytes
    assert time.monotonic() - started < 20  # half a second of idling, and what a busy machine takes
    # Neither the runtime nor the guest reaches the terminal.
    assert capfd.readouterr() == ("", "")


# What a call of WASI gets for a pointer that is not its own memory's. The memory has 131072 bytes.
POINTERS = [-1, -8, -48, -4096, -(1 << 31), (1 << 31) - 1, 131_065, 131_071, 131_072]
CALLS = {
    "fd_write, list": "(call $fd_write (i32.const 1) {} (i32.const 1) (i32.const 40))",
    "fd_write, result": "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) {})",
    "fd_read, list": "(call $fd_read (i32.const 0) {} (i32.const 1) (i32.const 40))",
    "poll_oneoff, in": "(call $poll_oneoff {} (i32.const 1024) (i32.const 1) (i32.const 900))",
    "poll_oneoff, out": "(call $poll_oneoff (i32.const 200) {} (i32.const 1) (i32.const 900))",
    "poll_oneoff, count": "(call $poll_oneoff (i32.const 200) (i32.const 400) (i32.const 1) {})",
    "clock_time_get": "(call $clock_time_get (i32.const 1) (i64.const 1) {})",
    "random_get": "(call $random_get {} (i32.const 4096))",
    "environ_sizes_get": "(call $environ_sizes_get {} (i32.const 900))",
    "args_sizes_get": "(call $args_sizes_get (i32.const 900) {})",
    "fd_fdstat_get": "(call $fd_fdstat_get (i32.const 1) {})",
    "fd_prestat_get": "(call $fd_prestat_get (i32.const 3) {})",
    "fd_seek": "(call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) {})",
}
MORE_FUNCTIONS = """
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get"
        (func $fd_fdstat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get"
        (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek"
        (func $fd_seek (param i32 i64 i32 i32) (result i32)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_no_call_reads_or_writes_beyond_the_guests_memory(
    call: str, runtime: str, compiled: Compile, code_cache: Path
) -> None:
    """Each pointer in turn, until a call traps; the host lives on, and no byte of it comes out."""
    body = "".join(
        f"(if (i32.eqz {CALLS[call].format(f'(i32.const {pointer})')})"
        f" (then (i32.store8 (i32.const 16) (i32.const {65 + i}))))"
        for i, pointer in enumerate(POINTERS)
    )
    # Whatever a call put into the memory is written out, to be looked at.
    whole = iovec(0, 0, 131_072) + f"(drop {write(1)})" + iovec(0, 16, 6) + f"(drop {write(1)})"
    text = f"(module {FUNCTIONS} {MORE_FUNCTIONS} {OWN_MEMORY} {DATA}"
    guest = Guest(
        runtime,
        compiled(f'{text} (func (export "_start") {body} {whole}))'),
        TIGHT,
        code_cache,
    )
    try:
        with suppress(GuestError):  # it may have ended
            guest.send(b"fed")
        message, lines = ending(guest)
    finally:
        guest.kill()
    assert "SIGSEGV" not in message
    assert "SIGBUS" not in message
    said = b"".join(lines)
    for path in (b"/lib", b"\x7fELF", b"whisperctl", b"PATH="):
        assert path not in said


SHAPES = {
    "fd_read": "iiii", "fd_write": "iiii", "poll_oneoff": "iiii", "clock_time_get": "ili",
    "random_get": "ii", "environ_sizes_get": "ii", "args_sizes_get": "ii", "fd_fdstat_get": "ii",
    "fd_prestat_get": "ii", "fd_seek": "ilii",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_no_arguments_whatever_end_the_host(
    seed: int, runtime: str, compiled: Compile, code_cache: Path
) -> None:
    """Random and extreme arguments, while another thread has the memory grow."""
    chance = random.Random(seed)
    extremes = [0, 1, 2, 3, 8, 48, 65_535, 65_536, *POINTERS, -2, -65_536]

    def argument(shape: str) -> str:
        number = chance.choice([chance.choice(extremes), chance.randrange(-(1 << 31), 1 << 31)])
        return f"(i64.const {number << 20})" if shape == "l" else f"(i32.const {number})"

    calls = []
    for _ in range(40):
        name = chance.choice(list(SHAPES))
        # A sleep without end is another test's.
        if name == "poll_oneoff":
            calls.append("(memory.fill (i32.const 0) (i32.const 1) (i32.const 4096))")
        calls.append(f"(drop (call ${name} {' '.join(map(argument, SHAPES[name]))}))")
    text = f"""(module {FUNCTIONS} {MORE_FUNCTIONS} {SHARED_MEMORY} {DATA}
        (func (export "wasi_thread_start") (param i32 i32)
            {forever("(drop (memory.grow (i32.const 1)))")})
        (func (export "_start")
            (drop (call $spawn (i32.const 0)))
            {" ".join(calls)}
            (call $proc_exit (i32.const 3))))"""
    guest = Guest(runtime, compiled(text), TIGHT, code_cache)
    try:
        with suppress(GuestError):  # it may have ended
            guest.send(bytes(1000))
        message, _ = ending(guest)
    finally:
        guest.kill()
    assert runtime in message
    # Wasmer ends its process when it cannot allocate what a call asks for, which ends no other.
    for crash in ("SIGSEGV", "SIGBUS", "SIGILL"):
        assert crash not in message


@pytest.mark.slow
def test_the_default_limits_end_memory_and_output_without_end(
    runtime: str, compiled: Compile, code_cache: Path
) -> None:
    for what in ("writes a line without end", "takes shared memory without end"):
        limits = replace(Limits(), memory_bytes=1024 * MIB)  # 4 GiB are slow to fill
        guest = Guest(runtime, compiled(HOSTILE[what]), limits, code_cache)
        try:
            message, _ = ending(guest)
            peak = guest.usage().peak_bytes
        finally:
            guest.kill()
        assert runtime in message
        assert peak is None or peak < 1700 * MIB


@pytest.mark.slow
def test_a_guest_that_takes_no_input_is_ended(
    runtime: str, compiled: Compile, code_cache: Path
) -> None:
    guest = Guest(runtime, compiled(program(forever())), TIGHT, code_cache)
    try:
        with pytest.raises(GuestError, match=r"took no input for 0\.5 s"):
            while True:
                guest.send(bytes(MIB))
    finally:
        guest.kill()


@pytest.mark.slow
def test_a_guest_that_says_much_and_answers_nothing_is_ended(
    runtime: str, compiled: Compile, code_cache: Path
) -> None:
    """A line every 20 ms is far from a flood, and no answer."""
    nap = """(i32.store (i32.const 216) (i32.const 1))
        (i64.store (i32.const 224) (i64.const 20000000))
        (drop (call $poll_oneoff (i32.const 200) (i32.const 400) (i32.const 1) (i32.const 900)))"""
    text = program(forever(f"(drop {write(1)}) {nap}"))
    guest = Guest(runtime, compiled(text), TIGHT, code_cache)
    try:
        message, lines = ending(guest)
    finally:
        guest.kill()
    assert "it did not answer for 0.5 s" in message
    assert lines


def test_short_lines_count_for_what_they_take_in_the_host(
    compiled: Compile, code_cache: Path
) -> None:
    limits = replace(TIGHT, idle_s=30.0)  # a busy machine takes longer to read them than TIGHT has
    text = program(forever(f"(drop {write(1)})"))
    guest = Guest("wasmtime", compiled(text), limits, code_cache)
    try:
        message, lines = ending(guest)
    finally:
        guest.kill()
    assert "it wrote more than 2 MiB of output" in message
    assert len(lines) < limits.output_bytes / 64


def test_the_host_ends_what_a_guest_does_when_it_dies_itself(
    runtime: str, compiled: Compile, code_cache: Path
) -> None:
    """A guest that computes does not outlive a host that was killed."""
    import os
    import subprocess
    import sys

    guest_of = compiled(program(forever()))
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from whisperctl_wasi.host.guest import Guest, Program\n"
        "from whisperctl_wasi.host.limits import Limits\n"
        "runtime, path, sha256, cache = sys.argv[1:]\n"
        "guest = Guest(runtime, Program(Path(path), sha256), Limits(), Path(cache))\n"
        "print(guest.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    host = subprocess.Popen(
        [sys.executable, "-c", code, runtime, guest_of.path, guest_of.sha256, code_cache],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    pid = int(host.stdout.readline())
    host.kill()
    host.wait()
    host.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            # An orphan that nobody waits for stays as a zombie where there is no init.
            if Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    pytest.fail("the guest lives on")
