"""A processor at work on one recording, and the only way to its memory.

The host reads and writes two buffers in the guest's memory, one view each. A memory cannot move:
all that it may grow to is reserved for it, as address space, so a view stays valid however
the guest grows its memory, and it keeps the memory alive for as long as anybody has it.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

import numpy as np
import wasmtime
from wasmtime import _ffi as ffi

from whisperctl.errors import PluginError, UsageError
from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.processors.module import FUNCTIONS, unfit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST_LATENCY_S = 60
_MOST_TABLE_ELEMENTS = 1 << 16
_GUARD_BYTES = 1 << 16
_TICK_S = 0.25
_FLOAT_BYTES = 4
_KINDS = {"i32": ffi.WASMTIME_I32.value, "f64": ffi.WASMTIME_F64.value}


class Machine:
    """Wasmtime as processors need it, and the clock by which calls are ended."""

    def __init__(self, limits: Limits) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        # No more than the limit, so that thousands of instances fit into the address space.
        config.memory_reservation = limits.memory_bytes
        config.memory_reservation_for_growth = 0
        config.memory_guard_size = _GUARD_BYTES
        config.memory_may_move = False
        # One 32-bit memory, no other heap, and nothing whose results differ from CPU to CPU.
        config.wasm_memory64 = False
        config.wasm_multi_memory = False
        config.wasm_threads = False
        config.wasm_gc = False
        config.wasm_function_references = False
        config.wasm_exceptions = False
        config.wasm_relaxed_simd = False
        self.engine = wasmtime.Engine(config)
        self.limits = limits
        self._open: WeakSet[Instance] = WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def enter(self, instance: Instance) -> None:
        """Keep the clock going for an instance."""
        with self._lock:
            self._open.add(instance)
            if self._thread is None:
                self._end = threading.Event()
                thread = threading.Thread(
                    target=self._tick, args=(self._end,), name="processors' clock", daemon=True
                )
                thread.start()
                self._thread = thread

    def leave(self, instance: Instance) -> None:
        """Stop the clock if this was the last instance."""
        with self._lock:
            self._open.discard(instance)
            thread = self._thread
            if self._open or thread is None:
                return
            self._thread = None
            self._end.set()
        thread.join()

    def _tick(self, end: threading.Event) -> None:
        while not end.wait(_TICK_S):
            self.engine.increment_epoch()
            with self._lock:
                if not self._open and not end.is_set():  # nobody closed the last one
                    self._thread = None
                    return


class _Function:
    """A function of a module, called for each block.

    wasmtime-py reads a function's type and makes objects of its arguments at each call, which takes
    ten times as long as WebAssembly does to be entered. So this keeps the runtime's own values; the
    runtime checks their types.
    """

    def __init__(self, store: wasmtime.Store, function: object, type_: str) -> None:
        assert isinstance(function, wasmtime.Func)  # as the module's type says
        parameters, results = (part.split() for part in type_.split("->"))
        self._fields = tuple(parameters)
        self._result = results[0] if results else None
        self._arguments, self._results = _values(parameters), _values(results)
        self._store = store
        self._function = function

    def __call__(self, *arguments: float) -> Any:
        """Call it with as many numbers as it takes.

        Raises:
            Trap: it trapped, or was interrupted.
            WasmtimeError: it was not called.
        """
        for value, field, number in zip(self._arguments, self._fields, arguments, strict=True):
            setattr(value.of, field, number)
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_func_call(
            self._store._context(),
            ctypes.byref(self._function._func),
            *(self._arguments, len(self._arguments), self._results, len(self._results)),
            ctypes.byref(trap),
        )
        if error:  # type: ignore[truthy-bool]  # a pointer, which may be null
            raise wasmtime.WasmtimeError._from_ptr(error)
        if trap:  # type: ignore[truthy-bool]  # as above
            raise wasmtime.Trap._from_ptr(trap)
        return None if self._result is None else getattr(self._results[0].of, self._result)


def _values(types: list[str]) -> Any:
    """Values of the runtime's own, of these types."""
    values = (ffi.wasmtime_val_t * len(types))()
    for value, type_ in zip(values, types, strict=True):
        value.kind = _KINDS[type_]
    return values


