"""Windows that are decoded at once begin and end in pauses, and lose nothing."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest

from whisperctl import audio as audio_files
from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions, SessionResult
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import UsageError
from whisperctl.models import store
from whisperctl.options import DecodeOptions
from whisperctl.testing.fake import write_model
from whisperctl.transcript import Segment
from whisperctl_faster_whisper import FasterWhisperBackend, windows
from whisperctl_faster_whisper.loaded_model import LoadedModel, Prepared
from whisperctl_faster_whisper.session import FasterWhisperSession

RATE = windows.RATE
AT_ONCE = DecodeOptions(language="en", beam_size=1, temperature_increment=0.0, batch_size=4)
COUNTRY = "ask what you can do for your country"


def noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Sound without a pause."""
    drawn = np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE))
    return drawn.astype(np.float32)


def pause(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.zeros(round(seconds * RATE), np.float32)


def test_a_window_ends_in_the_last_pause_before_thirty_seconds() -> None:
    samples = np.concatenate([noise(18), pause(0.5), noise(8), pause(0.5), noise(20)])

    first, second = windows.cut(samples)

    assert first.start == 0
    assert 26.5 * RATE <= first.end <= 27 * RATE
    assert second == windows.Window(first.end, len(samples), True)
    assert first.whole


def test_a_pause_further_back_is_better_than_none() -> None:
    samples = np.concatenate([noise(18), pause(0.5), noise(20)])

    first, _ = windows.cut(samples)

    assert 18 * RATE <= first.end <= 18.5 * RATE


def test_what_has_no_pause_stays_in_one_piece() -> None:
    samples = np.concatenate([noise(70), pause(0.5), noise(10)])

    long, last = windows.cut(samples)

    assert not long.whole
    assert 70 * RATE <= long.end <= 70.5 * RATE
    assert last.whole
    assert windows.cut(noise(65)) == [windows.Window(0, 65 * RATE, False)]


@pytest.mark.parametrize("n_samples", [0, 1, 1600, windows.LONGEST])
def test_what_fits_a_window_is_one(n_samples: int) -> None:
    assert windows.cut(noise(n_samples / RATE)) == [windows.Window(0, n_samples, True)]


def test_silence_is_cut_anywhere() -> None:
    found = windows.cut(pause(100))

    assert all(window.whole for window in found)
    assert found[-1].end == 100 * RATE


@pytest.fixture
def artificial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a model may be written that is converted nowhere else."""
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "model.bin"


@pytest.fixture(scope="module")
def session() -> Iterator[FasterWhisperSession]:
    model = Model.inspect(store.resolve("tiny.en"))
    with FasterWhisperBackend().open(model, OpenOptions(2)) as opened:
        yield opened


@pytest.fixture(scope="module")
def recording() -> Audio:
    """Four times eleven seconds of speech and two of silence: two windows."""
    speech = audio_files.load(Path(__file__).parents[3] / "samples" / "jfk.wav")
    return Audio(np.tile(np.concatenate([speech.samples, pause(2)]), 4), "four times")


@pytest.fixture(scope="module")
def progress() -> list[float]:
    """What was told of it while ``found`` was made."""
    return []


@pytest.fixture(scope="module")
def found(session: FasterWhisperSession, recording: Audio, progress: list[float]) -> SessionResult:
    """Both windows, decoded at once."""
    return session.transcribe(recording, AT_ONCE, on_progress=progress.append)


@pytest.mark.slow
def test_windows_decoded_at_once_are_sentences_at_their_times(
    found: SessionResult, progress: list[float]
) -> None:
    texts = [segment.text.strip() for segment in found.segments]
    assert " ".join(texts).count(COUNTRY) == 4
    assert all(segment.end_s - segment.start_s < 12 for segment in found.segments)
    ends = [s.end_s for s in found.segments if s.text.rstrip(". ").endswith(COUNTRY)]
    assert ends == pytest.approx([10.5, 23.5, 36.5, 49.5], abs=2.6)
    assert found.phases["encode"].runs == 2  # each window once
    assert progress == sorted(progress) != []


@pytest.mark.slow
def test_words_have_the_times_of_the_recording(
    session: FasterWhisperSession, recording: Audio
) -> None:
    options = replace(AT_ONCE, word_timestamps=True)

    found = session.transcribe(recording, options)

    words = [word for segment in found.segments for word in words_of(segment, "en")]
    starts = [word.start_s for word in words if word.text.strip().startswith("fellow")]
    assert starts == pytest.approx([1.4 + 13 * n for n in range(4)], abs=0.7)


@pytest.mark.slow
def test_a_window_that_fails_is_decoded_again(recording: Audio, artificial: Path) -> None:
    # A model that says the same in every window, which no threshold like this one lets pass.
    model = Model.inspect(write_model(artificial, says=(0.0, b"abcdef", 20.0)))
    failing = replace(AT_ONCE, logprob_threshold=1.0, temperature_increment=1.0, best_of=2)

    with FasterWhisperBackend().open(model, OpenOptions(2)) as session:
        found = session.transcribe(recording, AT_ONCE)
        again = session.transcribe(recording, failing)
        once_more = session.transcribe(recording, failing)

    assert again.phases["encode"].runs == found.phases["encode"].runs == 2
    assert again.segments
    assert again.phases["batchd"].runs > found.phases["batchd"].runs
    assert once_more.segments == again.segments  # whatever worker draws the random numbers


@pytest.mark.slow
def test_weights_that_are_not_needed_any_more_are_freed_at_once(
    artificial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[object]] = []
    load = ctranslate2.models.Whisper

    def recorded(*arguments: Any, **named: Any) -> object:
        model = load(*arguments, **named)
        made.append(weakref.ref(model))
        return model

    monkeypatch.setattr(ctranslate2.models, "Whisper", recorded)
    model = Model.inspect(write_model(artificial, says=(0.0, b"abcdef", 20.0)))
    sound = Audio(noise(35), "35 seconds")
    draws = replace(AT_ONCE, logprob_threshold=1.0, temperature_increment=1.0, best_of=1)
    gc.disable()
    try:
        with FasterWhisperBackend().open(model, OpenOptions(2)) as session:
            session.transcribe(sound, draws)
            after_drawing = [one() for one in made]
            session.transcribe(sound, AT_ONCE)
        after_closing = [one() for one in made]
    finally:
        gc.enable()

    assert len(made) > 2
    assert set(after_drawing) == set(after_closing) == {None}


def heard_in_three_windows(model: Path, says: Sequence[bytes | float]) -> SessionResult:
    """Heard by a model that says the same each time, in 81 s with two short pauses."""
    sound = Audio(np.tile(np.concatenate([noise(26.8), pause(0.2)]), 3), "three windows")
    alone = replace(AT_ONCE, condition_on_previous_text=False)
    with FasterWhisperBackend().open(
        Model.inspect(write_model(model, says=says)), OpenOptions(2)
    ) as session:
        return session.transcribe(sound, alone)


@pytest.mark.slow
def test_what_a_window_leaves_out_is_decoded_too(artificial: Path) -> None:
    # Nine seconds each time, and that something follows.
    found = heard_in_three_windows(artificial, (0.0, b"abcdef", 9.0, 9.0))

    starts = [segment.start_s for segment in found.segments]
    assert starts == pytest.approx([27 * n + at for n in range(3) for at in (0, 9, 18)], abs=0.2)
    assert {segment.text for segment in found.segments} == {"abcdef"}


@pytest.mark.slow
def test_what_a_text_of_the_greatest_length_leaves_out_is_decoded_too(artificial: Path) -> None:
    # Too many tokens for a window: the second segment has no end.
    found = heard_in_three_windows(artificial, (0.0, b"a" * 100, 9.1, 9.1, b"b" * 240))

    starts = [segment.start_s for segment in found.segments]
    expected = [27 * n + at for n in range(3) for at in (0, 9.1, 18.2)]
    assert starts == pytest.approx(expected, abs=0.2)
    assert {segment.text for segment in found.segments} == {"a" * 100}


@pytest.mark.slow
def test_a_model_that_says_little_at_a_time_does_not_fill_the_memory(
    artificial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    prepare = LoadedModel.prepare

    def recorded(self: LoadedModel, *arguments: Any) -> list[list[Prepared]]:
        found = prepare(self, *arguments)
        held.extend(map(len, found))
        return found

    monkeypatch.setattr(LoadedModel, "prepare", recorded)

    found = heard_in_three_windows(artificial, (0.0, b"a", 1.1, 1.1))

    assert [len(found.segments), len(held)] == [75, 3]
    assert max(held) < 10


@pytest.mark.slow
def test_a_pause_at_the_end_of_a_window_is_not_decoded_again(artificial: Path) -> None:
    found = heard_in_three_windows(artificial, (0.0, b"abcdef", 26.9, 26.9))

    assert [segment.text for segment in found.segments] == ["abcdef"] * 3
    assert found.phases["encode"].runs == 3


@pytest.mark.slow
def test_a_run_that_is_left_leaves_no_window_behind(recording: Audio, artificial: Path) -> None:
    model = Model.inspect(write_model(artificial, says=(0.0, b"abcdef", 20.0)))

    def leave(segment: Segment) -> None:
        raise KeyboardInterrupt

    with FasterWhisperBackend().open(model, OpenOptions(2)) as session:
        with pytest.raises(KeyboardInterrupt):
            session.transcribe(recording, AT_ONCE, on_segment=leave)
        left = [one.name for one in threading.enumerate() if one.name.startswith("whisperctl-w")]
        short = session.transcribe(Audio(recording.samples[:RATE], "a second"), AT_ONCE)
        found = session.transcribe(recording, AT_ONCE)

    assert left == []
    assert [len(short.segments), len(found.segments)] == [1, 2]


@pytest.mark.slow
def test_what_cannot_be_done_at_once_is_refused(
    session: FasterWhisperSession, recording: Audio
) -> None:
    for values in ({"temperature": 0.5}, {"carry_initial_prompt": True, "initial_prompt": "So"}):
        with pytest.raises(UsageError, match="batch size"):
            session.transcribe(recording, replace(AT_ONCE, **values))
