"""Runs the guest under Wasmtime, in threads of this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import wasmtime
from wasmtime import FuncType, ValType

from whisperctl.caching import cache_dir
from whisperctl.errors import GuestError
from whisperctl_wasi.guest import Chunk, Guest
from whisperctl_wasi.modules import Module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS = "nofma"
"""What ``_new_engine`` sets that changes the code, for the name of the cached file."""

_ERRNO_SUCCESS = 0
_ERRNO_BADF = 8
_POLL_FD_READ = 1
_STDIN = 0
_STDOUT = 1
_STDERR = 2
_POLL_S = 0.1


class _KilledError(Exception):
    """Unwinds a guest that waits for input when it is killed."""


class _SharedMemory(wasmtime.SharedMemory):
    """A shared memory that can be given to a linker.

    wasmtime-py 50 hands over a pointer to the pointer where the C API takes the pointer itself.
    """

    def _as_extern(self) -> Any:
        from wasmtime import _ffi as ffi

        union = ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        return ffi.wasmtime_extern_t(ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def _new_engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.shared_memory = True
    config.wasm_threads = True
    config.wasm_relaxed_simd = True
    # Wasmer rounds a relaxed multiply-add twice, and where this one rounds once the two runtimes
    # drift apart in the last bits, until a timestamp or a word differs.
    config.cranelift_flag_set("has_fma", "false")
    # Lets a kill reach a guest in mid-computation, at its next loop header.
    config.epoch_interruption = True
    return wasmtime.Engine(config)


def _compiled(engine: wasmtime.Engine, module: Module) -> wasmtime.Module:
    """Machine code for ``module``, from the cache when this version of Wasmtime put it there."""
    # Wasmtime does not notice that code was compiled with other CPU flags than it is to run with.
    name = f"{module.sha256[:32]}-{version('wasmtime')}-{_FLAGS}.cwasm"
    cached = cache_dir("wasmtime") / name
    if cached.is_file():
        # Wasmtime refuses damaged code and that of another version; it is made anew then.
        with contextlib.suppress(wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize_file(engine, str(cached))
    code = wasmtime.Module.from_file(engine, module.path)
    _save(cached, bytes(code.serialize()))
    return code


def _save(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # A cache that cannot be written (a full disk) costs time the next time, nothing else.
    with contextlib.suppress(OSError):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


class WasmtimeGuest(Guest):
    """A guest under Wasmtime: the main program and each of its threads is a thread here."""

    runtime = "wasmtime"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._input: queue.Queue[Chunk | None] = queue.Queue(maxsize=4)
        self._reading = memoryview(b"")
        self._input_ended = False
        self._killed = threading.Event()
        self._next_thread_id = 1
        self._threads: list[threading.Thread] = []
        self._threads_lock = threading.Lock()

        started = time.perf_counter()
        # An engine of its own, because a kill moves the clock of every guest of the engine.
        self._engine = _new_engine()
        self._module = _compiled(self._engine, module)
        compiled = time.perf_counter()
        self._memory = self._shared_memory()
        store, instance = self._instantiate()
        self.compile_ms = (compiled - started) * 1000
        self.instantiate_ms = (time.perf_counter() - compiled) * 1000
        start = instance.exports(store)["_start"]
        if not isinstance(start, wasmtime.Func):
            raise GuestError(f"{module.path.name} is not a WASI command: it exports no _start")
        self._main = threading.Thread(
            target=self._run_main, args=(store, start), name="whisperctl-wasmtime", daemon=True
        )
        self._main.start()

    def send(self, chunk: Chunk) -> None:
        """See ``Guest.send``."""
        while not self.ended:
            try:
                self._input.put(chunk, timeout=_POLL_S)
            except queue.Full:
                continue
            return
        raise self._end_error()

    def finish(self) -> None:
        """See ``Guest.finish``."""
        while not self.ended:
            try:
                self._input.put(None, timeout=_POLL_S)
                break
            except queue.Full:
                continue
        self._join()

    def kill(self) -> None:
        """See ``Guest.kill``."""
        self._killed.set()
        while any(thread.is_alive() for thread in self._all_threads()):
            self._engine.increment_epoch()
            for thread in self._all_threads():
                thread.join(0.01)

    def _all_threads(self) -> Iterator[threading.Thread]:
        with self._threads_lock:
            threads = [self._main, *self._threads]
        yield from threads

    def _join(self) -> None:
        for thread in self._all_threads():
            thread.join()

    def _shared_memory(self) -> _SharedMemory | None:
        for item in self._module.imports:
            if isinstance(item.type, wasmtime.MemoryType):
                return _SharedMemory(self._engine, item.type)
        return None

    def _instantiate(self) -> tuple[wasmtime.Store, wasmtime.Instance]:
        store = wasmtime.Store(self._engine)
        store.set_epoch_deadline(1)
        # A clock, and nothing else: no directory, no environment, no arguments, no streams.
        store.set_wasi(wasmtime.WasiConfig())

        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        # The streams are ours. wasmtime-py takes standard input from a file only, and its output
        # callbacks belong to runtime threads that outlive the interpreter and abort the process.
        linker.allow_shadowing = True
        i32 = ValType.i32()
        streams = {
            "fd_read": self._fd_read,
            "fd_write": self._fd_write,
            "poll_oneoff": self._poll_oneoff,
        }
        for name, function in streams.items():
            linker.define_func(
                "wasi_snapshot_preview1",
                name,
                FuncType([i32, i32, i32, i32], [i32]),
                function,
                access_caller=True,
            )
        if self._memory is not None:
            linker.define(store, "env", "memory", self._memory)
            linker.define_func("wasi", "thread-spawn", FuncType([i32], [i32]), self._thread_spawn)
        return store, linker.instantiate(store, self._module)

    def _run_main(self, store: wasmtime.Store, start: wasmtime.Func) -> None:
        reason = self._run(lambda: start(store))
        with self._threads_lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        self._on_end(reason)

    def _run_thread(self, thread_id: int, argument: int) -> None:
        def work() -> None:
            store, instance = self._instantiate()
            start = instance.exports(store)["wasi_thread_start"]
            if isinstance(start, wasmtime.Func):
                start(store, thread_id, argument)

        reason = self._run(work)
        if reason and not self._killed.is_set():
            # The program cannot go on without this thread, and the one that waits for it would wait
            # for ever.
            self._on_end(reason)
            self._killed.set()
            self._engine.increment_epoch()

    def _run(self, work: Any) -> str:
        """Run guest code to its end; how it ended, empty when as it should."""
        try:
            work()
        except _KilledError:
            return "it was stopped"
        except wasmtime.ExitTrap as exit_:
            return f"exit code {exit_.code}" if exit_.code else ""
        except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
            return "it was stopped" if self._killed.is_set() else _first_line(trap)
        return ""

    def _thread_spawn(self, argument: int) -> int:
        with self._threads_lock:
            thread_id = self._next_thread_id
            self._next_thread_id += 1
            thread = threading.Thread(
                target=self._run_thread,
                args=(thread_id, argument),
                name=f"whisperctl-wasmtime-{thread_id}",
                daemon=True,
            )
            self._threads.append(thread)
        thread.start()
        return thread_id

    def _memory_address(self, caller: wasmtime.Caller) -> int:
        memory: Any = self._memory
        if memory is not None:
            pointer = memory.data_ptr()
        else:
            memory = caller["memory"]
            pointer = memory.data_ptr(caller)
        return ctypes.addressof(pointer.contents)

    def _fd_read(
        self, caller: wasmtime.Caller, fd: int, iovs: int, iovs_len: int, read_out: int
    ) -> int:
        """WASI's fd_read: what standard input has, at least a byte unless it has ended."""
        if fd != _STDIN:
            return _ERRNO_BADF
        base = self._memory_address(caller)
        if not len(self._reading) and not self._input_ended:
            self._reading = self._next_chunk()
        total = 0
        for i in range(iovs_len):
            address, length = _words(base + iovs + 8 * i, 2)
            part = self._reading[:length]
            if len(part):
                into = (ctypes.c_char * len(part)).from_address(base + address)
                memoryview(into).cast("B")[:] = part
                self._reading = self._reading[len(part) :]
                total += len(part)
        ctypes.c_uint32.from_address(base + read_out).value = total
        return _ERRNO_SUCCESS

    def _fd_write(
        self, caller: wasmtime.Caller, fd: int, iovs: int, iovs_len: int, written_out: int
    ) -> int:
        """WASI's fd_write, for standard output and standard error."""
        take = {_STDOUT: self._on_stdout, _STDERR: self._on_stderr}.get(fd)
        if take is None:
            return _ERRNO_BADF
        base = self._memory_address(caller)
        data = bytearray()
        for i in range(iovs_len):
            address, length = _words(base + iovs + 8 * i, 2)
            data += ctypes.string_at(base + address, length)
        take(bytes(data))
        ctypes.c_uint32.from_address(base + written_out).value = len(data)
        return _ERRNO_SUCCESS

    def _poll_oneoff(
        self, caller: wasmtime.Caller, subscriptions: int, events: int, count: int, count_out: int
    ) -> int:
        """WASI's poll_oneoff, without waiting: whether input can be read, or that time is up.

        The guest only ever asks with a timeout of nothing. Layouts are those of WASI preview 1:
        a subscription has 48 bytes, an event 32.
        """
        base = self._memory_address(caller)
        readable = bool(len(self._reading)) or not self._input.empty() or self._input_ended
        happened = 0
        for i in range(count):
            at = base + subscriptions + 48 * i
            kind = ctypes.c_uint8.from_address(at + 8).value
            if kind == _POLL_FD_READ and not readable:
                continue
            event = base + events + 32 * happened
            ctypes.memset(event, 0, 32)
            ctypes.memmove(event, at, 8)
            ctypes.c_uint8.from_address(event + 10).value = kind
            happened += 1
        ctypes.c_uint32.from_address(base + count_out).value = happened
        return _ERRNO_SUCCESS

    def _next_chunk(self) -> memoryview:
        while True:
            if self._killed.is_set():
                raise _KilledError
            try:
                chunk = self._input.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if chunk is None:
                self._input_ended = True
                return memoryview(b"")
            if len(chunk):
                return memoryview(chunk).cast("B")


def _words(address: int, count: int) -> tuple[int, ...]:
    return tuple((ctypes.c_uint32 * count).from_address(address))


def _first_line(error: Exception) -> str:
    """The trap's own name, without the backtrace around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if line.startswith("Caused by") and i + 1 < len(lines):
            return lines[-1].removeprefix("1:").strip()
    return lines[0] if lines else type(error).__name__
