"""Timestamps are in order and within the audio, whatever an engine says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whisperctl.transcript import Segment, Token, Word
from whisperctl.transcription.stages.timestamps import LEAST_S, TimestampFixer, spread


def fixed(segments: list[Segment], after_s: float, limit_s: float) -> list[Segment]:
    fixer = TimestampFixer(after_s, limit_s)
    found = [ready for segment in segments for ready in fixer.add(segment)]
    return [*found, *fixer.flush()]


def segment(start_s: float, end_s: float, n_words: int = 0) -> Segment:
    words = tuple(Word(end_s - i, start_s + i, " w", 1.0) for i in range(n_words))
    tokens = tuple(Token(i, b" w", 1.0, start_s - i, end_s + i) for i in range(n_words))
    return Segment(start_s, end_s, " w" * n_words, tokens, words)


def check(found: list[Segment], after_s: float, limit_s: float) -> None:
    at_s = after_s
    for each in found:
        assert at_s <= each.start_s < each.end_s <= limit_s
        at_s = each.end_s
        word_s = each.start_s
        for word in each.words:
            assert word_s <= word.start_s < word.end_s <= each.end_s
            word_s = word.end_s
        token_s = each.start_s
        for token in each.tokens:
            assert token.start_s is not None
            assert token.end_s is not None
            assert token_s <= token.start_s <= token.end_s <= each.end_s
            token_s = token.end_s


@pytest.mark.parametrize("seed", range(200))
def test_any_times_become_times_in_order(seed: int) -> None:
    chance = np.random.default_rng(seed)
    after_s = float(round(chance.uniform(0, 5), 3))
    limit_s = after_s + float(chance.choice([0.3, 2.0, 60.0]))
    n = int(chance.integers(1, 12))
    times = chance.uniform(after_s - 3, limit_s + 3, (n, 2))
    wild = [segment(float(a), float(b), n_words=i % 4) for i, (a, b) in enumerate(times)]

    found = fixed(wild, after_s, limit_s)

    assert [each.text for each in found] == [each.text for each in wild]
    check(found, after_s, limit_s)
    assert all(each.end_s - each.start_s >= min(LEAST_S, 0.3 / n) - 0.0011 for each in found)


def test_good_times_stay_as_they_are() -> None:
    good = [Segment(0.0, 8.0, "a"), Segment(8.0, 10.5, "b"), Segment(11.0, 12.34, "c")]

    assert fixed(good, 0.0, 12.34) == good


def test_a_segment_beyond_the_end_ends_with_the_audio() -> None:
    found = fixed([Segment(0.0, 8.0, "a"), Segment(8.0, 30.0, "b")], 0.0, 11.0004)

    assert [(each.start_s, each.end_s) for each in found] == [(0.0, 8.0), (8.0, 11.0)]


def test_an_overlap_goes_to_the_first_segment() -> None:
    found = fixed([Segment(0.0, 8.0, "a"), Segment(7.0, 9.0, "b")], 0.0, 20.0)

    assert [(each.start_s, each.end_s) for each in found] == [(0.0, 8.0), (8.0, 9.0)]


def test_segments_after_the_end_share_what_room_there_is() -> None:
    found = fixed([Segment(9.0, 10.0, "a"), Segment(10.0, 10.0, "b"), Segment(12, 13, "c")], 0, 10)

    assert found[0].start_s == 9.0
    assert found[-1].end_s == 10.0
    check(found, 0.0, 10.0)


def test_a_segment_that_cannot_change_is_returned_at_once() -> None:
    fixer = TimestampFixer(0.0, 11.0)

    assert len(fixer.add(Segment(0.0, 8.0, "a"))) == 1
    assert fixer.add(Segment(8.0, 11.0, "b")) == []
    assert len(fixer.flush()) == 1


def test_no_room_at_all_is_not_an_error() -> None:
    assert spread([(1.0, 2.0), (3.0, 4.0)], 5.0, 5.0, 0.02) == [(5.0, 5.0), (5.0, 5.0)]
    assert spread([], 0.0, 1.0, 0.02) == []
    assert all(math.isfinite(t) for pair in spread([(9, 1)], 0.0, 1.0, 0.5) for t in pair)
