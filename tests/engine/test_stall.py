"""Runs that make no progress end with an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Closing, OnLanguage, OnProgress, OnSegment, SessionResult
from whisperctl.engine.session import HostSession
from whisperctl.engine.stall import TIMEOUT_S, timeout
from whisperctl.engine.toolkit import worker_thread
from whisperctl.errors import BackendError, UsageError
from whisperctl.options import DecodeOptions
from whisperctl.transcript import Segment

SILENCE = Audio(np.zeros(16_000, np.float32), "silence.wav")
Event = Segment | float
Work = Callable[[Callable[[Event], None], threading.Event], None]


class Scripted(Closing):
    """A session whose engine, in its own thread, does what a test says until it is cancelled."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.cancelled = threading.Event()

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        def on_event(event: Event) -> None:
            if isinstance(event, Segment):
                assert on_segment is not None
                on_segment(event)
            else:
                assert on_progress is not None
                on_progress(event)

        self.cancelled.clear()
        worker_thread.run(
            lambda emit: self.work(emit, self.cancelled),
            on_event=on_event,
            cancel=self.cancelled.set,
        )
        return SessionResult((), "en")

    def close(self) -> None:
        self.cancelled.set()


def run(work: Work, timeout_s: float | None, on_progress: OnProgress | None = None) -> Scripted:
    session = Scripted(work)
    host = HostSession(session, stall_timeout_s=timeout_s)
    host.transcribe(SILENCE, DecodeOptions(), on_progress=on_progress)
    return session


def silent(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
    cancelled.wait(20)


def busy_in_one_place(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
    """What whisper.cpp does with weights that are NaN."""
    while not cancelled.wait(0.01):
        emit(0.5)
        emit(Segment(0.0, 1.0, "again"))


@pytest.mark.slow
@pytest.mark.parametrize("work", [silent, busy_in_one_place])
def test_an_engine_that_gets_no_further_is_stopped(work: Work) -> None:
    session = Scripted(work)
    watched = HostSession(session, stall_timeout_s=0.3)
    before = threading.active_count()
    started = time.monotonic()
    for _ in range(2):  # it can be used again
        with pytest.raises(BackendError) as caught:
            watched.transcribe(SILENCE, DecodeOptions())
        assert str(caught.value) == (
            '"silence.wav": the engine made no progress for 0.3 s: try another model or backend, '
            "or allow it more time (--stall-timeout)"
        )
        assert session.cancelled.is_set()
    assert 0.6 <= time.monotonic() - started < 10
    assert threading.active_count() == before


@pytest.mark.slow
def test_progress_and_slow_callbacks_are_no_stall() -> None:
    seen: list[float] = []

    def slow(share: float) -> None:
        seen.append(share)
        if share == 0.0:
            time.sleep(1.0)  # somebody reads along

    def work(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        for i in range(8):
            emit(i / 8)
            assert not cancelled.wait(0.2)
        for i in range(1, 4):
            emit(Segment(0.0, float(i), "text"))
            assert not cancelled.wait(0.2)

    run(work, 0.8, slow)
    assert seen == [i / 8 for i in range(8)]


@pytest.mark.slow
def test_what_ends_at_the_limit_leaves_nothing_behind() -> None:
    ended = 0
    for i in range(20):  # just before and just after the watch would have it

        def work(
            emit: Callable[[Event], None],
            cancelled: threading.Event,
            wait_s: float = 0.04 + 2 * i / 1e3,
        ) -> None:
            cancelled.wait(wait_s)

        try:
            run(work, 0.06)
        except BackendError:
            ended += 1
        sum(range(10_000))  # where a late exception would come out
    assert 0 < ended <= 20


def test_without_a_limit_nothing_watches() -> None:
    names: list[str] = []

    def work(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
        names.extend(thread.name for thread in threading.enumerate())

    run(work, timeout(0))
    assert "whisperctl-stall" not in names
    run(work, timeout(TIMEOUT_S))
    assert "whisperctl-stall" in names


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_limit_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(UsageError, match="0 \\(no limit\\) or more seconds"):
        timeout(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["native", "wasi", "faster-whisper"])
def test_every_backend_is_stopped_and_works_again(name: str, tiny_en: Path, jfk: Path) -> None:
    speech = Audio(audio.load(jfk).samples[: 4 * audio.SAMPLE_RATE], "speech.wav")
    long = Audio(np.tile(speech.samples, 7), "long.wav")
    options = DecodeOptions(language="en", beam_size=1)
    with registry.open_session(registry.parse(name), tiny_en, threads=1) as session:
        with pytest.raises(BackendError, match=r'"long\.wav": the engine made no progress'):
            HostSession(session, stall_timeout_s=0.1).transcribe(long, options)
        text = HostSession(session).transcribe(speech, options).text
    assert "fellow Americans" in text
