"""Promise 6. Stopping.

An exception raised in a callback, or Ctrl-C, stops the engine within a second and propagates as it
is; the session can be used again and hears the same as before.
`whisperctl.engine.toolkit.worker_thread.run` does this for an engine that blocks and can be told to
stop. What cannot be broken off, such as one pass of the model, may end by itself soon
after, and leaves no thread behind. A run that makes no progress (`on_progress` higher than before,
or a segment that ends later) for `--stall-timeout` seconds is stopped in the same way.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Session
from whisperctl.testing import speech
from whisperctl.testing.subject import GREEDY, Outcome, Shared, Subject, outline
from whisperctl.transcript import Segment

_WITHIN_S = 1.0
"""Or, on a machine that is busy or slow, as long as a few words took just before."""
_ENDS_WITHIN_S = 10.0
_ATTEMPTS = 3
"""The best of these counts, as others may take the processor at any one time."""


class Enough(Exception):
    """A callback's own reason to stop."""


@pytest.fixture(scope="module")
def session(subject: Subject) -> Iterator[Session]:
    """Apart from the other tests', which a stop that goes wrong would take with it."""
    with subject.open() as opened:
        yield opened


@pytest.fixture(scope="module")
def before(session: Session, clip: Audio) -> Outcome:
    return Shared(session).hear(clip)


@pytest.fixture(scope="module")
def minutes(recording: Audio) -> Audio:
    """Longer than any engine takes to be told to stop."""
    return speech.repeated(recording, 12)


def _raised_on_segment(session: Session, audio: Audio) -> float:
    raised_at = 0.0

    def stop(_: Segment) -> None:
        nonlocal raised_at
        raised_at = time.monotonic()
        raise Enough

    with pytest.raises(Enough):
        session.transcribe(audio, GREEDY, on_segment=stop)
    return time.monotonic() - raised_at


def _raised_on_progress(session: Session, audio: Audio) -> float:
    raised_at = 0.0

    def stop(fraction: float) -> None:
        nonlocal raised_at
        raised_at = time.monotonic()
        raise Enough

    with pytest.raises(Enough):
        session.transcribe(audio, GREEDY, on_progress=stop)
    return time.monotonic() - raised_at


def _interrupted(session: Session, audio: Audio) -> float:
    pressed_at = 0.0

    def press() -> None:
        nonlocal pressed_at
        pressed_at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    # A shell that starts pytest in the background has it ignore Ctrl-C.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, press)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            session.transcribe(audio, GREEDY)
        return time.monotonic() - pressed_at
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, usual)


@pytest.mark.parametrize("stop", [_raised_on_segment, _raised_on_progress, _interrupted])
def test_a_run_stops_within_a_second_and_the_session_goes_on(
    session: Session, before: Outcome, minutes: Audio, clip: Audio, stop: object
) -> None:
    assert callable(stop)
    # A busy machine is slower at stopping, too.
    limit_s = max(_WITHIN_S, 2 * before.wall_ms / 1000)
    took_s: list[float] = []
    while len(took_s) < _ATTEMPTS and min(took_s, default=limit_s) >= limit_s:
        took_s.append(stop(session, minutes))
    assert min(took_s) < limit_s, f"to stop it took {took_s} s, each more than {limit_s:.1f} s"

    again = session.transcribe(clip, GREEDY)

    assert outline(again) == outline(before.transcript), (
        "a run that was stopped leaves nothing behind in the session"
    )


def test_no_thread_is_left_of_a_run_that_was_stopped(session: Session, minutes: Audio) -> None:
    threads = set(threading.enumerate())
    _raised_on_progress(session, minutes)
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while left := [one.name for one in threading.enumerate() if one not in threads]:
        assert time.monotonic() < deadline, f"the engine goes on after transcribe() raised: {left}"
        time.sleep(0.01)
