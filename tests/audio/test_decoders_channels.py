"""Channels to mono, where averaging would lose what was said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Encode, Samples
from tests.audio.test_audio_stream import mux
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.decoders.media import MediaReader

CANCELS = "has channels that cancel each other out (one is inverted): channel {} is used"


def write(path: Path, *channels: Samples) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), SAMPLE_RATE, subtype="FLOAT")
    return path


def test_of_channels_of_which_one_is_inverted_one_is_used(speech: Samples, tmp_path: Path) -> None:
    loaded = audio.load(write(tmp_path / "a.wav", speech, -speech))

    np.testing.assert_array_equal(loaded.samples, speech)
    assert len(loaded.warnings) == 1
    assert CANCELS.format(1) in loaded.warnings[0]


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


def test_eight_channels_are_read(speech: Samples, tmp_path: Path) -> None:
    """In a process of its own, as PyAV reads through a pointer that is none, which ends it."""
    path = mux(tmp_path / "a.m4a", np.tile(speech, (8, 1)), rate=SAMPLE_RATE, layout="7.1")

    code = "import sys; from whisperctl import audio; print(audio.load(sys.argv[1]).duration_s)"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(11.0, abs=0.1)


def test_samples_of_64_bits_are_read(encode: Encode, speech: Samples) -> None:
    loaded = audio.load(encode("a.nut", "pcm_s64le"))

    np.testing.assert_allclose(loaded.samples, speech, atol=1e-4)


def test_a_recording_s_file_is_closed_at_the_end_of_with(speech: Samples, tmp_path: Path) -> None:
    with MediaReader(write(tmp_path / "a.wav", speech)) as media:
        assert sum(len(block) for _, block in media.blocks()) == len(speech)
        assert not media.source.file.closed

    assert media.source.file.closed
