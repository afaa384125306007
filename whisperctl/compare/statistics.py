"""The values measured in each run: names, units, medians, spread and ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from whisperctl.compare.result import Ratio, Stat

Unit = Literal["ms", "bytes", "times", "share", "s"]
"""``times`` is a factor, ``share`` a part of one, ``s`` a time in a recording."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Value:
    """A number of a run. ``label`` is what tables call it; ``help`` says what it is."""

    name: str
    label: str
    unit: Unit
    help: str


VALUES = (
    Value("start_ms", "process start", "ms", "from starting the process to opening the engine"),
    Value("audio_decode_ms", "audio decode", "ms", "decoding the media file, once for all"),
    Value("module_compile_ms", "module compile", "ms", "compiling the module, or its cached code"),
    Value("instantiate_ms", "instantiate", "ms", "starting the guest"),
    Value("load_ms", "load", "ms", "loading the model"),
    Value("mel_ms", "mel", "ms", "the log-mel spectrogram"),
    Value("sample_ms", "sample", "ms", "choosing tokens"),
    Value("encode_ms", "encode", "ms", "the encoder"),
    Value("decode_ms", "decode", "ms", "the decoder, a token at a time"),
    Value("batchd_ms", "batchd", "ms", "the decoder, several beams at a time"),
    Value("prompt_ms", "prompt", "ms", "the decoder, over the prompt"),
    Value("total_ms", "total", "ms", "the engine's own total"),
    Value("open_ms", "open session", "ms", "loading the model and starting the engine"),
    Value("first_ms", "first window", "ms", "transcribing the first window, not yet warm"),
    Value("cold_start_ms", "cold start", "ms", "process start + open session + first window"),
    Value("wall_ms", "wall", "ms", "transcribing the recording, warm"),
    Value("cpu_ms", "CPU time", "ms", "of all threads meanwhile"),
    Value("real_time_factor", "real-time factor", "times", "wall / duration of the recording"),
    Value("peak_memory_bytes", "peak memory", "bytes", "of the process and its engine's"),
    Value("linear_memory_bytes", "linear memory", "bytes", "the sandbox's, resident or not"),
)
"""Every value, in the order of tables."""

NAMES = tuple(value.name for value in VALUES)
BY_NAME = {value.name: value for value in VALUES}
"""By name; a ratio or a summary of a value has the value's name."""


def rounded(number: float, unit: Unit) -> float:
    """The number as a result keeps it: to the microsecond, byte, or millionth."""
    if unit == "bytes":
        return float(round(number))
    return round(number, 3 if unit == "ms" else 6)


def shown(number: float, unit: Unit) -> str:
    """The number as people read it.

    Milliseconds have three digits or more, but no more than two decimals; memory is MiB; a factor
    has two decimals, three when it is small; a share is a percentage; seconds have two decimals.
    """
    if unit == "bytes":
        return f"{number / _MIB:.0f} MiB"
    if unit == "share":
        return f"{number:.1%}"
    if unit == "times":
        return f"{number:.{2 if abs(number) >= 0.1 else 3}f}"
    if unit == "s":
        return f"{number:.2f}"
    size = abs(number)
    return f"{number:.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


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
