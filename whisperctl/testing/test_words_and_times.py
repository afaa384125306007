"""Promise 9. Words.

`open(..., word_timestamps=True)` prepares for runs that ask for `word_timestamps`: their tokens
have `start_s` and `end_s`, within the segment and in order, from which whisperctl makes words. A
backend that cannot do it raises `UsageError`, in `open` or in `transcribe`.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import UsageError
from whisperctl.testing import speech
from whisperctl.testing.subject import Subject, one_line, replaced
from whisperctl.transcript import Transcript, Word

_NEAR_S = 1e-6


@pytest.fixture(scope="module")
def timed(subject: Subject, recording: Audio) -> Transcript:
    try:
        with subject.open(threads=1, word_timestamps=True) as session:
            return session.transcribe(recording, replaced(word_timestamps=True))
    except UsageError as error:
        assert one_line(error), "the message is one line"
        assert "word" in str(error), "the message names the option"
        pytest.skip(f"refused, as it may: {error}")


def test_tokens_have_times_within_their_segment_and_in_order(timed: Transcript) -> None:
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


def test_words_are_whole_and_where_they_are_spoken(timed: Transcript, recording: Audio) -> None:
    wrong = speech.word_error_rate(speech.reference(), timed.text)
    assert wrong <= 0.05, f"{wrong:.0%} of the words are wrong: {timed.text}"
    words: list[Word] = []
    for segment in timed.segments:
        made = segment.words or words_of(segment, timed.language)
        assert "".join(word.text for word in made) == segment.text, "words make up the text"
        words += made
    assert all(len(word.text.split()) == 1 for word in words)
    assert words[0].start_s < 1.5, "the first word is spoken in the first second"
    assert recording.duration_s - 1.5 < words[-1].end_s <= recording.duration_s
