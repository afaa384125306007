"""The middle of repeated measurements, how far they are apart, and ratios of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from whisperctl.compare.comparison import Ratio, Stat
from whisperctl.compare.values import rounded

_RESAMPLES = 10_000
_INTERVAL = (2.5, 97.5)
_SEED = 0
"""Always the same, so that the same numbers give the same interval."""


def stat(values: Sequence[float]) -> Stat:
    """Median and spread of at least one value, in its unit, to the millionth.

    Quartiles are those of R's and numpy's default (Hyndman and Fan's type 7, "inclusive"): the
    smallest and the largest value are taken as the ends of what can happen.
    """
    numbers = np.asarray(values, np.float64)
    first, median, third = np.percentile(numbers, [25, 50, 75])
    alone = len(numbers) < 2
    return Stat(
        median=_short(median),
        mad=None if alone else _short(np.median(np.abs(numbers - median))),
        iqr=None if alone else _short(third - first),
        low=_short(numbers.min()),
        high=_short(numbers.max()),
    )


def ratio(values: Sequence[float], baseline: Sequence[float]) -> Ratio | None:
    """The median over the baseline's median, with a 95 % percentile bootstrap interval.

    For runs of different times, none of which stand next to each other; for others there is
    ``paired_ratio``. Both sides are resampled independently (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993, chapter 13). There is no interval where a side has a single value, of
    whose spread nothing is known, and no ratio to a baseline of nothing.
    """
    above, below = np.asarray(values, np.float64), np.asarray(baseline, np.float64)
    if not np.median(below):
        return None
    value = _short(np.median(above) / np.median(below))
    if min(len(above), len(below)) < 2:
        return Ratio(value, None, None)
    random = np.random.default_rng(_SEED)
    tops, bottoms = _medians(random, above), _medians(random, below)
    if not bottoms.all():
        return Ratio(value, None, None)
    low, high = np.percentile(tops / bottoms, _INTERVAL)
    return Ratio(value, _short(low), _short(high))


def paired_ratio(values: Mapping[int, float], baseline: Mapping[int, float]) -> Ratio | None:
    """The median of the ratios within each repeat, with a 95 % percentile bootstrap interval.

    Runs of one repeat stand next to each other, so that a machine which gets faster or slower does
    so for both: their ratio is spread far less than either. Pairs are resampled as such. There is
    no interval of a single pair, and no ratio without one or to a baseline of nothing.

    Args:
        values: by repeat.
        baseline: by repeat; what only one of the two has is left out.
    """
    pairs = [(values[repeat], baseline[repeat]) for repeat in values if repeat in baseline]
    if not pairs or not all(below for _, below in pairs):
        return None
    ratios = np.asarray([above / below for above, below in pairs], np.float64)
    value = _short(np.median(ratios))
    if len(ratios) < 2:
        return Ratio(value, None, None)
    low, high = np.percentile(_medians(np.random.default_rng(_SEED), ratios), _INTERVAL)
    return Ratio(value, _short(low), _short(high))


def _medians(
    random: np.random.Generator, numbers: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Medians of resamples: float64, shape (_RESAMPLES,)."""
    drawn = random.choice(numbers, (_RESAMPLES, len(numbers)))
    return np.asarray(np.median(drawn, axis=1), np.float64)


def _short(number: float | np.floating) -> float:
    return rounded(float(number), "times")
