"""The fake backend does what it says, and keeps the promises that need no speech."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from tests.testing.test_conformance import conformance
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Model, OpenOptions, SessionResult
from whisperctl.errors import BackendError, UsageError
from whisperctl.models import ggml
from whisperctl.models.ggml import weights
from whisperctl.options import DecodeOptions
from whisperctl.testing.fake import RUNTIMES, FakeBackend, write_model

NEEDS_SPEECH = (
    "test_text.py::test_it_hears_what_is_said",
    "test_text.py::test_another_script_is_whole_characters_wherever_segments_end",
    "test_text.py::test_a_long_recording_is_heard_to_its_end",
    "test_options.py::test_the_defaults_are_taken_and_hear_what_is_said",
    "test_options.py::test_the_initial_prompt_sets_the_style",
    "test_options.py::test_no_context_leaves_the_prompt_without_effect",
    "test_options.py::test_a_suppressed_word_is_not_written",
    "test_text.py::test_words_are_whole_and_where_they_are_spoken",
)
COMPUTES_NOTHING = "test_running.py::test_the_host_measures_the_engine_too"


@pytest.mark.slow
def test_it_keeps_every_promise_that_needs_no_speech(tmp_path: Path, fake_site: Path) -> None:
    without = [f"--deselect={name}" for name in (*NEEDS_SPEECH, COMPUTES_NOTHING)]
    done = conformance(
        tmp_path, "whisperctl.testing", "--backend", "fake/slow", *without, site=fake_site
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r" \d+ deselected", done.stdout)


def test_nobody_has_it_who_did_not_ask_for_it() -> None:
    assert "fake" not in registry.installed()


def test_it_is_found_by_the_entry_point_of_a_folder(
    fake_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(fake_site)
    assert isinstance(registry.load("fake"), FakeBackend)


@pytest.mark.parametrize("multilingual", [False, True])
def test_the_model_it_writes_is_whole(tmp_path: Path, multilingual: bool) -> None:
    path = write_model(tmp_path / "model.bin", multilingual=multilingual)
    weights.check(path)
    assert ggml.inspect(path).multilingual == multilingual


def noise(seconds: float, seed: int = 1) -> Audio:
    random = np.random.default_rng(seed)
    samples = random.uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)
    return Audio(samples, "noise")


def transcribe(
    model: Path, audio: Audio, options: DecodeOptions | None = None, runtime: str = "fake"
) -> SessionResult:
    with FakeBackend().open(Model.inspect(model), OpenOptions(1, runtime)) as session:
        return session.transcribe(audio, options or DecodeOptions())


def test_the_text_depends_on_the_sound_of_each_two_seconds(model: Path) -> None:
    first, other = noise(5), noise(5, seed=2)
    mixed = Audio(np.concatenate([first.samples[:32_000], other.samples[32_000:]]), "mixed")
    texts = [[s.text for s in transcribe(model, one).segments] for one in (first, other, mixed)]
    assert texts[2] == [texts[0][0], *texts[1][1:]]
    assert len({text for each in texts for text in each}) == 6
    assert transcribe(model, first) != transcribe(model, other)


def test_silence_has_no_segment(model: Path) -> None:
    samples = noise(6).samples
    samples[32_000:64_000] = 0
    segments = transcribe(model, Audio(samples, "a pause")).segments
    assert [(one.start_s, one.end_s) for one in segments] == [(0, 2), (4, 6)]


def test_the_text_depends_on_language_prompt_and_options(tmp_path: Path) -> None:
    multilingual = write_model(tmp_path / "model.bin", multilingual=True)
    options = (
        DecodeOptions(language="en"),
        DecodeOptions(language="de"),
        DecodeOptions(language="en", task="translate"),
        DecodeOptions(language="en", initial_prompt="before"),
        DecodeOptions(language="en", temperature=0.5),
        DecodeOptions(language="en", beam_size=1),
    )
    texts = [transcribe(multilingual, noise(2), one).text for one in options]
    assert len(set(texts)) == len(options)
    detected = transcribe(multilingual, noise(2))
    assert (detected.text, detected.language_probability) == (texts[0], 0.9)
    with pytest.raises(UsageError, match="suppress_regex"):
        transcribe(multilingual, noise(2), DecodeOptions(suppress_regex="x"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_does_short_recordings(model: Path, runtime: str) -> None:
    given, expected = transcribe(model, noise(5), runtime=runtime), transcribe(model, noise(5))
    assert given.segments == expected.segments


def test_slow_takes_its_time(model: Path) -> None:
    started = time.monotonic()
    transcribe(model, noise(6), runtime="slow")
    assert time.monotonic() - started >= 0.3


def test_failing_it_fails_in_the_midst_of_a_long_recording(model: Path) -> None:
    given: list[float] = []
    with (
        FakeBackend().open(Model.inspect(model), OpenOptions(1, "fail")) as session,
        pytest.raises(BackendError, match="as it was asked to"),
    ):
        session.transcribe(
            noise(15), DecodeOptions(), on_segment=lambda segment: given.append(segment.end_s)
        )
    assert given == [2, 4, 6, 8, 10]
