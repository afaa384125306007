"""A running guest, whichever runtime runs it: bytes in, lines out, and an end."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from typing import ClassVar

from whisperctl.errors import GuestError
from whisperctl_wasi.modules import Module

Chunk = bytes | memoryview

_STDERR_KEPT_BYTES = 4096
_END = object()


class Guest(ABC):
    """One instance of a module, started by the constructor and running until it ends or is killed.

    Runtimes give what the guest writes to ``_on_stdout`` and ``_on_stderr`` from threads of their
    own, and call ``_on_end`` once nothing more can come. Times are milliseconds:
    ``compile_ms`` for machine code, be it compiled or taken from the cache, and ``instantiate_ms``
    from there to the first instruction.
    """

    runtime: ClassVar[str]

    def __init__(self, module: Module) -> None:
        self.module = module
        self.compile_ms = 0.0
        self.instantiate_ms = 0.0
        self._lines: queue.SimpleQueue[bytes | object] = queue.SimpleQueue()
        self._partial = bytearray()
        self._stderr = bytearray()
        self._ended = threading.Event()
        self._end_reason = ""

    @abstractmethod
    def send(self, chunk: Chunk) -> None:
        """Give bytes to the guest's standard input; returns once the runtime has taken them.

        Raises:
            GuestError: the guest has ended.
        """

    @abstractmethod
    def finish(self) -> None:
        """Close standard input, wait for the guest to end by itself, and release everything."""

    @abstractmethod
    def kill(self) -> None:
        """Stop the guest in mid-computation, and release everything. Safe to call again."""

    def receive(self, timeout_s: float) -> bytes | None:
        """The next line the guest wrote, or ``None`` when none came within ``timeout_s`` seconds.

        Raises:
            GuestError: the guest has ended; the message is its own last words.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(line, bytes):
            return line
        self._lines.put(_END)
        raise self._end_error()

    @property
    def ended(self) -> bool:
        """Whether the guest has stopped running."""
        return self._ended.is_set()

    def end(self) -> None:
        """Let the guest end, or clear up after one that has."""
        if self.ended:
            self.kill()
        else:
            self.finish()

    def _on_stdout(self, data: bytes) -> None:
        self._partial += data
        if b"\n" not in data:  # a long line, which is not searched from its start every time
            return
        *whole, rest = self._partial.split(b"\n")
        self._partial = rest
        for line in whole:
            self._lines.put(bytes(line))

    def _on_stderr(self, data: bytes) -> None:
        self._stderr += data
        del self._stderr[:-_STDERR_KEPT_BYTES]

    def _on_end(self, reason: str) -> None:
        if not self._ended.is_set():
            self._end_reason = reason
            self._ended.set()
            self._lines.put(_END)

    def _end_error(self) -> GuestError:
        words = self._stderr.decode("utf-8", "replace").strip().splitlines()
        said = "; ".join(line.strip() for line in words[-3:] if line.strip())
        reason = self._end_reason or "it ended unexpectedly"
        return GuestError(
            f"the program in the sandbox ({self.runtime}) stopped: "
            + (f"{said} ({reason})" if said else reason)
        )
