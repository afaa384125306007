"""Tokens' times keep to their segment, in order, whatever whisper.cpp says of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from whisperctl.engine.toolkit.token_times import RawTimes, TokenTimes
from whisperctl.transcript import Segment, Token

RATE = 16_000


def segment(texts: list[str], start_s: float, end_s: float) -> Segment:
    tokens = tuple(Token(i, text.encode(), 1.0) for i, text in enumerate(texts))
    return Segment(start_s, end_s, "".join(texts), tokens)


def spans(found: Segment) -> list[tuple[float, float]]:
    return [
        (round(token.start_s or 0.0, 2), round(token.end_s or 0.0, 2)) for token in found.tokens
    ]


def tone(*heard: tuple[float, float], length_s: float = 6.0) -> npt.NDArray[np.float32]:
    """Sound in these stretches, silence elsewhere."""
    samples = np.zeros(int(length_s * RATE), np.float32)
    for start_s, end_s in heard:
        t = np.arange(int(start_s * RATE), int(end_s * RATE))
        samples[t] = np.sin(t * 0.2)
    return samples


def aligned(ends: list[int]) -> list[RawTimes]:
    return [RawTimes(-1, -1, end) for end in ends]


def test_a_token_ends_where_the_next_begins_and_pauses_are_in_none() -> None:
    times = TokenTimes(tone((1, 2), (3, 5)), aligned=True)
    found = times.timed(segment([" a", " b", " c"], 0, 6), aligned([210, 380, 520]))
    assert spans(found) == [(1, 2), (3, 3.8), (3.8, 5)]


@pytest.mark.parametrize("is_aligned", [True, False])
@pytest.mark.parametrize(
    "numbers",
    [
        [-1, -1, -1, -1],
        [900, 100, 50, 700],
        [0, 0, 0, 0],
        [-1, 300, -1, 200],
        [250, 250, 1 << 40, 3],
    ],
)
def test_times_never_go_back_nor_leave_the_segment(numbers: list[int], is_aligned: bool) -> None:
    raw = [RawTimes(n - 5, n, n) for n in numbers]
    times = TokenTimes(tone((0, 6)), aligned=is_aligned)
    found = spans(times.timed(segment([" a", " b", " c", " d"], 1.5, 4.0), raw))
    flat = [time for span in found for time in span]
    assert flat == sorted(flat)
    assert flat[0] >= 1.5
    assert flat[-1] <= 4.0


def test_what_is_not_known_is_spread_between_what_is() -> None:
    times = TokenTimes(tone((0, 6)), aligned=True)
    found = times.timed(segment([" a", " b", " c", " d"], 1, 5), aligned([-1, -1, -1, 500]))
    assert spans(found) == [(1, 2), (2, 3), (3, 4), (4, 5)]


def test_punctuation_takes_no_time_from_words() -> None:
    times = TokenTimes(tone((0, 1), (2, 3)), aligned=True)
    tokens = [" one", ",", ' "', "two", "."]
    found = times.timed(segment(tokens, 0, 4), aligned([100, 230, 240, 310, 400]))
    assert spans(found) == [(0, 1), (1, 1), (2, 2), (2, 3), (3, 3)]


def test_a_segment_without_tokens_or_beyond_the_recording_is_no_trouble() -> None:
    times = TokenTimes(tone((0, 1), length_s=1), aligned=True)
    assert times.timed(segment([], 0, 1), []).tokens == ()
    beyond = spans(times.timed(segment([" a", " b"], 5, 7), aligned([550, 650])))
    assert beyond == [(5, 5.5), (5.5, 6.5)]
    empty = TokenTimes(np.zeros(0, np.float32), aligned=True)
    assert spans(empty.timed(segment([" a"], 0, 1), aligned([50]))) == [(0, 0.5)]


def test_neighbours_share_no_time() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 6 * RATE).astype(np.float32)
    noise *= np.repeat(np.random.default_rng(2).random(60) > 0.5, RATE // 10)
    texts = [f" w{i}" for i in range(30)]
    ends = sorted(np.random.default_rng(3).integers(0, 600, 30).tolist())
    found = spans(TokenTimes(noise, aligned=True).timed(segment(texts, 0, 6), aligned(ends)))
    assert all(before[1] <= after[0] for before, after in pairwise(found))
