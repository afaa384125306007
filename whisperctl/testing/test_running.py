"""Promise 7. Callbacks.

`on_segment` gets each segment as it is decided, in order, the very ones that are returned,
`on_progress` a fraction from 0 to 1 that never falls, and `on_language`, once and before the first
segment, the language with its probability, which is `None` unless it was detected. All run in the
caller's thread and before `transcribe` returns. Any may be left out.

Promise 8. Stopping.

An exception raised in a callback, or Ctrl-C, stops the engine within a second and propagates
unchanged; the session can be used again and gives the same results as before.
`whisperctl.engine.toolkit.worker_thread.run` does this for an engine that blocks and can be told to
stop. What cannot be broken off, such as one pass of the model, may end by itself soon after, and
leaves no thread behind. A run that makes no progress (`on_progress` higher than before, or a
segment that ends later) for `--stall-timeout` seconds is stopped in the same way.

Promise 9. Timings.

whisperctl measures wall time, CPU time and peak memory itself, in the same way for all engines; an
engine that runs in another process counts if `whisperctl.engine.resources.add_child` knows of it. A
`SessionResult` has what only the engine knows of this call, and leaves out what it does not tell.
`phases` uses whisper.cpp's names, listed in `whisperctl.transcript.PHASES`; together they take no
longer than `total`, and that no longer than the wall.
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
from whisperctl.testing.subject import (
    GREEDY,
    Outcome,
    Shared,
    Subject,
    beginning,
    outline,
    repeated,
)
from whisperctl.transcript import PHASES, Segment, SpokenLanguage, Transcript


@pytest.fixture(params=["heard", "at_length"])
def outcome(request: pytest.FixtureRequest) -> Outcome:
    """A recording of one window, and one of two."""
    found: Outcome = request.getfixturevalue(request.param)
    return found


def test_segments_are_streamed_as_they_are_returned(outcome: Outcome) -> None:
    assert tuple(outcome.streamed) == outcome.transcript.segments, (
        "on_segment gets exactly the segments that transcribe() returns, in order"
    )


def test_progress_rises_from_0_to_1(heard: Outcome, at_length: Outcome) -> None:
    for one in (heard, at_length):
        assert all(0 <= fraction <= 1 for fraction in one.progress), one.progress
        assert one.progress == sorted(one.progress), f"progress falls: {one.progress}"
    assert at_length.progress, "a recording of several windows gives some progress"


def test_the_language_is_told_once_before_the_text(outcome: Outcome) -> None:
    assert outcome.languages == [SpokenLanguage("en")], outcome.languages
    assert not outcome.language_came_late, "on_language is called before on_segment"


def test_a_detected_language_is_told_as_it_is_returned(detected: Outcome) -> None:
    (language,) = detected.languages
    transcript = detected.transcript
    assert (language.code, language.probability) == (
        transcript.language,
        transcript.language_probability,
    )


def test_callbacks_run_in_the_callers_thread(outcome: Outcome) -> None:
    assert outcome.threads == {threading.current_thread()}, (
        "callbacks run in the thread that called transcribe(): see "
        "whisperctl.engine.toolkit.worker_thread.run"
    )


def test_segments_come_while_the_engine_works(at_length: Outcome) -> None:
    before_end_ms = at_length.wall_ms - at_length.first_segment_ms
    assert before_end_ms > at_length.wall_ms / 4, (
        "the first segment of a long recording comes as it is decided, not at the end"
    )


def test_callbacks_may_be_left_out_and_none_comes_late(
    heard: Outcome, measured: Transcript
) -> None:
    assert measured.segments
    time.sleep(0.05)
    assert heard.calls_so_far() == heard.calls, (
        "no callback of a run is called after its transcribe() returned"
    )


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
    with subject.open_as_shared() as opened:
        yield opened


@pytest.fixture(scope="module")
def minutes(recording: Audio) -> Audio:
    """Longer than any engine takes to be told to stop."""
    return repeated(recording, 12)


@pytest.fixture(scope="module")
def interrupted_s(session: Session, minutes: Audio, clip: Audio) -> float:
    """Seconds that a run took to stop after Ctrl-C; all of it has ended since."""
    session.transcribe(beginning(clip, 0.01), GREEDY)
    threads = set(threading.enumerate())  # after a run, as a session may keep some
    took_s = _interrupted(session, minutes)
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while left := [one.name for one in threading.enumerate() if one not in threads]:
        assert time.monotonic() < deadline, f"the engine goes on after transcribe() raised: {left}"
        time.sleep(0.01)
    return took_s


@pytest.fixture(scope="module")
def after(session: Session, interrupted_s: float, clip: Audio) -> Outcome:
    """The clip after a run that was stopped and has ended."""
    assert interrupted_s >= 0
    return Shared(session).hear(clip)


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


def test_a_run_that_was_stopped_leaves_no_thread_and_the_session_goes_on(
    after: Outcome, short: Outcome
) -> None:
    assert outline(after.transcript) == outline(short.transcript), (
        "a run that was stopped leaves nothing behind in the session"
    )


@pytest.mark.parametrize("stop", [_raised_on_segment, _raised_on_progress, _interrupted])
def test_a_run_stops_within_a_second(
    session: Session, interrupted_s: float, after: Outcome, minutes: Audio, stop: object
) -> None:
    assert callable(stop)
    # A busy machine is slower at stopping, too; it was as busy just before.
    limit_s = max(_WITHIN_S, 2 * after.wall_ms / 1000)
    took_s = [interrupted_s] if stop is _interrupted else []
    while len(took_s) < _ATTEMPTS and min(took_s, default=limit_s) >= limit_s:
        took_s.append(stop(session, minutes))
    assert min(took_s) < limit_s, f"to stop it took {took_s} s, each more than {limit_s:.1f} s"


_SLACK = 1.05
_LEAST_BYTES = 20_000_000
_LEAST_CPU = 0.05
"""Share of the wall time; a busy machine gives an engine less than all of one processor."""


def test_phases_are_whisper_cpps_and_fit_into_the_whole(heard: Outcome) -> None:
    phases = heard.transcript.phases
    assert set(phases) <= set(PHASES), f"phases are named {PHASES}"
    for name, phase in phases.items():
        assert phase.total_ms >= 0, name
        assert phase.runs >= 0, name
        assert phase.runs > 0 or phase.total_ms == 0, f"{name} took time, so it ran"
    parts_ms = sum(
        phase.total_ms for name, phase in phases.items() if name not in ("load", "total")
    )
    total = phases.get("total")
    limit_ms = heard.wall_ms if total is None else total.total_ms
    assert parts_ms <= limit_ms * _SLACK, "phases take no longer than the total"
    assert limit_ms <= heard.wall_ms * _SLACK, "the total is no longer than the wall"


def test_phases_are_of_this_call_alone(short: Outcome) -> None:
    encoding = short.transcript.phases.get("encode")
    if encoding is None:
        pytest.skip("the engine does not tell how often it encoded")
    assert encoding.runs == 1, "a few seconds are one window, whatever was transcribed before"


def test_what_opening_took_is_not_negative(heard: Outcome) -> None:
    for ms in (heard.transcript.module_compile_ms, heard.transcript.instantiate_ms):
        assert ms is None or ms >= 0


def test_the_host_measures_the_engine_too(measured: Transcript) -> None:
    timings = measured.timings
    assert timings.cpu_ms is not None and timings.cpu_ms > timings.wall_ms * _LEAST_CPU, (
        "CPU time includes the engine's: see whisperctl.engine.resources.add_child"
    )
    assert timings.peak_memory_bytes is None or timings.peak_memory_bytes > _LEAST_BYTES
