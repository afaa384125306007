"""Times of tokens, and parameters of decoding, do the same through every engine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ENGINES, LETTERS
from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Session, SessionResult
from whisperctl.models import alignment, ggml
from whisperctl.options import DecodeOptions
from whisperctl.transcript import Segment

pytestmark = pytest.mark.slow

SANDBOX = "wasi/wasmtime"
AUSTEN = Path(__file__).parents[2] / "samples" / "austen.flac"
PROMPT, N_PROMPT = "ask not", 4  # tokens are pairs of letters, within words


def greedy(**options: object) -> DecodeOptions:
    given: dict[str, object] = {"beam_size": 1, "temperature_increment": 0.0, **options}
    return DecodeOptions(**given)  # type: ignore[arg-type]  # any option


@pytest.fixture(scope="module")
def speech(jfk: Path) -> Audio:
    return audio.load(jfk)


@pytest.fixture(scope="module")
def short_speech(speech: Audio) -> Audio:
    return Audio(speech.samples[: 4 * 16_000], "and so my fellow Americans ask")


@pytest.fixture(scope="module")
def long_speech(speech: Audio) -> Audio:
    """Two windows."""
    return Audio(np.tile(speech.samples, 4)[: 38 * 16_000], "two windows")


def opened(model: Path, **extra: bool) -> Iterator[dict[str, Session]]:
    sessions = {
        name: registry.open_session(registry.parse(name), model, threads=1, **extra)
        for name in (ENGINES[0], SANDBOX)
    }
    yield sessions
    for session in sessions.values():
        session.close()


@pytest.fixture(scope="module")
def sessions(tiny_en: Path) -> Iterator[dict[str, Session]]:
    yield from opened(tiny_en)


@pytest.fixture(scope="module")
def letters(reciting: Path) -> Iterator[dict[str, Session]]:
    yield from opened(reciting)


@pytest.fixture(scope="module")
def aligning(tiny_en: Path) -> Iterator[dict[str, Session]]:
    yield from opened(tiny_en, word_timestamps=True)


@pytest.fixture(scope="module")
def aligned(aligning: dict[str, Session], speech: Audio) -> dict[str, SessionResult]:
    options = greedy(word_timestamps=True)
    return {name: session.transcribe(speech, options) for name, session in aligning.items()}


@pytest.fixture(scope="module")
def suppressed(sessions: dict[str, Session], short_speech: Audio) -> dict[str, SessionResult]:
    options = greedy(suppress_regex=r"(?:[ ]?[Ff]ellow\w*)|[[:digit:]]{1,3}|(?=x)x{2}|(a)\1")
    return {name: one.transcribe(short_speech, options) for name, one in sessions.items()}


def text_of(session: Session, audio: Audio, **options: object) -> str:
    return session.transcribe(audio, greedy(**options)).text


def spans(transcript: SessionResult) -> list[tuple[float, float]]:
    found = []
    for segment in transcript.segments:
        for token in segment.tokens:
            assert token.start_s is not None
            assert token.end_s is not None
            found.append((token.start_s, token.end_s))
    return found


def check_order(segments: tuple[Segment, ...]) -> None:
    for segment in segments:
        times = [t for token in segment.tokens for t in (token.start_s, token.end_s)]
        assert times == sorted(times, key=lambda t: t if t is not None else -1.0)
        assert segment.start_s <= (times[0] or 0.0)
        assert (times[-1] or 0.0) <= segment.end_s


def test_both_backends_give_tokens_the_same_times(aligned: dict[str, SessionResult]) -> None:
    native, sandbox = aligned["native"], aligned[SANDBOX]
    assert native.text == sandbox.text
    np.testing.assert_allclose(spans(native), spans(sandbox), atol=0.04)
    for transcript in (native, sandbox):
        check_order(transcript.segments)


def test_words_are_where_they_are_heard(aligned: dict[str, SessionResult], speech: Audio) -> None:
    frames = speech.samples[: 1100 * 160].reshape(-1, 160)
    loud = np.sqrt(np.square(frames).mean(axis=1)) > 0.03
    tokens = [token for segment in aligned["native"].segments for token in segment.tokens]
    words = {token.data.decode(): token for token in reversed(tokens)}  # the first of each
    for word in (" Americans", " ask", " not", " country"):
        start_s, end_s = words[word].start_s or 0.0, words[word].end_s or 0.0
        assert 0.05 < end_s - start_s < 1.0
        assert loud[round(start_s * 100) : round(end_s * 100)].mean() > 0.5
    # The speaker pauses, plain to hear, between these.
    for before, after in pairwise((" Americans", " ask", " not", " what")):
        begin_s, end_s = words[before].end_s or 0.0, words[after].start_s or 0.0
        assert end_s - begin_s > 0.2
        assert loud[round(begin_s * 100) : round(end_s * 100)].mean() < 0.2


def test_without_alignment_times_are_coarser_but_in_order(
    letters: dict[str, Session], short_speech: Audio
) -> None:
    for session in letters.values():
        found = session.transcribe(short_speech, greedy(word_timestamps=True))
        check_order(found.segments)
        assert len({start for start, _ in spans(found)}) > 3
        plain = session.transcribe(short_speech, greedy())
        assert plain.text == found.text == LETTERS
        assert all(t.start_s is None for segment in plain.segments for t in segment.tokens)


def test_windows_that_are_aligned_arrive_once_and_in_order_and_pauses_stay(
    aligning: dict[str, Session], speech: Audio
) -> None:
    """A window that begins in silence may begin with two timestamps, the first without text."""
    austen = audio.load(AUSTEN).samples[: 9 * 16_000]
    pause = np.zeros(10 * 16_000, np.float32)
    samples = np.concatenate([pause, speech.samples, pause, austen])
    events: list[Segment | float] = []

    found = aligning["native"].transcribe(
        Audio(samples, "pauses"),
        greedy(word_timestamps=True),
        on_segment=events.append,
        on_progress=events.append,
    )

    assert tuple(event for event in events if isinstance(event, Segment)) == found.segments
    check_order(found.segments)
    assert all(a.end_s <= b.start_s for a, b in pairwise(found.segments))
    assert found.segments[-1].start_s > 29
    between = next(i for i, event in enumerate(events) if isinstance(event, float) and event > 0)
    assert any(isinstance(event, Segment) for event in events[:between])
    assert any(isinstance(event, Segment) for event in events[between:])
    later = [span for span in spans(found) if span[0] > 21]
    assert len(later) > 20
    assert later[0][0] == pytest.approx(31.2, abs=0.3)
    assert later[-1][1] == pytest.approx(40.0, abs=0.3)
    assert sum(end_s - start_s > 0.05 for start_s, end_s in later) > 0.7 * len(later)


@pytest.mark.parametrize(("ms", "engines"), [(150, ("native", SANDBOX)), (180, ("native",))])
def test_a_moment_of_sound_is_aligned_without_harm(
    ms: int, engines: tuple[str, ...], aligning: dict[str, Session], speech: Audio
) -> None:
    """whisper.cpp itself aborts the process when 160 ms or less are to be aligned."""
    moment = Audio(speech.samples[6000 : 6000 + ms * 16], "moment")
    for name in engines:
        options = greedy(word_timestamps=True, no_speech_threshold=1.0)
        found = aligning[name].transcribe(moment, options)
        check_order(found.segments)
        assert found.segments


_DELAY_S = 0.9


def test_ctrl_c_while_words_are_aligned(aligning: dict[str, Session], long_speech: Audio) -> None:
    for name, session in aligning.items():
        timer = threading.Timer(_DELAY_S, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            while True:  # what is over before is begun again
                session.transcribe(long_speech, greedy(word_timestamps=True))
        timer.join()
        assert time.monotonic() - started < _DELAY_S + 1.5, name


def test_the_published_heads_fit_the_model(tiny_en: Path, base: Path) -> None:
    for path, preset in ((tiny_en, "tiny.en"), (base, "base")):
        found = alignment.find(ggml.inspect(path))
        assert found is not None
        assert found.preset == preset
        assert 40 << 20 < found.memory_bytes < 400 << 20


def test_words_are_aligned_in_the_language_that_was_detected(
    base: Path, short_speech: Audio
) -> None:
    """In the sandbox, whose own program tells the language; the alignment is whisper.cpp's."""
    engine = registry.parse(SANDBOX)
    with registry.open_session(engine, base, threads=1, word_timestamps=True) as session:
        found = session.transcribe(short_speech, greedy(word_timestamps=True))
    assert found.language == "en"
    assert found.language_probability is not None
    assert 0.5 < found.language_probability <= 1
    check_order(found.segments)
    tokens = [token for segment in found.segments for token in segment.tokens]
    word = next(token for token in tokens if token.data == b" Americans")
    assert word.start_s == pytest.approx(1.7, abs=0.4)
    assert word.end_s == pytest.approx(2.3, abs=0.4)


