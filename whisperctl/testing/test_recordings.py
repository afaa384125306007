"""Promise 4. Any recording.

No sample at all, a hundredth of a second, silence, clipped noise and minutes of speech are all
recordings. Where nobody speaks there may be no segment; no sample gives none. A long recording is
heard to its end.
"""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.testing import speech
from whisperctl.testing.subject import Outcome, Shared, replaced
from whisperctl.testing.test_hearing import check_segments

_WRONG_WORDS = 0.1


@pytest.mark.parametrize("n_samples", [0, 1, 160, 1599])
def test_less_than_a_tenth_of_a_second_has_no_segments(
    shared: Shared, recording: Audio, heard: Outcome, n_samples: int
) -> None:
    # After other speech, which an engine may still have in its memory.
    assert heard.transcript.segments

    transcript = shared.transcribe(Audio(recording.samples[:n_samples], "short"))

    assert transcript.segments == (), f"{n_samples} samples hold no speech"
    assert transcript.duration_s == n_samples / SAMPLE_RATE


def _silence() -> Audio:
    return Audio(np.zeros(2 * SAMPLE_RATE, np.float32), "silence")


def _clipped_noise() -> Audio:
    noise = np.random.default_rng(1).normal(0, 3, 2 * SAMPLE_RATE)
    return Audio(np.clip(noise, -1, 1).astype(np.float32), "clipped noise")


@pytest.mark.parametrize("make", [_silence, _clipped_noise])
def test_recordings_without_speech_are_transcribed_too(shared: Shared, make: object) -> None:
    assert callable(make)
    audio = make()

    transcript = shared.transcribe(audio, replaced(temperature_increment=0.0))

    check_segments(transcript.segments, audio.duration_s)


def test_a_long_recording_is_heard_to_its_end(at_length: Outcome, recording: Audio) -> None:
    transcript = at_length.transcript
    check_segments(transcript.segments, 6 * recording.duration_s)
    wrong = speech.word_error_rate(" ".join([speech.reference()] * 6), transcript.text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {transcript.text}"
    assert transcript.segments[-1].end_s > 5.5 * recording.duration_s
