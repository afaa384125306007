"""Runs an engine in a thread while the calling thread handles its events.

An engine computes for seconds inside one call, where Python handles no signal. In a separate thread
it leaves the calling thread free for callbacks and for Ctrl-C.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

Event = TypeVar("Event")
Result = TypeVar("Result")

_POLL_S = 0.1
_FAILED = 1
_INTERRUPTED = 130
_EXIT_WAIT_S = 120.0
_detached: list[threading.Thread] = []


@dataclass(frozen=True, slots=True)
class _Returned(Generic[Result]):
    value: Result


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def run(
    work: Callable[[Callable[[Event], None]], Result],
    *,
    on_event: Callable[[Event], None],
    cancel: Callable[[], None],
    name: str = "whisperctl-engine",
) -> Result:
    """Call ``work(emit)`` in a new thread, and ``on_event`` here with all that it emits, in order.

    The thread has ended when this returns or raises. When ``on_event`` raises, or Ctrl-C comes,
    ``cancel`` is called and the thread waited for; Ctrl-C pressed again meanwhile changes nothing,
    as the engine is stopping already and holds memory until it has.

    Args:
        work: the engine's work. What it raises is raised here.
        on_event: runs in the calling thread.
        cancel: makes ``work`` end soon; what ``work`` then returns or raises is dropped. It may be
            called more than once, and after ``work`` has ended.
        name: the thread's name.

    Returns:
        What ``work`` returned, once every event was handled.
    """
    events: queue.SimpleQueue[Event | _Returned[Result] | _Raised] = queue.SimpleQueue()
    ended = threading.Event()

    def engine() -> None:
        try:
            outcome: _Returned[Result] | _Raised = _Returned(work(events.put))
        except BaseException as error:
            outcome = _Raised(error)
        events.put(outcome)
        ended.set()

    thread = threading.Thread(target=engine, name=name, daemon=True)
    try:
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left to give
            ended.set()
            raise
        while True:
            try:
                # In short waits: where a wait can't be interrupted, Ctrl-C gets through between.
                event = events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(event, _Returned | _Raised):
                break
            on_event(event)
        thread.join()
    except BaseException:
        _stop(cancel, ended)
        raise
    if isinstance(event, _Raised):
        raise event.error
    return event.value


def _stop(cancel: Callable[[], None], ended: threading.Event) -> None:
    # Not by joining the thread: in Python 3.11 Ctrl-C during a join makes the thread look ended.
    while True:
        try:
            cancel()
            while not ended.wait(_POLL_S):
                pass
        except KeyboardInterrupt:
            continue
        return


def detach(thread: threading.Thread) -> None:
    """Continue without a daemon thread that computes where nothing can stop it.

    When Python ends it must not be in the midst of that: what it uses would be taken down around
    it, which crashes. So at exit it is waited for; after two minutes, or at Ctrl-C, the process
    ends at once, as failed.
    """
    if not _detached:
        atexit.register(_wait)
    _detached[:] = [other for other in _detached if other.is_alive()]
    _detached.append(thread)


def is_detached() -> bool:
    """True while a detached thread still computes."""
    return any(thread.is_alive() for thread in _detached)


def exit_at_once(code: int) -> None:
    """End the process as Python does, but without waiting for detached threads."""
    atexit.unregister(_wait)
    atexit._run_exitfuncs()
    _flush()
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            stream.flush()


def _wait() -> None:
    deadline = time.monotonic() + _EXIT_WAIT_S
    try:
        for thread in _detached:
            thread.join(max(0.0, deadline - time.monotonic()))
        if is_detached():
            _flush()
            os._exit(_FAILED)
    except BaseException:  # whatever a signal's handler raises
        os._exit(_INTERRUPTED)
