"""Promise 4. Text.

`transcribe(audio, options, on_segment=, on_progress=, on_language=)` takes `audio.samples`
(float32, shape `(n_samples,)`, mono, 16 kHz) and gives a `SessionResult`: the language spoken, and
segments in order, with times in seconds from their start to their end, beginning within the
recording. A segment's text is text, without a character that is cut in two:
`whisperctl.engine.toolkit.words.Utf8Joiner` joins those. U+FFFD stands for nothing but bytes that
the model itself never makes a character of. Where a segment has tokens, their bytes joined are its
text. Control characters need no care: whisperctl makes them visible in texts, language codes,
`system_info`, logs and errors. Nothing is written to standard output.

Promise 5. Any recording.

No sample at all, a hundredth of a second, silence, clipped noise and minutes of speech are all
recordings. Where nobody speaks there may be no segment; no sample gives none. A long recording is
transcribed to its end.

Promise 6. Words.

`OpenOptions(word_timestamps=True)` prepares for runs that ask for `word_timestamps`: their tokens
have `start_s` and `end_s`, within the segment and in order, from which whisperctl makes words. A
backend that cannot do it raises `UsageError`, in `open` or in `transcribe`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine.protocol import SessionResult
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions
from whisperctl.testing.subject import (
    RECITED,
    TIMES,
    Outcome,
    Shared,
    Subject,
    beginning,
    one_line,
    reference_text,
    replaced,
    word_error_rate,
)
from whisperctl.transcript import Segment, Word

_WRONG_WORDS = 0.05
_LATE_S = 1.0
"""whisper.cpp's last segment may end a little after the recording does."""


def check_segments(segments: tuple[Segment, ...], duration_s: float) -> None:
    last_s = 0.0
    for segment in segments:
        assert 0 <= segment.start_s <= segment.end_s, f"a segment ends before it starts: {segment}"
        assert segment.start_s >= last_s, f"segments overlap at {segment.start_s} s"
        assert segment.start_s <= duration_s, f"a segment begins after the recording: {segment}"
        last_s = segment.end_s
        assert isinstance(segment.text, str)
        assert "\ufffd" not in segment.text, f"a character was cut in two: {segment.text!r}"
        if segment.tokens:
            joined = b"".join(token.data for token in segment.tokens)
            assert joined.decode() == segment.text, "the tokens' bytes are the segment's text"
            assert all(0 <= token.probability <= 1 for token in segment.tokens)


def test_it_hears_what_is_said(heard: Outcome) -> None:
    wrong = word_error_rate(reference_text(), heard.transcript.text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {heard.transcript.text}"


def test_segments_are_in_order_and_in_the_recording(heard: Outcome, recording: Audio) -> None:
    segments = heard.transcript.segments
    check_segments(segments, recording.duration_s)
    assert segments[-1].end_s <= recording.duration_s + _LATE_S, "times are in seconds"
    assert segments[-1].end_s > recording.duration_s / 2, "times are in seconds"


def test_the_result_has_the_language(heard: Outcome) -> None:
    assert heard.transcript.language == "en", "language is the code of what is spoken"
    assert heard.transcript.language_probability is None, "no language was detected"


def test_it_detects_the_language(detected: Outcome) -> None:
    transcript = detected.transcript
    assert transcript.language == "en", 'language="auto" gives the detected language\'s code'
    probability = transcript.language_probability
    assert probability is None or 0 <= probability <= 1


def test_another_script_is_whole_characters_wherever_segments_end(
    reciting: Shared, clip: Audio
) -> None:
    heard = reciting.hear(clip, replaced(language="bn", temperature_increment=0.0))

    assert tuple(heard.streamed) == heard.transcript.segments
    check_segments(heard.transcript.segments, clip.duration_s)
    assert len(heard.transcript.segments) == 2
    assert heard.transcript.text == RECITED, "each character is in one segment, and none is lost"


def test_nothing_is_written_to_standard_output(
    subject: Subject, clip: Audio, capfd: pytest.CaptureFixture[str]
) -> None:
    with subject.open() as session:
        session.transcribe(beginning(clip, 0.01), DecodeOptions(language="en"))
    assert capfd.readouterr().out == "", "standard output is for whisperctl's results"


_WRONG_WORDS = 0.1


@pytest.mark.parametrize("n_samples", [0, 1, 160, 1599])
def test_less_than_a_tenth_of_a_second_has_no_segments(
    shared: Shared, recording: Audio, heard: Outcome, n_samples: int
) -> None:
    # After other speech, which an engine may still have in its memory.
    assert heard.transcript.segments

    transcript = shared.transcribe(Audio(recording.samples[:n_samples], "short"))

    assert transcript.segments == (), f"{n_samples} samples hold no speech"


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
    check_segments(transcript.segments, TIMES * recording.duration_s)
    wrong = word_error_rate(" ".join([reference_text()] * TIMES), transcript.text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {transcript.text}"
    assert transcript.segments[-1].end_s > (TIMES - 0.5) * recording.duration_s


_NEAR_S = 1e-6


@pytest.fixture(scope="module")
def timed(subject: Subject, recording: Audio) -> SessionResult:
    try:
        with subject.open(threads=1, word_timestamps=True) as session:
            return session.transcribe(recording, replaced(word_timestamps=True))
    except UsageError as error:
        assert one_line(error), "the message is one line"
        assert "word" in str(error), "the message names the option"
        pytest.skip(f"refused, as it may: {error}")


def test_tokens_have_times_within_their_segment_and_in_order(timed: SessionResult) -> None:
    assert timed.segments
    for segment in timed.segments:
        times = []
        for token in segment.tokens:
            assert token.start_s is not None and token.end_s is not None, f"{token} has no times"
            times.append((token.start_s, token.end_s))
        assert times, "words are made from tokens"
        for start_s, end_s in times:
            assert segment.start_s - _NEAR_S <= start_s <= end_s <= segment.end_s + _NEAR_S, (
                f"a token from {start_s} to {end_s} s is not within {segment}"
            )
        for (_, before_s), (after_s, _) in pairwise(times):
            assert before_s <= after_s + _NEAR_S, f"tokens overlap at {after_s} s"


def test_words_are_whole_and_where_they_are_spoken(timed: SessionResult, recording: Audio) -> None:
    wrong = word_error_rate(reference_text(), timed.text)
    assert wrong <= 0.05, f"{wrong:.0%} of the words are wrong: {timed.text}"
    words: list[Word] = []
    for segment in timed.segments:
        made = segment.words or words_of(segment, timed.language)
        assert "".join(word.text for word in made) == segment.text, "words make up the text"
        words += made
    assert all(len(word.text.split()) == 1 for word in words)
    assert words[0].start_s < 1.5, "the first word is spoken in the first second"
    assert recording.duration_s - 1.5 < words[-1].end_s <= recording.duration_s
