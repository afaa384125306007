"""Real transcripts compared: engines with the same model, and another model."""

from __future__ import annotations

from pathlib import Path

import pytest

import whisperctl
from whisperctl.compare import references
from whisperctl.compare.result import Divergence
from whisperctl.compare.scoring.agreement import agreement, timed_segments
from whisperctl.compare.scoring.wer import difference, split_words
from whisperctl.transcript import Transcript

pytestmark = pytest.mark.slow


def heard(recording: Path, model: Path, backend: str, prompt: str = "") -> Transcript:
    return whisperctl.transcribe(
        recording,
        model=model,
        backend=backend,
        language="en",
        word_timestamps=True,
        beam_size=1,
        initial_prompt=prompt,
    )


@pytest.fixture(scope="module")
def native(jfk: Path, tiny_en: Path) -> Transcript:
    return heard(jfk, tiny_en, "native")


@pytest.fixture(scope="module")
def wasi(jfk: Path, tiny_en: Path) -> Transcript:
    return heard(jfk, tiny_en, "wasi")


@pytest.fixture(scope="module")
def larger(jfk: Path, base: Path) -> Transcript:
    return heard(jfk, base, "faster-whisper")


def test_the_sandbox_agrees_with_native_in_words_tokens_and_times(
    native: Transcript, wasi: Transcript
) -> None:
    found = agreement(native, wasi)
    assert found.tokens is not None
    assert found.times is not None
    assert found.tokens.rate > 0.9
    assert (found.divergence is None) == (found.tokens.rate == 1)
    assert found.difference.normalized_wer.rate == 0
    assert found.times.n_words == 22
    assert found.times.start_p95_s < 0.1


def test_another_vocabulary_is_noticed_and_the_words_compared_all_the_same(
    native: Transcript, larger: Transcript
) -> None:
    found = agreement(native, larger)
    assert found.tokens is None
    assert found.divergence is None
    assert found.difference.normalized_wer.rate == 0
    assert found.difference.wer.rate > 0  # this model writes commas
    assert found.times is not None
    assert found.times.n_words == 22
    assert 0 < found.times.start_mean_s < 0.5


def test_tokens_part_where_a_prompt_makes_the_model_write_otherwise(
    native: Transcript, jfk: Path, tiny_en: Path
) -> None:
    prompted = heard(jfk, tiny_en, "native", prompt="Well, you see, my dear friends, it is,")
    found = agreement(native, prompted)
    assert isinstance(found.divergence, Divergence)
    assert found.tokens is not None
    assert 0 < found.tokens.rate < 1
    shared = native.text[: native.text.index(found.divergence.baseline)]
    assert prompted.text.startswith(shared)
    assert found.divergence.text in prompted.text
    word = next(
        word
        for segment in timed_segments(native)
        for word in segment.words
        if found.divergence.baseline.startswith(word.text) and word.start_s > 0
    )
    assert word.start_s - 0.5 <= found.divergence.time_s <= word.end_s + 0.5


def test_words_have_the_engines_times_and_make_up_the_text(
    native: Transcript, wasi: Transcript, larger: Transcript
) -> None:
    for transcript in (native, wasi, larger):
        words = [word for segment in timed_segments(transcript) for word in segment.words]
        assert [word.text for word in words] == split_words(transcript.text)
        assert all(word.exact and word.start_s <= word.end_s for word in words)
        assert words[-1].end_s > 9


def test_every_engine_says_what_was_said(
    native: Transcript, wasi: Transcript, larger: Transcript, jfk: Path
) -> None:
    (said,) = references.find([jfk.with_suffix(".txt")], [(jfk.name, jfk)])
    assert said is not None
    for transcript in (native, wasi, larger):
        found = difference(said.text, transcript.text, language="en")
        assert (found.normalized_wer.rate, found.normalized_wer.n_reference) == (0, 22)
