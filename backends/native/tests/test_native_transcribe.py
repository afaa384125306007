"""What the native backend makes of speech."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions, SessionResult
from whisperctl.engine.session import HostSession
from whisperctl.options import DecodeOptions
from whisperctl.testing.fake import write_model
from whisperctl.transcript import PHASES, Transcript
from whisperctl_native import NativeBackend
from whisperctl_native.session import NativeSession

GREEDY = DecodeOptions(language="en", beam_size=1, best_of=1)


def words(transcript: SessionResult) -> str:
    return "".join(c for c in transcript.text.lower() if c.isalpha() or c == " ")


@pytest.fixture(scope="module")
def heard(shared_tiny_en: NativeSession, jfk: Audio) -> Transcript:
    """The recording as the host has it transcribed."""
    return HostSession(shared_tiny_en).transcribe(jfk, GREEDY)


@pytest.mark.slow
def test_nothing_lingers_from_the_recording_before(
    shared_tiny_en: NativeSession, jfk: Audio, noisy: Audio
) -> None:
    session = shared_tiny_en
    clip, other = (Audio(whole.samples[: 4 * 16_000], whole.source) for whole in (jfk, noisy))
    fresh = session.transcribe(clip, GREEDY).segments
    # Random numbers are drawn for it.
    session.transcribe(other, replace(GREEDY, temperature=0.8, temperature_increment=0.0))

    # Probabilities too: one random number less or one word of context more shows in them.
    assert session.transcribe(clip, GREEDY).segments == fresh


@pytest.mark.slow
def test_translates_into_english_when_asked_to(shared_base: NativeSession, jfk: Audio) -> None:
    # Told that this is German, the model writes "Und so", unless it is to translate.
    clip = Audio(jfk.samples[: 4 * 16_000], jfk.source)
    translated = shared_base.transcribe(
        clip, DecodeOptions(language="de", beam_size=1, task="translate")
    )

    assert translated.language == "de"
    assert "and so" in words(translated)


def test_an_empty_recording_still_has_a_language(tmp_path: Path) -> None:
    empty = Audio(np.zeros(0, np.float32), "empty")
    model = write_model(tmp_path / "model.bin", multilingual=True)

    with NativeBackend().open(Model.inspect(model), OpenOptions(1)) as session:
        transcript = session.transcribe(empty, DecodeOptions())

    assert transcript.segments == ()
    assert transcript.language_probability is not None
    assert transcript.language_probability < 0.6


@pytest.mark.slow
def test_takes_samples_that_are_not_next_to_each_other(
    shared_tiny_en: NativeSession, jfk: Audio, heard: Transcript
) -> None:
    apart = Audio(np.repeat(jfk.samples, 2)[::2], "apart")
    assert not apart.samples.flags["C_CONTIGUOUS"]

    assert shared_tiny_en.transcribe(apart, GREEDY).segments == heard.segments


@pytest.mark.slow
def test_it_tells_all_that_a_library_in_this_process_can(heard: Transcript, tiny_en: Path) -> None:
    timings = heard.timings
    assert tuple(timings.phases) == PHASES
    assert timings.phases["load"].total_ms > 0
    assert timings.audio_decode_ms == 1.5
    assert (timings.module_compile_ms, timings.instantiate_ms) == (None, None)
    assert timings.peak_memory_bytes is not None
    assert timings.peak_memory_bytes > tiny_en.stat().st_size


@pytest.mark.slow
def test_sessions_side_by_side_get_their_own_lines_of_the_log_that_they_share(
    shared_tiny_en: NativeSession, session: NativeSession, jfk: Audio, heard: Transcript
) -> None:
    other = Audio(jfk.samples[: 4 * 16_000], "its beginning")
    thread = threading.Thread(target=session.transcribe, args=(other, GREEDY))
    thread.start()
    together = shared_tiny_en.transcribe(jfk, GREEDY)
    thread.join()

    assert together.segments == heard.segments
    assert together.phases["sample"].runs == heard.timings.phases["sample"].runs
