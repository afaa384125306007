"""Repetition loops are told from people and recordings that repeat themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transcription.conftest import Samples, hum, pink_noise, silence, white_noise
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment, Token
from whisperctl.transcription.repetition import (
    Repetition,
    RepetitionFilter,
    normalized,
    once,
    sounds_alike,
)


def spoken(*texts: str, each_s: float = 2.0) -> list[Segment]:
    return [Segment(i * each_s, (i + 1) * each_s, text) for i, text in enumerate(texts)]


def filtered(
    repetition_filter: RepetitionFilter, segments: list[Segment]
) -> tuple[list[str], Repetition | None, list[Segment]]:
    """Texts given out before the first repetition, the repetition, and the segments after it."""
    given = []
    for i, segment in enumerate(segments):
        ready, repetition = repetition_filter.add(segment)
        given += [each.text for each in ready]
        if repetition is not None:
            return given, repetition, segments[i + 1 :]
    return given + [each.text for each in repetition_filter.flush()], None, []


def test_different_text_is_given_out_at_once() -> None:
    repetition_filter = RepetitionFilter(2.4)
    for segment in spoken(" One.", " Two.", " Three.", " Four.", " Five."):
        assert repetition_filter.add(segment) == ([segment], None)


def test_a_copy_waits_until_it_is_known_that_no_more_follow() -> None:
    repetition_filter = RepetitionFilter(2.4)
    one, same, other = spoken(" Yes.", " yes", " No.")

    assert repetition_filter.add(one) == ([one], None)
    assert repetition_filter.add(same) == ([], None)
    assert repetition_filter.add(other) == ([same, other], None)


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_the_third_copy_is_suspicious_and_only_the_first_was_given_out(period: int) -> None:
    cycle = [f" This is sentence {chr(65 + i)}." for i in range(period)]

    given, repetition, _ = filtered(RepetitionFilter(2.4), spoken(" Before.", *cycle * 5))

    assert given == [" Before.", *cycle]
    assert repetition is not None
    assert [segment.text for segment in repetition.copies] == cycle * 2
    assert [segment.text for segment in repetition.cycle] == cycle
    assert not repetition.certain
    assert repetition.start_s == 2.0 * (1 + period)
    assert repetition.earlier_s == repetition.start_s


def test_text_that_nobody_can_speak_that_fast_is_certain() -> None:
    text = " I am going to say a whole sentence here."

    _, slow, _ = filtered(RepetitionFilter(2.4), spoken(*[text] * 3, each_s=2.0))
    _, fast, _ = filtered(RepetitionFilter(2.4), spoken(*[text] * 3, each_s=0.5))

    assert slow is not None
    assert not slow.certain
    assert fast is not None
    assert fast.certain


def test_an_accepted_repetition_is_given_out_until_it_is_twice_as_long() -> None:
    repetition_filter = RepetitionFilter(2.4)
    _, repetition, rest = filtered(repetition_filter, spoken(*[" Again."] * 9))
    assert repetition is not None
    repetition_filter.accept(repetition)

    given, repetition, rest = filtered(repetition_filter, rest)

    assert given == [" Again."] * 2  # the fourth and fifth
    assert repetition is not None
    assert len(repetition.copies) == 1
    assert len(rest) == 3


def test_a_text_that_repeats_itself_is_suspicious_by_its_compression() -> None:
    text = " I'm sorry, but I'm sorry," + 12 * " I'm going to be late,"
    assert compression_ratio(text) > 2.4

    _, repetition, _ = filtered(RepetitionFilter(2.4), [Segment(0.0, 30.0, text)])
    _, lenient, _ = filtered(RepetitionFilter(20.0), [Segment(0.0, 30.0, text)])

    assert repetition is not None
    assert repetition.within
    assert repetition.check_s == (15.0, 30.0)
    assert repetition.confirmed_by("I'm going to be late, I'm going to be late")
    assert not repetition.confirmed_by("the weather was fine all of last week")
    assert not repetition.confirmed_by("")
    assert lenient is None


def test_the_same_sentence_twice_in_a_segment_is_not_suspicious() -> None:
    sentence = " And so my fellow Americans ask not what your country can do for you"
    text = 2 * (sentence + " ask what you can do for your country.")
    assert compression_ratio(text) > 2.3

    assert filtered(RepetitionFilter(1.5), [Segment(0.0, 22.0, text)])[1] is None


def test_the_copy_decoded_alone_tells_a_loop_from_real_speech() -> None:
    _, repetition, _ = filtered(RepetitionFilter(2.4), spoken(*[" I'm not sure what to do."] * 3))
    assert repetition is not None

    assert repetition.confirmed_by(" I am not sure what to do")
    assert not repetition.confirmed_by(" and then we went to the market")
    assert not repetition.confirmed_by("")


def test_case_and_punctuation_make_no_difference_unless_there_is_nothing_else() -> None:
    assert normalized(" Well, YES!") == normalized("well yes")
    assert normalized(" ♪♪") == "♪♪"
    assert normalized(" ...") != normalized(" ♪")


def test_one_copy_is_kept_of_the_repetition_at_the_end_of_a_text() -> None:
    parts = [" So", ",", *[" no", ",", " no"] * 5, " no"]
    tokens = tuple(Token(len(part) * 31 + ord(part[-1]), part.encode(), 1.0) for part in parts)

    short = once(Segment(0, 9, "".join(parts), tokens))

    assert short.text == " So, no, no"
    assert b"".join(token.data for token in short.tokens).decode() == short.text
    assert once(Segment(0, 9, "你好" * 20)).text == "你好"
    assert once(Segment(0, 9, " No loop here.")).text == " No loop here."


def test_copies_of_a_recording_sound_alike(speech: Samples) -> None:
    twice = np.concatenate([speech, speech])
    noisy = twice + white_noise(22, 0.1)

    assert sounds_alike(twice, 0.0, 11.0, 8.0)
    assert sounds_alike(twice, 8.0, 19.0, 3.0)
    assert sounds_alike(twice, 1.3, 11.0, 8.0)  # segments' times are not exact
    assert sounds_alike(noisy, 0.0, 11.0, 8.0)


def test_different_words_and_noises_do_not_sound_alike(speech: Samples) -> None:
    for first_s, second_s, length_s in ((0.3, 5.4, 2.2), (0.0, 8.0, 3.0), (3.3, 8.2, 2.4)):
        assert not sounds_alike(speech, first_s, second_s, length_s)
    for noise in (white_noise(20), pink_noise(20), hum(20), silence(20)):
        assert not sounds_alike(noise, 2.0, 12.3, 4.0)
        assert not sounds_alike(noise, 2.0, 8.0, 2.0)


def test_a_stretch_beyond_the_end_is_like_nothing(speech: Samples) -> None:
    end_s = len(speech) / 16000
    assert not sounds_alike(speech, 0.0, end_s, 5.0)  # times of an engine may be
    assert not sounds_alike(speech, end_s + 1, end_s + 2, 5.0)
