"""Stopping the native engine in the midst of its work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import BackendError
from whisperctl.options import DecodeOptions
from whisperctl_native import NativeBackend, library
from whisperctl_native.session import NativeSession

GREEDY = DecodeOptions(language="en", beam_size=1)


class Enough(Exception):
    """A callback's own reason to stop."""


def run_until_stopped(session: NativeSession, audio: Audio, delay_s: float) -> float:
    """Raise in a callback ``delay_s`` after the start; seconds from there until it came out."""
    raised_at = 0.0

    def stop(fraction: float) -> None:
        nonlocal raised_at
        time.sleep(delay_s)
        raised_at = time.perf_counter()
        raise Enough

    with pytest.raises(Enough):
        session.transcribe(audio, GREEDY, on_progress=stop)
    return time.perf_counter() - raised_at


@pytest.mark.slow
def test_stops_inside_a_pass_of_the_encoder(tiny_en: Path, jfk: Audio) -> None:
    with NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1)) as session:
        pass_ms = session.transcribe(jfk, GREEDY).phases["encode"].per_run_ms
        times = [run_until_stopped(session, jfk, pass_ms / 1000 * part) for part in (0.1, 0.4, 0.7)]

    # They are left with 1.8 passes to do, had they to finish them.
    assert sum(times) < pass_ms / 1000 * 0.6


def test_a_library_that_is_not_as_we_know_it_still_stops(
    reciting: Path, jfk: Audio, two_windows: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_device", lambda: None)
    with NativeBackend().open(Model.inspect(reciting), OpenOptions(1)) as session:
        run_until_stopped(session, two_windows, 0.05)
        assert session.transcribe(jfk, GREEDY).text == "abcdef"


def test_closing_from_a_callback_ends_the_run(tiny_en: Path, two_windows: Audio) -> None:
    session = NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1))

    with pytest.raises(BackendError, match="session was closed"):
        session.transcribe(two_windows, GREEDY, on_progress=lambda _: session.close())
    with pytest.raises(BackendError, match="session is already closed"):
        session.transcribe(two_windows, GREEDY)
