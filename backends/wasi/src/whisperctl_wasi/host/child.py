"""The process that a guest runs in: ``python -m whisperctl_wasi.host.child SOCKET RUNTIME``.

Its standard streams are the guest's. It loads the runtime, and then waits on the socket for an
order: four bytes that say how long it is, little-endian, and as much JSON. From then on it tells
the host on the socket how the guest fares, one JSON object a line (``started``, ``failed``,
``unavailable``, ``ended``), and answers each byte with ``usage``. When the host's end of the socket
closes, the process ends at once, whatever the guest is doing.

Nothing heavy is imported here, and nothing of whisperctl but how to read this process's usage.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from whisperctl_wasi.host import code_cache, imports

_OVERHEAD_BYTES = 1 << 30
"""Memory beyond the guest's linear memory: for the runtime, compiling, stacks."""

_SIZE_BYTES = 4


class UnavailableError(Exception):
    """The runtime cannot be used on this system."""


class CannotRunError(Exception):
    """The runtime refused the module; the text is the rest of a sentence that begins with it."""


class Order(NamedTuple):  # dataclasses would take as long to import as half of Wasmtime
    """Request of the host.

    Args:
        runtime: ``"wasmtime"`` or ``"wasmer"``.
        path: the module's file.
        version: of the runtime's package, which the host knows already.
        sha256: what the file's SHA-256 must be.
        memory_bytes: the most linear memory the guest may have.
        threads: the most threads the guest may start.
        imports: the names the module may import; ``None`` for all that the runtime has.
        cache: a folder for machine code.
    """

    runtime: str
    version: str
    path: str
    sha256: str
    memory_bytes: int
    threads: int
    imports: tuple[str, ...] | None
    cache: str

    def message(self) -> bytes:
        """The order as it is sent."""
        text = json.dumps(self._asdict()).encode()
        return len(text).to_bytes(_SIZE_BYTES, "little") + text

    @classmethod
    def receive(cls, connection: socket.socket) -> Order:
        """Wait for what ``message`` wrote.

        Raises:
            EOFError: the host closed the connection.
        """
        size = int.from_bytes(_received(connection, _SIZE_BYTES), "little")
        values: dict[str, Any] = json.loads(_received(connection, size))
        allowed = values.pop("imports")
        return cls(**values, imports=None if allowed is None else tuple(allowed))


def _received(connection: socket.socket, n_bytes: int) -> bytes:
    data = connection.recv(n_bytes, socket.MSG_WAITALL)
    if len(data) < n_bytes:
        raise EOFError
    return data


class Line:
    """The line to the host. Safe to use from several threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, what: str, value: object) -> None:
        """Tell the host one thing; a host that is gone is not told."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(json.dumps({what: value}).encode() + b"\n")

    def end(self, reason: str) -> NoReturn:
        """Tell the host how the guest ended, empty for as it should, and end the process."""
        self.say("ended", reason)
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        # Threads of the guest may still be computing; there is nothing to be saved.
        os._exit(0)

    def serve(self) -> None:
        """Answer the host until it is gone, then end the process."""
        from whisperctl.engine.resources import own_usage

        with contextlib.suppress(OSError):
            while self._connection.recv(1):
                usage = own_usage()
                self.say("usage", [usage.cpu_s, usage.peak_bytes])
        os._exit(1)


def check(runtime: str) -> None:
    """Load a runtime, and exit with a code other than 0 and the reason if that cannot be done."""
    try:
        _runner(runtime)
    except UnavailableError as error:
        sys.exit(str(error).splitlines()[0])


def main(handle: str, runtime: str) -> None:
    """Load the runtime, wait for the order, and run the module that it names to its end."""
    gc.disable()  # nothing that is imported becomes garbage, and a guest's code makes none
    connection = socket.socket(fileno=int(handle))
    line = Line(connection)
    try:
        run = _runner(runtime)
        try:
            order = Order.receive(connection)
        except (EOFError, OSError):
            os._exit(1)
        threading.Thread(target=line.serve, daemon=True).start()
        module = _module(order)
        _limit(order)
        run(module, order, line)
    except UnavailableError as error:
        line.say("unavailable", str(error))
        line.end(str(error))
    except (CannotRunError, imports.ModuleError) as error:
        line.say("failed", str(error))
        line.end(str(error))
    except MemoryError:
        line.end("out of memory")


def _runner(runtime: str) -> Callable[[bytes, Order, Line], NoReturn]:
    if runtime == "wasmtime":
        from whisperctl_wasi.host import run_wasmtime

        return run_wasmtime.run
    from whisperctl_wasi.host import run_wasmer

    return run_wasmer.run


def _module(order: Order) -> bytes:
    try:
        module = Path(order.path).read_bytes()
    except OSError as error:
        raise CannotRunError(f"cannot be read: {error.strerror}") from error
    if code_cache.sha256(module) != order.sha256:
        raise CannotRunError("is not the file that was installed: its SHA-256 is another one")
    if order.imports is not None:
        imports.check(module, frozenset(order.imports))
    return module


def bound_memory(n_bytes: int) -> None:
    """Have the system bound the memory of this process, should the runtime not.

    Linux counts writable private memory, and not what is only reserved; macOS bounds nothing.
    """
    if sys.platform != "win32":
        import resource

        _bound(resource.RLIMIT_DATA, n_bytes)


def _bound(which: int, most: int) -> None:
    import resource

    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (most, most))


def _limit(order: Order) -> None:
    bound_memory(order.memory_bytes + _OVERHEAD_BYTES)
    if sys.platform != "win32":
        import resource

        # The memory of a transcriber is somebody's speech: it is not left behind in a file.
        _bound(resource.RLIMIT_CORE, 0)


if __name__ == "__main__":
    # By its name, or it would be there twice, with two classes of each error.
    from whisperctl_wasi.host import child

    if sys.argv[1] == "check":
        child.check(sys.argv[2])
    else:
        child.main(*sys.argv[1:])
