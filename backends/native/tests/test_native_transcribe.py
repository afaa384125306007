"""What the native backend makes of speech."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import _pywhispercpp as pw
from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions, SessionResult
from whisperctl.engine.session import HostSession
from whisperctl.options import DecodeOptions
from whisperctl.transcript import PHASES, Segment, Token
from whisperctl_native import NativeBackend, convert
from whisperctl_native.session import NativeSession

GREEDY = DecodeOptions(language="en", beam_size=1)
BEAM = DecodeOptions(language="en")


def words(transcript: SessionResult) -> str:
    return "".join(c for c in transcript.text.lower() if c.isalpha() or c == " ")


@pytest.mark.slow
def test_nothing_lingers_from_the_recording_before(
    session: NativeSession, jfk: Audio, noisy: Audio
) -> None:
    clip, other = (Audio(whole.samples[: 4 * 16_000], whole.source) for whole in (jfk, noisy))
    fresh = session.transcribe(clip, BEAM).segments
    # Decoded at several temperatures, for which random numbers are drawn.
    session.transcribe(other, BEAM)

    # Probabilities too: one random number less or one word of context more shows in them.
    assert session.transcribe(clip, BEAM).segments == fresh


@pytest.mark.slow
def test_translates_into_english_when_asked_to(shared_base: NativeSession, jfk: Audio) -> None:
    # Told that this is German, the model writes "Und so", unless it is to translate.
    translated = shared_base.transcribe(
        jfk, DecodeOptions(language="de", beam_size=1, task="translate")
    )

    assert translated.language == "de"
    assert "and so" in words(translated)


@pytest.mark.slow
def test_less_than_a_tenth_of_a_second_has_no_segments(session: NativeSession, jfk: Audio) -> None:
    # After other speech, which the engine still has in its memory.
    session.transcribe(jfk, GREEDY)

    for n_samples in (39, 399):
        transcript = session.transcribe(Audio(jfk.samples[:n_samples], "short"), GREEDY)

        assert transcript.segments == ()
        assert transcript.language == "en"


@pytest.mark.slow
def test_an_empty_recording_still_has_a_language(shared_base: NativeSession) -> None:
    empty = Audio(np.zeros(0, np.float32), "empty")

    transcript = shared_base.transcribe(empty, DecodeOptions())

    assert transcript.segments == ()
    assert transcript.language_probability is not None
    assert transcript.language_probability < 0.6


@pytest.mark.slow
def test_takes_samples_that_are_not_next_to_each_other(session: NativeSession, jfk: Audio) -> None:
    apart = Audio(np.repeat(jfk.samples, 2)[::2], "apart")
    assert not apart.samples.flags["C_CONTIGUOUS"]

    assert session.transcribe(apart, GREEDY).segments == session.transcribe(jfk, GREEDY).segments


@pytest.mark.slow
def test_phases_account_for_the_run(session: NativeSession, tiny_en: Path, jfk: Audio) -> None:
    host = HostSession(session)
    for timings in [host.transcribe(jfk, GREEDY).timings for _ in range(2)]:
        phases = timings.phases
        assert tuple(phases) == PHASES
        assert phases["encode"].runs == 1  # the first run's is not counted in the second
        assert phases["load"].total_ms > 0
        work_ms = sum(phases[name].total_ms for name in PHASES if name not in ("load", "total"))
        assert 0 < work_ms <= phases["total"].total_ms <= timings.wall_ms
        assert timings.audio_decode_ms == 1.5
        assert timings.module_compile_ms is None
        assert timings.instantiate_ms is None
        assert timings.peak_memory_bytes is not None
        assert timings.peak_memory_bytes > tiny_en.stat().st_size


@pytest.mark.slow
def test_two_sessions_run_side_by_side(tiny_en: Path, jfk: Audio) -> None:
    def run(audio: Audio, into: list[SessionResult]) -> None:
        with NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1)) as session:
            into.append(session.transcribe(audio, GREEDY))

    alone: list[SessionResult] = []
    run(jfk, alone)
    together: list[SessionResult] = []
    other = Audio(jfk.samples[: 4 * 16_000], "its beginning")
    thread = threading.Thread(target=run, args=(other, []))
    thread.start()
    run(jfk, together)
    thread.join()

    assert together[0].segments == alone[0].segments
    # It got its own lines of the log that all of the process share.
    assert together[0].phases["sample"].runs == alone[0].phases["sample"].runs


@pytest.mark.slow
def test_a_character_that_is_cut_between_segments_is_joined(
    session: NativeSession, jfk: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = convert.segment

    def cut(context: pw.whisper_context, i: int, **details: Any) -> Segment:
        data = (b" caf\xc3", b"\xa9!")[i]
        text = data.decode(errors="replace")
        return replace(whole(context, i, **details), text=text, tokens=(Token(1, data, 0.5),))

    monkeypatch.setattr(convert, "segment", cut)
    heard: list[Segment] = []
    transcript = session.transcribe(jfk, GREEDY, on_segment=heard.append)

    assert [segment.text for segment in transcript.segments] == [" caf", "é!"]
    assert transcript.segments == tuple(heard)
