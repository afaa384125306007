"""A running guest: a process with a runtime and a module; bytes in, lines and payloads out."""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import shutil
import socket
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from whisperctl.engine import resources
from whisperctl.engine.resources import Usage
from whisperctl.errors import BackendError, GuestError
from whisperctl.processes import exit_reason
from whisperctl.storage import files
from whisperctl_wasi.host.child import Order
from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.host.output import FloodError, Output, Payload, size
from whisperctl_wasi.host.process import DISTRIBUTIONS, Process

Chunk = bytes | memoryview

_POLL_S = 0.1
_USAGE_S = 2.0
_FINISH_S = 10.0
_LAST_ERRORS_BYTES = 4096
_CONTROL_BYTES = 1 << 24
_READ_BYTES = 1 << 18
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """A module to run: its file, and the SHA-256 that the file must have."""

    path: Path
    sha256: str


class RuntimeUnavailableError(BackendError):
    """A runtime cannot be used on this system."""


class Guest:
    """One instance of a module in a separate process, running until it ends or is killed.

    The constructor returns when the module is compiled and instantiated. ``compile_ms`` is the time
    for machine code, compiled or taken from the cache, ``instantiate_ms`` from there to the first
    instruction (under Wasmer: to the first output), both in milliseconds.

    Args:
        runtime: ``"wasmtime"`` or ``"wasmer"``.
        program: what to run.
        limits: what it may take.
        cache: a folder for machine code that only this user can write; ``None`` for none.
        process: one of this runtime that waits, which the guest takes over; ``None`` to start one.

    Raises:
        RuntimeUnavailableError: the runtime cannot be used on this system.
        GuestError: the module cannot be run, or did not start within the limits.
    """

    def __init__(
        self,
        runtime: str,
        program: Program,
        limits: Limits,
        cache: Path | None = None,
        *,
        process: Process | None = None,
    ) -> None:
        self.runtime = runtime
        self.program = program
        self.limits = limits
        self.compile_ms = 0.0
        self.instantiate_ms = 0.0
        self._output = Output(limits)
        self._errors = bytearray()
        self._started = threading.Event()
        self._started_at = math.nan
        self._ended = threading.Event()
        self._end_reason = ""
        self._unavailable = ""
        self._failed = ""
        self._waited_s = 0.0
        self._control_line = bytearray()
        self._control_left = _CONTROL_BYTES
        self._usage = Usage(0.0, None)
        self._usage_came = threading.Event()
        self._released = False
        self._private_cache: Path | None = None
        process = process or Process(runtime)
        self._process, self._control = process.popen, process.control
        self._reader = threading.Thread(target=self._read, name="whisperctl-guest", daemon=True)
        try:
            if cache is None:
                self._private_cache = cache = files.make_temporary_folder("the sandbox")
            self._start(cache)
            self._await_start()
        except BaseException:
            self.kill()
            raise

    def begin(self) -> None:
        """Let the guest write and take as much as it may once more: a new request begins."""
        self._output.begin()
        self._control_left = _CONTROL_BYTES
        self.progressed()

    def progressed(self) -> None:
        """Count the time without an answer from now on: the guest has done some of its work.

        Nothing that a guest writes is progress by itself; what is, only the caller knows.
        """
        self._waited_s = 0.0

    def send(self, chunk: Chunk) -> None:
        """Give bytes to the guest's standard input; returns once they are in the pipe.

        Raises:
            GuestError: the guest has ended, or takes nothing for too long.
        """
        left = memoryview(chunk).cast("B")
        waited_s = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(self._input, selectors.EVENT_WRITE)
            while len(left):
                if self.ended:
                    raise self._end_error()
                started = time.monotonic()
                if not selector.select(_POLL_S):  # in short waits, so that Ctrl-C gets through
                    waited_s += min(time.monotonic() - started, _POLL_S)
                    self._check_idle(waited_s, "took no input")
                    continue
                try:
                    left = left[os.write(self._input, left) :]
                except BlockingIOError:
                    continue
                except OSError:
                    # It ended while it was being written to; its reason is on its way.
                    self._ended.wait(_FINISH_S)
                    raise self._end_error() from None
                waited_s = 0.0

    def receive(self, timeout_s: float, *, patient: bool = False) -> bytes | Payload | None:
        """The guest's next line or payload, ``None`` if none came within ``timeout_s`` seconds.

        A line ``#N`` is not handed out; the payload that it announces is, as one with N bytes.

        Args:
            timeout_s: how long to wait for it.
            patient: whether waiting longer than the limit is fine, as somebody else watches it.

        Raises:
            GuestError: the guest has ended, or does not answer for too long, whatever it writes
                meanwhile; the message has the last lines of its standard error.
        """
        timeout_s = max(0.0, timeout_s)
        started = time.monotonic()
        try:
            part = self._output.take(timeout_s)
        except EOFError:
            raise self._end_error() from None
        if not patient:
            # A host that was stopped meanwhile, or at other work, has not waited for the guest.
            self._waited_s += min(time.monotonic() - started, timeout_s)
            self._check_idle(self._waited_s, "did not answer")
        return part

    @property
    def pid(self) -> int:
        """The number of the guest's process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """True if the guest has stopped running."""
        return self._ended.is_set()

    @property
    def errors(self) -> str:
        """Text that the guest has written to standard error."""
        return self._errors.decode("utf-8", "replace")

    def usage(self) -> Usage:
        """Usage of the guest's process so far, runtime included."""
        if not self.ended:
            self._usage_came.clear()
            with contextlib.suppress(OSError):
                self._control.send(b"?", socket.MSG_DONTWAIT)
                self._usage_came.wait(_USAGE_S)
        return self._usage

    def finish(self) -> None:
        """Close standard input, let the guest end by itself if it does so soon, and release all."""
        self._close_input()
        self._ended.wait(_FINISH_S)
        self.kill()

    def kill(self) -> None:
        """Stop the guest whatever it does, and release everything. Safe to call again."""
        if self._released:
            return
        self._released = True
        resources.remove_child(self)
        self._process.kill()
        self._process.wait()
        if self._reader.ident is not None:
            self._reader.join()
        self._close_input()
        self._control.close()
        self._set_end("it was stopped")
        if self._private_cache is not None:
            shutil.rmtree(self._private_cache, ignore_errors=True)

    def _start(self, cache: Path) -> None:
        limits = self.limits
        order = Order(
            runtime=self.runtime,
            version=version(DISTRIBUTIONS[self.runtime]),
            path=str(self.program.path.absolute()),
            sha256=self.program.sha256,
            memory_bytes=limits.memory_bytes,
            threads=limits.threads,
            imports=None if limits.imports is None else tuple(sorted(limits.imports)),
            cache=str(cache),
        )
        with contextlib.suppress(OSError):  # it ended; why, the reader will hear
            self._control.sendall(order.message())
        assert self._process.stdin is not None
        self._input = self._process.stdin.fileno()
        os.set_blocking(self._input, False)
        _enlarge(self._input)
        self._reader.start()
        resources.add_child(self, self.usage)

    def _await_start(self) -> None:
        deadline = time.monotonic() + self.limits.start_s
        while not self._started.wait(_POLL_S):
            if self._ended.is_set():
                break
            if time.monotonic() > deadline:
                raise GuestError(
                    f"{self.program.path.name} did not start within {self.limits.start_s:g} s"
                )
        if self._unavailable:
            raise RuntimeUnavailableError(
                f"runtime {self.runtime} cannot be used here: {self._unavailable}"
            )
        if self._failed:
            raise GuestError(f"{self.program.path.name} {self._failed} ({self.runtime})")
        if not self._started.is_set():
            raise self._end_error()

    def _check_idle(self, waited_s: float, what: str) -> None:
        if not self.ended and waited_s > self.limits.idle_s:
            self._set_end(f"it {what} for {self.limits.idle_s:g} s")
            self._process.kill()
            raise self._end_error()

    def _close_input(self) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.close()

    # ------------------------------------------------------------------ in the reader's thread

    def _read(self) -> None:
        """Read all that comes from the process, until there is no more."""
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None
        assert stderr is not None
        takers = {
            stdout.fileno(): self._on_output,
            stderr.fileno(): self._on_errors,
            self._control.fileno(): self._on_control,
        }
        _enlarge(stdout.fileno())
        with selectors.DefaultSelector() as selector:
            for handle in takers:
                selector.register(handle, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    try:
                        more = takers[key.fd](key.fd)
                    except OSError:
                        more = False
                    if not more:
                        selector.unregister(key.fd)
        stdout.close()
        stderr.close()
        self._set_end(self._death(self._process.wait()))

    # Each reads once from its pipe, and is False at the pipe's end.

    def _on_output(self, pipe: int) -> bool:
        if not self.instantiate_ms and not math.isnan(self._started_at):
            self.instantiate_ms = (time.perf_counter() - self._started_at) * 1000
        if self.ended:
            return len(os.read(pipe, _READ_BYTES)) > 0
        try:
            return self._output.read(pipe)
        except FloodError as error:
            self._flooded(str(error))
            return True

    def _on_errors(self, pipe: int) -> bool:
        data = os.read(pipe, _READ_BYTES)
        if not self.ended:
            self._errors += data
            if len(self._errors) > self.limits.error_bytes:
                self._errors.clear()
                self._flooded(
                    f"it wrote more than {size(self.limits.error_bytes)} to its standard error"
                )
        return len(data) > 0

    def _flooded(self, reason: str) -> None:
        self._set_end(reason)
        self._process.kill()

    def _on_control(self, pipe: int) -> bool:
        # The process is believed as little as the guest in it.
        data = os.read(pipe, _READ_BYTES)
        self._control_left -= len(data)
        self._control_line += data
        *whole, self._control_line = self._control_line.split(b"\n")
        if self._control_left < 0:
            self._flooded("its process broke the protocol")
            return len(data) > 0
        for line in whole:
            try:
                ((what, value),) = json.loads(line, parse_constant=_refuse).items()
                self._on_word(what, value)
            except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
                self._flooded("its process broke the protocol")
        return len(data) > 0

    def _on_word(self, what: str, value: object) -> None:
        match what, value:
            case "started", [float(compile_ms), instantiate_ms]:
                self.compile_ms = compile_ms
                if isinstance(instantiate_ms, float):
                    self.instantiate_ms = instantiate_ms
                else:
                    self._started_at = time.perf_counter()
                self._started.set()
            case "usage", [float(cpu_s), int() | None as peak_bytes]:
                self._usage = Usage(cpu_s, peak_bytes)
                self._usage_came.set()
            case "unavailable", str(reason):
                self._unavailable = reason
            case "failed", str(reason):
                self._failed = reason
            case "ended", str(reason):
                self._reason = reason
            case _:
                raise ValueError(what)

    _reason: str | None = None

    def _death(self, code: int) -> str:
        if self._reason is not None:
            return self._reason
        return f"its process {exit_reason(code)}"

    def _set_end(self, reason: str) -> None:
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()
            self._output.close()

    def _end_error(self) -> GuestError:
        last = self.errors[-_LAST_ERRORS_BYTES:].strip().splitlines()
        said = "; ".join(line.strip() for line in last[-3:] if line.strip())
        reason = self._end_reason or "it ended unexpectedly"
        return GuestError(
            f"the program in the sandbox ({self.runtime}) stopped: "
            + (f"{said} ({reason})" if said else reason)
        )


def _enlarge(pipe: int) -> None:
    """Let a pipe hold more than its 64 KiB, where the system can: much is sent through it."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, AttributeError, OSError):
        pass


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