def test_tokens_that_match_are_not_decoded(suppressed: dict[str, SessionResult]) -> None:
    texts = {name: found.text for name, found in suppressed.items()}
    assert len(set(texts.values())) == 1
    assert "fellow" not in texts["native"].lower()
    assert "Americans" in texts["native"]


def test_marks_of_what_is_no_speech_can_be_suppressed(sessions: dict[str, Session]) -> None:
    samples = np.random.default_rng(0).normal(0, 0.3, 1920).astype(np.float32)
    noise = Audio(samples, "noise")
    assert "[" in sessions["native"].transcribe(noise, greedy(no_speech_threshold=1.0)).text
    without = greedy(no_speech_threshold=1.0, suppress_nst=True)
    for session in sessions.values():
        assert "[" not in session.transcribe(noise, without).text


def test_a_prompt_counts_for_the_first_window_or_if_carried_for_all(
    letters: dict[str, Session], long_speech: Audio
) -> None:
    alone: dict[str, object] = {"condition_on_previous_text": False, "initial_prompt": PROMPT}
    prompted = LETTERS[N_PROMPT:]  # a letter is lost for each token before
    for session in letters.values():
        said = partial(text_of, session, long_speech)
        assert said(**alone) == prompted + LETTERS
        assert said(**alone, carry_initial_prompt=True) == prompted + prompted
        # The token that says that text was before is one of the ten.
        assert said(initial_prompt=PROMPT, max_context=10) == prompted + LETTERS[9:]


def test_silence_and_temperature_are_told(
    sessions: dict[str, Session], short_speech: Audio, suppressed: dict[str, SessionResult]
) -> None:
    for name, session in sessions.items():
        (first, *_) = suppressed[name].segments
        assert first.no_speech_probability is not None
        assert 0 < first.no_speech_probability < 0.2
        assert first.temperature == 0.0
        # Nothing is as sure as this, so that every temperature is tried.
        never = DecodeOptions(beam_size=1, best_of=1, logprob_threshold=0.0, temperature=0.8)
        assert session.transcribe(short_speech, never).segments[0].temperature == 1.0
