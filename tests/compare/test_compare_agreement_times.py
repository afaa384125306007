"""When words are said, and how far apart the times of two engines are."""

from __future__ import annotations

import random

import pytest

from whisperctl.compare.result import WordInfo
from whisperctl.compare.scoring.agreement import time_deltas, timed_segments
from whisperctl.compare.scoring.wer import split_words
from whisperctl.transcript import Segment, Transcript, Word


def words(*timed: tuple[str, float, float]) -> Segment:
    """A segment of an engine that knows when its words are said."""
    found = tuple(Word(start_s, end_s, text, 0.9) for text, start_s, end_s in timed)
    text = "".join(word.text for word in found)
    return Segment(found[0].start_s, found[-1].end_s, text, words=found)


def transcript(*parts: Segment) -> Transcript:
    return Transcript(parts, "en", 100.0)


def test_times_of_the_engine_are_kept() -> None:
    (found,) = timed_segments(transcript(words((" Ask", 1.0, 1.5), (" not,", 1.75, 2.0))))
    assert found.words == (WordInfo(1.0, 1.5, "Ask", True), WordInfo(1.75, 2.0, "not,", True))
    assert (found.start_s, found.end_s, found.text) == (1.0, 2.0, " Ask not,")


def test_without_times_words_are_spread_by_their_length() -> None:
    (found,) = timed_segments(transcript(Segment(2.0, 4.0, " a bcd efgh ")))
    assert found.words == (
        WordInfo(2.0, 2.2, "a", False),
        WordInfo(2.4, 3.0, "bcd", False),
        WordInfo(3.2, 4.0, "efgh", False),
    )


def test_a_word_cut_in_two_begins_in_one_segment_and_ends_in_the_next() -> None:
    first, second = timed_segments(
        transcript(
            words((" Ameri", 1.0, 1.5)),
            words(("cans", 1.5, 2.0), (" ask", 2.0, 2.5)),
        )
    )
    assert first.words == (WordInfo(1.0, 2.0, "Americans", True),)
    assert second.words == (WordInfo(2.0, 2.5, "ask", True),)


def test_a_word_that_the_engine_cut_or_joined_otherwise_takes_its_share() -> None:
    (cut,) = timed_segments(transcript(words((" ill", 1.0, 1.25), ("-disposed", 1.25, 2.0))))
    assert cut.words == (WordInfo(1.0, 2.0, "ill-disposed", True),)
    (joined,) = timed_segments(transcript(words((" a - b", 1.0, 2.0))))
    assert [(w.text, w.start_s, w.end_s) for w in joined.words] == [
        ("a", 1.0, 1.2),
        ("-", 1.4, 1.6),
        ("b", 1.8, 2.0),
    ]


def test_words_that_are_not_the_segments_are_not_believed() -> None:
    found = words((" ask", 1.0, 1.5), (" not", 1.5, 2.0))
    other = Segment(0.0, 4.0, " ask nothing at all", words=found.words)
    assert not any(word.exact for word in timed_segments(transcript(other))[0].words)


def test_segments_without_text_stay_and_have_no_words() -> None:
    found = timed_segments(transcript(Segment(0, 1, ""), Segment(1, 2, " hi"), Segment(2, 3, "  ")))
    assert [[word.text for word in segment.words] for segment in found] == [[], ["hi"], []]
    assert timed_segments(transcript()) == ()


def test_words_of_any_segments_are_those_of_the_text_and_never_go_back() -> None:
    dice = random.Random(11)
    for _ in range(300):
        parts, now_s = [], 0.0
        for _ in range(dice.randint(0, 5)):
            if dice.random() < 0.5:
                text = "".join(dice.choices("ab  我。\n", k=dice.randint(0, 12)))
                parts.append(Segment(now_s, now_s + 3, text))
            else:
                timed = [
                    ("".join(dice.choices("ab  我。", k=4)), now_s + i, now_s + i + 1)
                    for i in range(3)
                ]
                parts.append(words(*timed))
            now_s += 3
        made = transcript(*parts)
        found = [word for segment in timed_segments(made) for word in segment.words]
        assert [word.text for word in found] == split_words(made.text)
        times = [t for word in found for t in (word.start_s, word.end_s)]
        assert times == sorted(times)


def test_words_match_but_for_case_and_punctuation() -> None:
    ours = transcript(words((" Ask", 1.0, 1.5), (" not,", 2.0, 2.5), (" what", 3.0, 4.0)))
    theirs = transcript(words((" ask", 1.25, 1.5), (" not", 1.5, 2.5), (" why", 9.0, 9.5)))
    found = time_deltas(ours, theirs)
    assert found is not None
    assert found.n_words == 2
    assert (found.start_mean_s, found.bias_s) == pytest.approx((0.375, -0.125))
    assert found.start_p95_s == pytest.approx(0.25 + 0.95 * 0.25)
    assert (found.end_mean_s, found.end_p95_s) == (0.0, 0.0)


def test_times_are_compared_only_where_both_know_them() -> None:
    ours = transcript(words((" Ask", 1.0, 1.5)), Segment(2, 4, " not what"))
    theirs = transcript(words((" Ask", 1.5, 2.0), (" not", 2.0, 3.0), (" what", 3.0, 4.0)))
    found = time_deltas(ours, theirs)
    assert found is not None
    assert (found.n_words, found.bias_s) == (1, 0.5)
    assert time_deltas(ours, transcript(Segment(0, 9, " Ask"))) is None
    assert time_deltas(ours, transcript(words((" else", 1.0, 2.0)))) is None
    assert time_deltas(ours, transcript()) is None


def test_punctuation_alone_is_no_word_that_matches() -> None:
    ours, theirs = (transcript(words((f" {mark}", 1.0, 2.0))) for mark in "-–")  # noqa: RUF001
    assert time_deltas(ours, theirs) is None
