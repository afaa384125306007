"""What is a loop, and what is somebody who says the same again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transcription.conftest import Samples, hum, pink_noise, silence, white_noise
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment, Token
from whisperctl.transcription.repetition import Repetition, RepetitionFilter, normalized, once
from whisperctl.transcription.similarity import alike


def said(*texts: str, each_s: float = 2.0) -> list[Segment]:
    return [Segment(i * each_s, (i + 1) * each_s, text) for i, text in enumerate(texts)]


def watched(
    guard: RepetitionFilter, segments: list[Segment]
) -> tuple[list[str], Repetition | None, list[Segment]]:
    """What was shown before a suspicion, the suspicion, and what came after it."""
    shown = []
    for i, segment in enumerate(segments):
        ready, loop = guard.add(segment)
        shown += [each.text for each in ready]
        if loop is not None:
            return shown, loop, segments[i + 1 :]
    return shown + [each.text for each in guard.flush()], None, []


def test_different_text_is_shown_at_once() -> None:
    guard = RepetitionFilter(2.4)
    for segment in said(" One.", " Two.", " Three.", " Four.", " Five."):
        assert guard.add(segment) == ([segment], None)


def test_a_copy_waits_until_it_is_known_that_no_more_follow() -> None:
    guard = RepetitionFilter(2.4)
    one, same, other = said(" Yes.", " yes", " No.")

    assert guard.add(one) == ([one], None)
    assert guard.add(same) == ([], None)
    assert guard.add(other) == ([same, other], None)


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_the_third_copy_is_suspicious_and_only_the_first_was_shown(period: int) -> None:
    cycle = [f" This is sentence {chr(65 + i)}." for i in range(period)]

    shown, loop, _ = watched(RepetitionFilter(2.4), said(" Before.", *cycle * 5))

    assert shown == [" Before.", *cycle]
    assert loop is not None
    assert [segment.text for segment in loop.copies] == cycle * 2
    assert [segment.text for segment in loop.cycle] == cycle
    assert not loop.certain
    assert loop.start_s == 2.0 * (1 + period)
    assert loop.earlier_s == loop.start_s


def test_what_nobody_can_say_so_fast_is_certain() -> None:
    text = " I am going to say a whole sentence here."

    _, slow, _ = watched(RepetitionFilter(2.4), said(*[text] * 3, each_s=2.0))
    _, fast, _ = watched(RepetitionFilter(2.4), said(*[text] * 3, each_s=0.5))

    assert slow is not None
    assert not slow.certain
    assert fast is not None
    assert fast.certain


def test_what_proved_real_is_shown_until_it_goes_on_for_twice_as_long() -> None:
    guard = RepetitionFilter(2.4)
    _, loop, rest = watched(guard, said(*[" Again."] * 9))
    assert loop is not None
    guard.trust(loop)

    shown, loop, rest = watched(guard, rest)

    assert shown == [" Again."] * 2  # the fourth and fifth
    assert loop is not None
    assert len(loop.copies) == 1
    assert len(rest) == 3


def test_a_text_that_repeats_itself_is_suspicious_by_its_compression() -> None:
    text = " I'm sorry, but I'm sorry," + 12 * " I'm going to be late,"
    assert compression_ratio(text) > 2.4

    _, loop, _ = watched(RepetitionFilter(2.4), [Segment(0.0, 30.0, text)])
    _, lenient, _ = watched(RepetitionFilter(20.0), [Segment(0.0, 30.0, text)])

    assert loop is not None
    assert loop.within
    assert loop.proof_s == (15.0, 30.0)
    assert loop.confirmed_by("I'm going to be late, I'm going to be late")
    assert not loop.confirmed_by("the weather was fine all of last week")
    assert not loop.confirmed_by("")
    assert lenient is None


def test_twice_the_same_sentence_in_a_segment_is_no_loop() -> None:
    sentence = " And so my fellow Americans ask not what your country can do for you"
    text = 2 * (sentence + " ask what you can do for your country.")
    assert compression_ratio(text) > 2.3

    assert watched(RepetitionFilter(1.5), [Segment(0.0, 22.0, text)])[1] is None


def test_the_copy_alone_tells_a_loop_from_a_repetition() -> None:
    _, loop, _ = watched(RepetitionFilter(2.4), said(*[" I'm not sure what to do."] * 3))
    assert loop is not None

    assert loop.confirmed_by(" I am not sure what to do")
    assert not loop.confirmed_by(" and then we went to the market")
    assert not loop.confirmed_by("")


def test_case_and_punctuation_make_no_difference_but_marks_alone_do() -> None:
    assert normalized(" Well, YES!") == normalized("well yes")
    assert normalized(" ♪♪") == "♪♪"
    assert normalized(" ...") != normalized(" ♪")


def test_one_copy_is_left_of_what_a_text_ends_in() -> None:
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

    assert alike(twice, 0.0, 11.0, 8.0)
    assert alike(twice, 8.0, 19.0, 3.0)
    assert alike(twice, 1.3, 11.0, 8.0)  # segments' times are not exact
    assert alike(noisy, 0.0, 11.0, 8.0)


def test_different_words_and_noises_do_not_sound_alike(speech: Samples) -> None:
    for first_s, second_s, length_s in ((0.3, 5.4, 2.2), (0.0, 8.0, 3.0), (3.3, 8.2, 2.4)):
        assert not alike(speech, first_s, second_s, length_s)
    for noise in (white_noise(20), pink_noise(20), hum(20), silence(20)):
        assert not alike(noise, 2.0, 12.3, 4.0)
        assert not alike(noise, 2.0, 8.0, 2.0)
