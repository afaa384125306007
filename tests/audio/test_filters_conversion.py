"""Decoded audio to mono at 16 kHz: channels, sample rate, finite values, level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Samples
from tests.audio.test_audio_stream import at_rate, mux
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.filters.conversion import Mixer, Resampler

CANCELS = "has channels that cancel each other out (one is inverted): channel {} is used"


def write(path: Path, *channels: Samples) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), SAMPLE_RATE, subtype="FLOAT")
    return path


def test_of_channels_of_which_one_is_inverted_one_is_used(speech: Samples, tmp_path: Path) -> None:
    loaded = audio.load(write(tmp_path / "a.wav", speech, -speech))

    np.testing.assert_array_equal(loaded.samples, speech)
    assert len(loaded.warnings) == 1
    assert CANCELS.format(1) in loaded.warnings[0]


@pytest.mark.slow
def test_an_inverted_channel_is_noticed_in_a_lossy_coding_too(
    speech: Samples, tmp_path: Path
) -> None:
    path = mux(
        tmp_path / "a.m4a", np.stack([speech, -speech]), codec="aac", rate=16_000, layout="stereo"
    )

    loaded = audio.load(path)

    share = np.linalg.norm(loaded.samples[: len(speech)]) / np.linalg.norm(speech)
    assert share == pytest.approx(1.0, abs=0.05)
    assert [CANCELS.format(1) in warning for warning in loaded.warnings] == [True]


def test_the_louder_one_is_used_and_no_other_takes_turns_with_it(
    speech: Samples, tmp_path: Path
) -> None:
    loaded = audio.load(write(tmp_path / "a.wav", speech * 0.9, -speech))

    np.testing.assert_allclose(loaded.samples, -speech, atol=1e-6)
    assert CANCELS.format(2) in loaded.warnings[0]


def test_an_inverted_channel_that_begins_later_is_noticed_there(
    speech: Samples, tmp_path: Path
) -> None:
    silence = np.zeros(10 * SAMPLE_RATE, np.float32)
    left = np.concatenate([speech, silence, speech])
    right = np.concatenate([speech, silence, -speech])

    loaded = audio.load(write(tmp_path / "a.wav", left, right))

    np.testing.assert_allclose(loaded.samples[-8 * SAMPLE_RATE :], speech[-8 * SAMPLE_RATE :])
    np.testing.assert_allclose(loaded.samples[: 8 * SAMPLE_RATE], speech[: 8 * SAMPLE_RATE])
    assert len(loaded.warnings) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one silent", "unrelated", "the same", "late", "six, one speaks"])
def test_channels_that_do_not_cancel_are_averaged(
    speech: Samples, tmp_path: Path, kind: str
) -> None:
    silence = np.zeros_like(speech)
    noise = np.random.default_rng(1).normal(0, 0.1, len(speech)).astype(np.float32)
    channels = {
        "one silent": [speech, silence],
        "unrelated": [speech, noise],
        "the same": [speech, speech],
        "late": [speech, np.roll(speech, 40)],
        "six, one speaks": [silence, silence, speech, silence, silence, silence],
    }[kind]

    loaded = audio.load(write(tmp_path / "a.wav", *channels))

    np.testing.assert_allclose(loaded.samples, np.mean(channels, axis=0), atol=1e-6)
    assert loaded.warnings == ()


@pytest.mark.filterwarnings("error")
def test_values_that_are_not_numbers_in_several_channels_are_silence(
    speech: Samples, tmp_path: Path
) -> None:
    left, right = speech.copy(), speech.copy()
    left[100], right[100] = np.inf, -np.inf
    left[200] = np.nan
    left[300], right[300] = 3e38, 3e38

    loaded = audio.load(write(tmp_path / "a.wav", left, right))

    assert not loaded.samples[[100, 200]].any()
    assert np.isfinite(loaded.samples).all()
    assert "samples that are not numbers" in loaded.warnings[0]


def test_values_that_are_not_numbers_become_silence_with_a_warning(
    speech: Samples, tmp_path: Path
) -> None:
    spoilt = np.stack([speech, speech], axis=1)
    spoilt[1000:1005, 0] = np.nan
    spoilt[2000, :] = np.inf
    soundfile.write(tmp_path / "nan.wav", spoilt, SAMPLE_RATE, subtype="FLOAT")

    loaded = audio.load(tmp_path / "nan.wav")

    assert not loaded.samples[1000:1005].any()
    assert loaded.samples[2000] == 0
    assert np.isfinite(loaded.samples).all()
    assert len(loaded.warnings) == 1
    assert "has 6 samples that are not numbers" in loaded.warnings[0]


def test_samples_on_another_scale_are_clipped_with_a_warning(
    speech: Samples, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "loud.wav", speech * 1000, SAMPLE_RATE, subtype="FLOAT")

    loaded = audio.load(tmp_path / "loud.wav")

    assert float(np.abs(loaded.samples).max()) == 1
    assert "times louder than full scale" in loaded.warnings[0]


def test_rate_and_channels_may_change_within_a_recording(speech: Samples) -> None:
    """Every second has another rate, and the second half has two channels."""
    mixer, resampler = Mixer(split=False), Resampler()
    found: list[Samples] = []
    rates = [48_000, 16_000, 8_000, 44_100]
    for n, rate in enumerate(rates):
        second = at_rate(speech[n * SAMPLE_RATE : (n + 1) * SAMPLE_RATE], rate)
        block = np.repeat(second[:, np.newaxis], 1 if n < 2 else 2, axis=1)
        found += resampler.process(rate, mixer.process(block))
    found += resampler.flush()

    joined = np.concatenate(found)
    assert joined.shape == (pytest.approx(4 * SAMPLE_RATE, abs=4), 1)
    lost = np.linalg.norm(joined[: 4 * SAMPLE_RATE, 0] - speech[: len(joined)][: 4 * SAMPLE_RATE])
    assert lost < 0.2 * np.linalg.norm(speech[: 4 * SAMPLE_RATE])


def test_channels_kept_apart_stay_as_many_when_their_number_changes() -> None:
    mixer = Mixer(split=True)
    stereo = np.array([[0.5, 0.25]], np.float32)

    np.testing.assert_array_equal(mixer.process(stereo), stereo)
    np.testing.assert_array_equal(
        mixer.process(np.array([[0.5]], np.float32)), np.array([[0.5, 0.5]], np.float32)
    )
