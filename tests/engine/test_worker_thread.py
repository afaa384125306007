"""The pump between an engine in its thread and the caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from whisperctl.engine.toolkit import worker_thread


def no_cancel() -> None:
    raise AssertionError("nobody asked for this to stop")


def test_events_come_in_order_to_the_calling_thread() -> None:
    seen: list[tuple[int, threading.Thread]] = []

    def work(emit: Callable[[int], None]) -> threading.Thread:
        for i in range(1000):
            emit(i)
        return threading.current_thread()

    engine = worker_thread.run(
        work, on_event=lambda i: seen.append((i, threading.current_thread())), cancel=no_cancel
    )

    assert seen == [(i, threading.current_thread()) for i in range(1000)]
    assert engine is not threading.current_thread()
    assert not engine.is_alive()


def test_events_are_handled_while_the_engine_works() -> None:
    handled = threading.Event()

    def work(emit: Callable[[str], None]) -> bool:
        emit("first")
        return handled.wait(5)

    assert worker_thread.run(work, on_event=lambda _: handled.set(), cancel=no_cancel)


def test_what_the_engine_raises_is_raised_after_its_events() -> None:
    seen: list[str] = []

    def work(emit: Callable[[str], None]) -> None:
        emit("last words")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        worker_thread.run(work, on_event=seen.append, cancel=no_cancel)
    assert seen == ["last words"]


class Endless:
    """An engine that works until it is told to stop, and then takes its time."""

    def __init__(self, stopping_s: float = 0.0) -> None:
        self.stopping_s = stopping_s
        self.stop = threading.Event()
        self.done = threading.Event()
        self.cancelled = 0

    def work(self, emit: Callable[[str], None]) -> None:
        emit("started")
        assert self.stop.wait(10)
        time.sleep(self.stopping_s)
        self.on_stop()
        self.done.set()
        raise RuntimeError("aborted")  # as engines do; nobody wants to hear it then

    def on_stop(self) -> None:
        """What happens while it is stopping."""

    def cancel(self) -> None:
        self.cancelled += 1
        self.stop.set()

    def ended(self) -> bool:
        # `is_alive` would do, but Python 3.11 gets it wrong after Ctrl-C.
        return self.done.wait(0)


def test_an_exception_in_the_caller_cancels_and_waits() -> None:
    engine = Endless(stopping_s=0.3)

    def on_event(event: str) -> None:
        raise KeyError(event)

    with pytest.raises(KeyError, match="started"):
        worker_thread.run(engine.work, on_event=on_event, cancel=engine.cancel)
    assert engine.ended()
    assert engine.cancelled == 1


def test_ctrl_c_cancels_and_waits() -> None:
    engine = Endless(stopping_s=0.1)
    ctrl_c = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        worker_thread.run(engine.work, on_event=lambda _: ctrl_c.start(), cancel=engine.cancel)
    assert engine.ended()
    assert time.perf_counter() - started < 2


@pytest.mark.slow
def test_ctrl_c_again_does_not_leave_the_engine_behind() -> None:
    class Slow(Endless):
        def on_stop(self) -> None:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.5)

    engine = Slow()

    def on_event(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker_thread.run(engine.work, on_event=on_event, cancel=engine.cancel)
    assert engine.ended()
    assert engine.cancelled == 3


def test_ctrl_c_inside_cancel_does_not_leave_the_engine_behind() -> None:
    engine = Endless()
    interrupted: list[bool] = []

    def cancel() -> None:
        if not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)
        engine.cancel()

    def on_event(event: str) -> None:
        raise KeyError(event)

    with pytest.raises(KeyError):
        worker_thread.run(engine.work, on_event=on_event, cancel=cancel)
    assert interrupted
    assert engine.ended()


LEFT_BEHIND = """
import atexit, sys, threading, time
from whisperctl.engine.toolkit import worker_thread

atexit.register(print, "exit functions ran")
thread = threading.Thread(target=time.sleep, args=(float(sys.argv[1]),), daemon=True)
thread.start()
worker_thread.detach(thread)
print(worker_thread.is_detached())
if len(sys.argv) > 2:
    worker_thread.exit_at_once(7)
"""


@pytest.mark.slow
def test_the_process_waits_for_what_was_left_behind_unless_it_is_in_a_hurry() -> None:
    def run(*arguments: str) -> tuple[int, str, float]:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", LEFT_BEHIND, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout, time.perf_counter() - started

    code, said, took_s = run("0.7")
    assert (code, said) == (0, "True\nexit functions ran\n")
    assert took_s > 0.7

    code, said, took_s = run("50", "at once")
    assert (code, said) == (7, "True\nexit functions ran\n")
    assert took_s < 40


STUCK = """
import threading, time
from whisperctl.engine.toolkit import worker_thread

worker_thread._EXIT_WAIT_S = 0.3
thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
thread.start()
worker_thread.detach(thread)
print("result")
"""


def test_a_computation_that_never_ends_does_not_keep_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "result\n", "")
