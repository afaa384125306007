"""Runs a module under Wasmtime, on the streams of this process.

No function here touches the guest's memory. Its streams and its clock are Wasmtime's own WASI; the
one function of ours, ``thread-spawn``, takes a number and gives a number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisperctl_wasi.host import code_cache
from whisperctl_wasi.host.child import CannotRunError, Line, Order, UnavailableError

try:
    import wasmtime
    from wasmtime import FuncType, ValType
# A native library that does not fit the system fails in ways of its own.
except Exception as error:
    raise UnavailableError(f"wasmtime does not load: {error}") from error

if TYPE_CHECKING:
    from typing import NoReturn

_FLAGS = "nofma"
"""What ``_new_engine`` sets that changes the code, for the name of the cached file."""

_PAGE_BYTES = 1 << 16
_STACK_BYTES = 4 << 20
_WASM_STACK_BYTES = 1 << 20


class _SharedMemory(wasmtime.SharedMemory):
    """A shared memory that can be given to a linker.

    wasmtime-py 50 hands over a pointer to the pointer where the C API takes the pointer itself.
    """

    def _as_extern(self) -> Any:
        from wasmtime import _ffi as ffi

        union = ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        return ffi.wasmtime_extern_t(ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def run(module: bytes, order: Order, line: Line) -> NoReturn:
    """Compile, instantiate and run ``module``; tells the host, and ends the process.

    Raises:
        CannotRunError: Wasmtime refuses the module, or it is not a command.
    """
    threading.stack_size(_STACK_BYTES)
    started = time.perf_counter()
    engine = _new_engine()
    try:
        compiled = _compiled(engine, module, order)
    except wasmtime.WasmtimeError as error:
        raise CannotRunError(f"cannot be compiled: {_first_line(error)}") from error
    compiled_at = time.perf_counter()
    program = _Program(engine, compiled, order, line)
    store, start = program.instantiate("_start", stdin=True)
    now = time.perf_counter()
    line.say("started", [(compiled_at - started) * 1000, (now - compiled_at) * 1000])
    line.end(ending(lambda: start(store)))


class _Program:
    """A compiled module with the memory that all its instances share."""

    def __init__(
        self, engine: wasmtime.Engine, module: wasmtime.Module, order: Order, line: Line
    ) -> None:
        self._engine = engine
        self._module = module
        self._order = order
        self._line = line
        self._lock = threading.Lock()
        self._n_threads = 0
        self._memory = self._shared_memory()

    def instantiate(
        self, export: str, *, stdin: bool = False
    ) -> tuple[wasmtime.Store, wasmtime.Func]:
        """An instance, and the function that it exports.

        Raises:
            CannotRunError: the module cannot be instantiated, or has no such function.
        """
        store = wasmtime.Store(self._engine)
        store.set_limits(
            memory_size=self._order.memory_bytes, instances=1, memories=1, tables=1,
            table_elements=1 << 20,
        )  # fmt: skip
        streams = wasmtime.WasiConfig()
        if stdin:
            # Opened by its name: Wasmtime reads an inherited one in pieces of a kilobyte.
            streams.stdin_file = "/dev/fd/0"
        # And it gives an inherited one to Rust's standard output, which cuts raw bytes at newlines.
        streams.stdout_file = "/dev/fd/1"
        streams.inherit_stderr()
        store.set_wasi(streams)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        try:
            if self._memory is not None:
                linker.define(store, "env", "memory", self._memory)
            linker.define_func(
                "wasi", "thread-spawn", FuncType([ValType.i32()], [ValType.i32()]), self._spawn
            )
            instance = linker.instantiate(store, self._module)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise CannotRunError(f"cannot be started: {_first_line(error)}") from error
        function = instance.exports(store).get(export)
        if not isinstance(function, wasmtime.Func):
            raise CannotRunError(f"is not a WASI command: it exports no function {export}")
        return store, function

    def _shared_memory(self) -> _SharedMemory | None:
        most_pages = self._order.memory_bytes // _PAGE_BYTES
        for item in self._module.imports:
            if isinstance(item.type, wasmtime.MemoryType):
                wanted = item.type.limits
                most = most_pages if wanted.max is None else min(wanted.max, most_pages)
                if wanted.min > most:
                    raise CannotRunError("wants more memory than guests get")
                limits = wasmtime.Limits(wanted.min, most)
                try:
                    return _SharedMemory(self._engine, wasmtime.MemoryType(limits, shared=True))
                except wasmtime.WasmtimeError as error:
                    raise CannotRunError(f"cannot have its memory: {_first_line(error)}") from error
        return None

    def _spawn(self, argument: int) -> int:
        """Start a thread, as wasi-threads has it: its number, or a negative number if not."""
        with self._lock:
            if self._n_threads >= self._order.threads:
                return -1
            self._n_threads += 1
            number = self._n_threads
        thread = threading.Thread(target=self._run, args=(number, argument), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return -1
        return number

    def _run(self, number: int, argument: int) -> None:
        try:
            store, start = self.instantiate("wasi_thread_start")
        except CannotRunError as error:
            self._line.end(f"a thread {error}")
        reason = ending(lambda: start(store, number, argument))
        if reason:
            # The program cannot go on without this thread, and whoever waits for it would wait
            # for ever.
            self._line.end(reason)


def ending(work: Callable[[], object]) -> str:
    """Run guest code to its end; how it ended, empty if as it should."""
    try:
        work()
    except wasmtime.ExitTrap as exit_:
        return f"exit code {exit_.code}" if exit_.code else ""
    except (wasmtime.Trap, wasmtime.WasmtimeError) as trap:
        return _first_line(trap)
    return ""


def _new_engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.shared_memory = True
    config.wasm_threads = True
    config.wasm_relaxed_simd = True
    config.max_wasm_stack = _WASM_STACK_BYTES
    # Wasmer rounds a relaxed multiply-add twice, and where this one rounds once the two runtimes
    # drift apart in the last bits, until a timestamp or a word differs.
    config.cranelift_flag_set("has_fma", "false")
    return wasmtime.Engine(config)


def _compiled(engine: wasmtime.Engine, module: bytes, order: Order) -> wasmtime.Module:
    binding = {"module": order.sha256, "compiler": f"wasmtime {order.version} {_FLAGS}"}
    cached = Path(order.cache, f"{order.sha256[:32]}-{order.version}-{_FLAGS}.cwasm")
    return code_cache.compiled(engine, module, cached, binding)


def _first_line(error: Exception) -> str:
    """The trap's own name, without the backtrace around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for i, line in enumerate(lines):
        if line.startswith("Caused by") and i + 1 < len(lines):
            return lines[-1].removeprefix("1:").strip()
    return lines[0] if lines else type(error).__name__
