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
from typing import TYPE_CHECKING

from whisperctl.engine.protocol import (
    Closing,
    OnLanguage,
    OnProgress,
    OnSegment,
    Session,
    SessionResult,
)
from whisperctl.errors import BackendError, UsageError
from whisperctl.text import quoted
from whisperctl.transcript import Segment

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.options import DecodeOptions

TIMEOUT_S = 1800.0
"""Default: several times as long as the largest model takes for a window, with all its retries, on
one slow processor in the sandbox."""

_MOST_S = 1e9
_TICK_S = 1.0


class Stalled(BaseException):
    """Raised where a session waits for its engine; leaves ``WatchedSession`` as a BackendError."""


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


class WatchedSession(Closing):
    """A session whose runs end with an error if they make no progress.

    Args:
        session: the session to watch; closed with this.
        timeout_s: seconds without progress; ``None`` is no limit. Time spent in callbacks, or with
            the process stopped, does not count.
    """

    def __init__(self, session: Session, timeout_s: float | None = TIMEOUT_S) -> None:
        self._session = session
        self._timeout_s = timeout_s

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        """See ``whisperctl.engine.protocol.Session.transcribe``.

        Raises:
            BackendError: the engine failed, or made no progress.
            UsageError: an option does not fit.
        """
        if self._timeout_s is None:
            return self._session.transcribe(
                audio,
                options,
                on_segment=on_segment,
                on_progress=on_progress,
                on_language=on_language,
            )
        watch = _Watch(self._timeout_s)

        def segment_decided(segment: Segment) -> None:
            with watch.paused(segment.end_s, 0):
                if on_segment is not None:
                    on_segment(segment)

        def progressed(share: float) -> None:
            with watch.paused(share, 1):
                if on_progress is not None:
                    on_progress(share)

        try:
            with watch:
                return self._session.transcribe(
                    audio,
                    options,
                    on_segment=segment_decided,
                    on_progress=progressed,
                    on_language=on_language,
                )
        except Stalled:
            raise BackendError(
                f"{quoted(audio.source)}: the engine made no progress for {self._timeout_s:g} s: "
                "try another model or backend, or allow it more time (--stall-timeout)"
            ) from None

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class _Watch:
    """Raises ``Stalled`` in the thread that made it when nothing advances inside the ``with``."""

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

    @contextmanager
    def paused(self, position: float, scale: int) -> Iterator[None]:
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
