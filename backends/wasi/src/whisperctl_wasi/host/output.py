"""A guest's output, cut into lines and payloads, with a bound on what is kept of it."""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass

from whisperctl_wasi.host.limits import Limits

_READ_BYTES = 1 << 18

_BETWEEN_BYTES = 1 << 12
"""Bytes read between a payload and the next: what of that comes with its line is copied twice."""

_PART_BYTES = 64
_SIZE_DIGITS = 10

_SMALL_BYTES = 1 << 14
_GATHER_S = 0.0005
"""Wasmtime writes 4 KiB at a time: waking for each takes longer than decoding what is in it."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Raw bytes of a guest, which it announced by a line ``#N``."""

    data: bytearray


class FloodError(Exception):
    """A guest wrote more than it may; the text is the rest of a sentence that begins with it."""


class Output:
    """What a guest wrote and nobody has taken yet.

    That is never more than ``limits.output_bytes``, and one line or payload that is still coming.

    One thread calls ``read`` and another the rest.

    Args:
        limits: bounds of a line, a payload, and all that is kept.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: queue.SimpleQueue[bytes | Payload | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._kept_bytes = 0
        self._left_bytes = limits.output_bytes
        self._line = bytearray()
        self._payload = bytearray()
        self._missing = 0
        self._between = False  # the last that came was a payload

    def begin(self) -> None:
        """Allow as much output again; what was not taken yet counts as if it were written now."""
        with self._lock:
            self._left_bytes = self._limits.output_bytes - self._kept_bytes

    def take(self, timeout_s: float) -> bytes | Payload | None:
        """The next line, without its end, or payload; ``None`` if none comes in time.

        Raises:
            EOFError: the output has ended, and all of it was taken.
        """
        try:
            part = self._parts.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if part is None:
            self._parts.put(None)
            raise EOFError
        with self._lock:
            self._kept_bytes -= _cost(part)
        return part

    def close(self) -> None:
        """Have ``take`` fail once all was taken."""
        self._parts.put(None)

    def read(self, handle: int) -> bool:
        """Read once from a pipe, which has bytes or has ended; ``False`` if it has ended.

        Raises:
            FloodError: the guest wrote more than it may.
        """
        if self._missing:
            # Straight to where the bytes stay, as many as there are.
            with memoryview(self._payload) as view:
                n_bytes = os.readv(handle, [view[len(view) - self._missing :]])
            self._filled(n_bytes)
            if self._missing and 0 < n_bytes <= _SMALL_BYTES:
                time.sleep(_GATHER_S)
            return n_bytes > 0
        data = os.read(handle, _BETWEEN_BYTES if self._between else _READ_BYTES)
        self._between = False
        self._cut(data)
        return len(data) > 0

    def _cut(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            if self._missing:
                piece = data[position : position + self._missing]
                start = len(self._payload) - self._missing
                self._payload[start : start + len(piece)] = piece
                position += len(piece)
                self._filled(len(piece))
                continue
            end = data.find(b"\n", position)
            piece = data[position : len(data) if end < 0 else end]
            if len(self._line) + len(piece) > self._limits.line_bytes:
                raise FloodError(f"it wrote a line of more than {size(self._limits.line_bytes)}")
            self._count(len(piece))
            self._line += piece
            position += len(piece)
            if end >= 0:
                position += 1
                self._count(_PART_BYTES)
                line = bytes(self._line)
                self._line.clear()
                self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        if not line.startswith(b"#"):
            self._keep(line)
            return
        digits = line[1:]
        if not digits.isdigit() or len(digits) > _SIZE_DIGITS:
            raise FloodError("it announced bytes, but not how many")
        n_bytes = int(digits)
        if n_bytes > self._limits.line_bytes:
            raise FloodError(f"it sent more than {size(self._limits.line_bytes)} at once")
        self._count(n_bytes)
        self._payload = bytearray(n_bytes)
        self._missing = n_bytes
        self._filled(0)

    def _filled(self, n_bytes: int) -> None:
        self._missing -= n_bytes
        if not self._missing:
            self._keep(Payload(self._payload))
            self._payload = bytearray()
            self._between = True

    def _count(self, n_bytes: int) -> None:
        with self._lock:
            self._left_bytes -= n_bytes
            if self._left_bytes < 0:
                raise FloodError(f"it wrote more than {size(self._limits.output_bytes)} of output")

    def _keep(self, part: bytes | Payload) -> None:
        with self._lock:
            self._kept_bytes += _cost(part)
        self._parts.put(part)


def size(n_bytes: int) -> str:
    """A number of bytes for people."""
    return f"{n_bytes / (1 << 20):g} MiB" if n_bytes >= 1 << 20 else f"{n_bytes / 1024:g} KiB"


def _cost(part: bytes | Payload) -> int:
    # Many short lines take far more memory than they have bytes.
    return _PART_BYTES + len(part.data if isinstance(part, Payload) else part)