class Instance:
    """A running processor; a context manager that ends it.

    ``input`` and ``output`` are views into its memory: float32, shape (n_channels, block). Write a
    block's samples to ``input[:, :n]``, call ``process(n)``, and read ``output[:, :n]``.
    ``latency`` is the number of samples by which the output lags behind.
    """

    input: NDArray[np.float32]
    output: NDArray[np.float32]
    latency: int

    def __init__(
        self,
        label: str,
        machine: Machine,
        module: wasmtime.Module,
        shape: tuple[int, int, int],
        values: Sequence[float],
    ) -> None:
        """Start a processor; ``Module.instance`` describes how.

        Args:
            label: its name in messages.
            machine: the machine that ``module`` was compiled for.
            module: machine code.
            shape: sample rate in Hz, number of channels, samples in the largest block.
            values: value of each parameter, in order.
        """
        self._label = label
        self._machine = machine
        self._n_ticks = math.ceil(machine.limits.idle_s / _TICK_S) + 1
        store = wasmtime.Store(machine.engine)
        store.set_limits(
            memory_size=machine.limits.memory_bytes, table_elements=_MOST_TABLE_ELEMENTS,
            instances=1, tables=4, memories=1,
        )  # fmt: skip
        self._store: wasmtime.Store | None = store
        self._functions: dict[str, _Function] = {}
        machine.enter(self)
        try:
            self._start(store, module, shape, values)
        except BaseException:
            self.close()
            raise

    def _start(
        self,
        store: wasmtime.Store,
        module: wasmtime.Module,
        shape: tuple[int, int, int],
        values: Sequence[float],
    ) -> None:
        rate, n_channels, block = shape
        store.set_epoch_deadline(self._n_ticks)
        try:
            exports = wasmtime.Instance(store, module, []).exports(store)
        except wasmtime.Trap as trap:
            raise self._failed("its start function", trap) from trap
        except wasmtime.WasmtimeError as error:
            text = str(error).partition("\n")[0]
            if "mmap" in text:
                raise PluginError(
                    f"{self._label} finds no room for its memory ({text:.200}): run fewer at once, "
                    "or lower filter.memory in WHISPERCTL_WASI_LIMITS"
                ) from error
            raise unfit(self._label, f"cannot be started: {text:.200}") from error
        self._functions = {
            name: _Function(store, exports[name], type_) for name, type_ in FUNCTIONS.items()
        }
        memory = exports["memory"]
        assert isinstance(memory, wasmtime.Memory)  # as the module's type says
        for n, value in enumerate(values):
            self._call("set", n, value)
        if self._call("setup", rate, n_channels, block):
            raise UsageError(
                f"{self._label} refuses its values, or {n_channels} channels at {rate} Hz: "
                "change its values"
            )
        self._pointers = [self._call("alloc", n_channels * block) for _ in range(2)]
        self.input, self.output = (
            self._floats(store, memory, pointer, n_channels * block).reshape(n_channels, block)
            for pointer in self._pointers
        )
        self.latency = self._call("latency")
        if not 0 <= self.latency <= _LONGEST_LATENCY_S * rate:
            raise unfit(self._label, f"states a latency of {self.latency} samples")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def process(self, n: int) -> None:
        """Process the first ``n`` samples of ``input`` into ``output``.

        Raises:
            PluginError: the processor trapped, did not return in time, or is closed.
            ValueError: there are not so many samples.
        """
        if not 0 < n <= self.input.shape[1]:
            raise ValueError(f"a block has from 1 to {self.input.shape[1]} samples, not {n}")
        self._call("process", *self._pointers, n)

    def enter(self) -> None:
        """Enter the processor and return: what a call costs besides its work.

        Raises:
            PluginError: as for ``process``.
        """
        self._call("latency")

    def close(self) -> None:
        """End the processor; may be called more than once. Its memory goes with the last view."""
        self._functions = {}
        self._store = None
        self.input = self.output = np.empty((0, 0), np.float32)
        self._machine.leave(self)

    def _call(self, name: str, *arguments: float) -> Any:
        function = self._functions.get(name)
        if function is None or self._store is None:
            raise PluginError(f"{self._label} is closed: open it again")
        self._store.set_epoch_deadline(self._n_ticks)
        try:
            return function(*arguments)
        except wasmtime.Trap as trap:
            self.close()
            raise self._failed(name, trap) from trap

    def _failed(self, name: str, trap: wasmtime.Trap) -> PluginError:
        code = trap.trap_code
        if code is wasmtime.TrapCode.INTERRUPT:
            seconds = f"{self._machine.limits.idle_s:g} s"
            return unfit(self._label, f"did not return from {name} within {seconds}")
        what = "an unknown reason" if code is None else code.name.lower().replace("_", " ")
        return unfit(self._label, f"trapped in {name} ({what})")

    def _floats(
        self, store: wasmtime.Store, memory: wasmtime.Memory, pointer: int, n: int
    ) -> NDArray[np.float32]:
        """A view of floats in the guest's memory; all access to it goes through here."""
        pointer &= 0xFFFFFFFF
        if pointer == 0:
            raise unfit(self._label, f"has no memory for a block of {n} samples")
        if pointer % _FLOAT_BYTES or pointer + n * _FLOAT_BYTES > memory.data_len(store):
            raise unfit(self._label, f"gave the address {pointer} for {n} samples")
        address = ctypes.addressof(memory.data_ptr(store).contents) + pointer
        buffer = (ctypes.c_float * n).from_address(address)
        buffer.store = store  # type: ignore[attr-defined]  # keeps the memory while there are views
        view: NDArray[np.float32] = np.ctypeslib.as_array(buffer)
        return view
