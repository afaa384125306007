"""The middle of measurements, how far they are apart, and how sure a ratio is."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter

import numpy as np
import pytest

from whisperctl.compare.plan import interleaved
from whisperctl.compare.result import Ratio, Stat
from whisperctl.compare.statistics import paired_ratio, ratio, stat


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10])
def test_the_spread_is_what_others_say(n: int) -> None:
    values = [float(value) for value in np.random.default_rng(n).exponential(100, n)]
    found = stat(values)
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    assert found.median == pytest.approx(middle, abs=1e-6)
    assert found.iqr == pytest.approx(third - first, abs=1e-6)
    deviations = [abs(value - middle) for value in values]
    assert found.mad == pytest.approx(statistics.median(deviations), abs=1e-6)
    assert (found.low, found.high) == pytest.approx((min(values), max(values)), abs=1e-6)


def test_one_outlier_among_three_moves_no_median() -> None:
    assert stat([10.0, 900.0, 11.0]) == Stat(11.0, 1.0, 445.0, 10.0, 900.0)


def test_a_single_value_has_no_spread() -> None:
    assert stat([7.0]) == Stat(7.0, None, None, 7.0, 7.0)


def test_a_ratio_is_of_medians_and_needs_a_baseline() -> None:
    assert ratio([3.0], [2.0]) == Ratio(1.5, None, None)
    assert ratio([3.0, 3.0], [2.0]) == ratio([3.0], [2.0, 2.0]) == Ratio(1.5, None, None)
    assert ratio([3.0, 3.0], [2.0, 2.0]) == Ratio(1.5, 1.5, 1.5)
    assert ratio([3.0, 3.0], [0.0, 0.0]) is None
    # Some resamples of it have a median of nothing.
    assert ratio([3.0, 3.0], [0.0, 0.0, 1.0, 1.0, 1.0]) == Ratio(3.0, None, None)


def test_the_interval_is_the_same_each_time_and_turns_over_with_the_ratio() -> None:
    slow, fast = [20.0, 21.0, 24.0, 22.0], [10.0, 11.0, 10.5]
    found = ratio(slow, fast)
    assert found == ratio(slow, fast)
    assert found is not None and found.low is not None and found.high is not None
    assert 20 / 11 <= found.low < found.value < found.high <= 2.4
    turned = ratio(fast, slow)
    assert turned is not None and turned.low is not None and turned.high is not None
    assert turned.low == pytest.approx(1 / found.high, rel=0.02)
    assert turned.high == pytest.approx(1 / found.low, rel=0.02)


@pytest.mark.slow
def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    """Of twenty repeats each; the percentile bootstrap of medians is a little too sure with few."""
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(100):
        found = ratio(list(random.normal(300, 15, 20)), list(random.normal(100, 5, 20)))
        assert found is not None and found.low is not None and found.high is not None
        inside += found.low <= 3 <= found.high
    assert 88 <= inside <= 100


def test_runs_of_one_repeat_are_compared_with_each_other() -> None:
    """The machine slows down threefold meanwhile, and the ratio does not move."""
    fast = {0: 10.0, 1: 20.0, 2: 30.0, 3: 31.0}
    slow = {repeat: 1.5 * value for repeat, value in fast.items()}
    assert paired_ratio(slow, fast) == Ratio(1.5, 1.5, 1.5)
    slow[1] = 32.0
    found = paired_ratio(slow, fast)
    assert found is not None and found.low is not None and found.high is not None
    assert found.low == 1.5 and 1.5 < found.high <= 1.6


def test_repeats_that_only_one_side_has_count_for_nothing() -> None:
    assert paired_ratio({0: 3.0, 1: 9.0}, {0: 2.0, 2: 1.0}) == Ratio(1.5, None, None)
    assert paired_ratio({0: 3.0}, {1: 2.0}) is None
    assert paired_ratio({}, {}) is None
    assert paired_ratio({0: 3.0, 1: 3.0}, {0: 2.0, 1: 0.0}) is None


GROUPS = ("abc", "defg", "hi", "jkl")


@pytest.mark.parametrize("repeats", [1, 2, 3, 7])
def test_each_repeat_has_everything_and_what_is_compared_is_side_by_side(repeats: int) -> None:
    group_of = {one: group for group in GROUPS for one in group}
    for repeat in range(repeats):
        ordered = interleaved(GROUPS, repeat, repeats)
        assert Counter(ordered) == Counter("".join(GROUPS))
        changes = sum(group_of[a] != group_of[b] for a, b in itertools.pairwise(ordered))
        assert changes == len(GROUPS) - 1


def test_each_repeat_begins_with_others() -> None:
    orders = [interleaved(GROUPS, repeat, 3) for repeat in range(3)]
    assert len({ordered[0] for ordered in orders}) == 3
    for group in ("abc", "defg", "jkl"):
        assert len({next(one for one in ordered if one in group) for ordered in orders}) == 3
