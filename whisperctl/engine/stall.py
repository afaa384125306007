"""Timeout for a run in which the engine makes no progress.

A damaged model, or a fault of an engine, can keep it computing without end. So while a session
transcribes, a thread watches its progress: a fraction above all before, or a segment that ends
later. If there is none for a settable time, an exception is raised in the thread that waits for the
engine, as Ctrl-C would: every backend stops its engine then and can be used again.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from whisperctl.engine.protocol import OnProgress, OnSegment
from whisperctl.errors import UsageError
from whisperctl.transcript import Segment

TIMEOUT_S = 1800.0
"""Default: several times as long as the largest model takes for a window, with all its retries, on
one slow processor in the sandbox."""

_MOST_S = 1e9
_TICK_S = 1.0


class Stalled(BaseException):
    """Raised where a session waits for its engine; leaves ``HostSession`` as a BackendError."""


def timeout(seconds: float) -> float | None:
    """Check a person's number of seconds without progress; 0 is no limit.

    Raises:
        UsageError: it is negative or not a number.
    """
    if not 0 <= seconds < _MOST_S:
        raise UsageError(
            f"the time without progress must be 0 (no limit) or more seconds, not {seconds:g}"
        )
    return seconds or None


class Watch:
    """Raises ``Stalled`` in the thread that made it when nothing advances inside the ``with``.

    Time spent in the callbacks that it makes, or with the process stopped, does not count.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._tick_s = min(_TICK_S, timeout_s / 4)
        self._caller = threading.get_ident()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._furthest = [-1.0, -1.0]
        self._idle_s = 0.0
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="whisperctl-stall", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        # Behind the lock nothing more is raised, and what was raised arrives before this returns.
        with self._lock:
            self._busy = True
        self._ended.set()
        self._thread.join()

    def segments(self, on_segment: OnSegment | None) -> OnSegment:
        """A callback that notes how far the segments are, and then calls ``on_segment``."""

        def decided(segment: Segment) -> None:
            with self._paused(segment.end_s, 0):
                if on_segment is not None:
                    on_segment(segment)

        return decided

    def shares(self, on_progress: OnProgress | None) -> OnProgress:
        """A callback that notes the progress, and then calls ``on_progress``."""

        def progressed(share: float) -> None:
            with self._paused(share, 1):
                if on_progress is not None:
                    on_progress(share)

        return progressed

    @contextmanager
    def _paused(self, position: float, scale: int) -> Iterator[None]:
        """Count no time inside the ``with``.

        Args:
            position: the engine's position; further than before is progress.
            scale: index of the position's unit, as fractions and seconds are not comparable.
        """
        with self._lock:
            self._busy = True
            if position > self._furthest[scale]:
                self._furthest[scale] = position
                self._idle_s = 0.0
        try:
            yield
        finally:
            with self._lock:
                self._busy = False

    def _run(self) -> None:
        # Ticks are counted, not the clock read: a process that was stopped for hours has lost one.
        while not self._ended.wait(self._tick_s):
            with self._lock:
                if self._busy:
                    continue
                self._idle_s += self._tick_s
                if self._idle_s >= self._timeout_s:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self._caller), ctypes.py_object(Stalled)
                    )
                    return
