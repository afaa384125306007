"""Values measured in each run: names, units, medians, spread, ratios, and conditions on them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from whisperctl.compare.result import (
    CellDrift,
    CellInfo,
    Comparison,
    Difference,
    Ratio,
    Stat,
)
from whisperctl.errors import UsageError
from whisperctl.text import unknown

Unit = Literal["ms", "bytes", "times", "share", "s"]
"""``times`` is a factor, ``share`` a fraction of one, ``s`` a time in a recording."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Value:
    """Number measured in a run. ``label`` is its name in tables, ``help`` its explanation."""

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
"""All values in the order of tables."""

NAMES = tuple(value.name for value in VALUES)
BY_NAME = {value.name: value for value in VALUES}
"""Values by name. Ratios and summaries of a value have the same name."""


def rounded(number: float, unit: Unit) -> float:
    """Number as stored in a result: rounded to the microsecond, byte, or millionth."""
    if unit == "bytes":
        return float(round(number))
    return round(number, 3 if unit == "ms" else 6)


def shown(number: float, unit: Unit) -> str:
    """Number as text for people.

    Milliseconds have at least three digits and at most two decimals; memory is in MiB; a factor has
    two decimals, or three if it is small; a share is a percentage; seconds have two decimals.
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
"""Fixed, so that the same numbers give the same interval."""


def stat(values: Sequence[float]) -> Stat:
    """Median and spread of one or more values, rounded to the millionth of their unit.

    Quartiles are computed as by default in R and numpy (type 7 of Hyndman and Fan).
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
    """Ratio of the medians, with a 95 % percentile bootstrap interval.

    For runs of different comparisons; see ``paired_ratio`` for runs of one. Both sides are
    resampled independently (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter
    13). There is no interval if a side has a single value, and no ratio to a baseline of zero.
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
    """Median of the ratios within each repeat, with a 95 % percentile bootstrap interval.

    Runs of one repeat are close in time, so that changes of the machine's speed affect both, and
    their ratio varies much less than either. Pairs are resampled. There is no interval for a single
    pair, and no ratio without pairs or to a baseline of zero.

    Args:
        values: values by repeat.
        baseline: values of the baseline by repeat; repeats that only one side has are ignored.
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


_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([\w.]+)\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*")
ERRORS = ("wer", "cer", "normalized_wer", "normalized_cer")
_SHORT = {
    "rtf": "real_time_factor",
    "memory": "peak_memory_bytes",
    "nwer": "normalized_wer",
    "ncer": "normalized_cer",
}
_WALL = "wall_ms"
_AGREEMENT = "token_agreement"
_DELTA = "time_delta"


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition of ``--fail-if``: a comparison of ``metric`` with ``limit``, and its text as typed.

    Metrics are ``wer``, ``cer``, ``normalized_wer`` and ``normalized_cer`` against the reference of
    the recording or else the text of the baseline; ``ratio`` for the ratio of wall times to the
    baseline, and ``ratio.NAME`` for that of another value; ``token_agreement``; ``time_delta`` for
    the 95th percentile of differences between word starts in seconds; the names of ``VALUES``, and
    ``rtf``, ``memory``, ``nwer`` and ``ncer`` for short; and ``drift``, ``drift.NAME`` and
    ``drift.wer`` for changes since an earlier comparison. The suffix ``_ms`` may be omitted; a
    limit may be in percent.
    """

    text: str
    metric: str
    compare: str
    limit: float


@dataclass(frozen=True, slots=True)
class Violation:
    """Cell for which a condition holds, and its number."""

    condition: Condition
    cell: int
    number: float


def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises:
        UsageError: it is not a condition, or its metric is unknown.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f'"{text}" is not a condition such as "wer>0.05" or "ratio>1.5"')
    metric, sign, number = match.groups()
    try:
        limit = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise UsageError(f'"{text}" is not a condition: "{number}" is not a number')
    return Condition(text, _resolved(metric), sign, limit)


def _resolved(metric: str) -> str:
    kind, dot, name = metric.partition(".")
    if kind in ("ratio", "drift"):
        if not dot:
            return f"{kind}.{_WALL}"
        name = _SHORT.get(name, name)
        if kind == "drift" and name in ERRORS:
            return f"{kind}.{name}"
        return f"{kind}.{_value(name, metric)}"
    name = _SHORT.get(metric, metric)
    if name in (*ERRORS, _AGREEMENT, _DELTA):
        return name
    return _value(name, metric)


def _value(name: str, metric: str) -> str:
    for full in (name, f"{name}_ms"):
        if full in NAMES:
            return full
    known = [*ERRORS, "ratio", "drift", _AGREEMENT, _DELTA, *_SHORT, *NAMES]
    raise UsageError(unknown("metric", metric, known))


def violations(comparison: Comparison, condition: Condition) -> list[Violation]:
    """Cells for which a condition holds.

    Raises:
        UsageError: no cell has such a number, so that the condition can never hold.
    """
    numbers = dict(_numbers(comparison, condition.metric))
    if not numbers and not all(cell.error for cell in comparison.cells):
        raise _never(condition)
    holds = _OPERATORS[condition.compare]
    return [
        Violation(condition, index, number)
        for index, number in numbers.items()
        if holds(number, condition.limit)
    ]


def check_drift(conditions: Sequence[Condition]) -> None:
    """Check the conditions of a comparison that repeats no earlier one.

    Raises:
        UsageError: one of them is about drift, so that it can never hold.
    """
    for condition in conditions:
        if condition.metric.startswith("drift"):
            raise _never(condition)


def _never(condition: Condition) -> UsageError:
    return UsageError(f'"{condition.text}" can never hold: {_missing(condition.metric)}')


def _missing(metric: str) -> str:
    if metric.startswith("drift"):
        return "it needs an earlier comparison (--from)"
    if metric in ERRORS:
        return "it needs a reference (--reference) or a second engine"
    if metric.startswith("ratio") or metric == _AGREEMENT:
        return "it needs a second engine that reports this"
    if metric == _DELTA:
        return "it needs word times (--word-timestamps) and a second engine"
    return "no engine reports this"


def _numbers(comparison: Comparison, metric: str) -> Iterator[tuple[int, float]]:
    """Index and number of each cell that has one."""
    drifts = {one.cell: one for one in (comparison.drift.cells if comparison.drift else ())}
    for index, cell in enumerate(comparison.cells):
        if metric.startswith("drift"):
            number = _drift(drifts[index], metric) if index in drifts else None
        else:
            number = _number(cell, metric)
        if number is not None:
            yield index, number


def _number(cell: CellInfo, metric: str) -> float | None:
    agreement = cell.agreement
    if metric in ERRORS:
        difference = cell.difference or (agreement.difference if agreement is not None else None)
        return _rate(difference, metric)
    if metric == _AGREEMENT:
        return agreement.tokens.rate if agreement is not None and agreement.tokens else None
    if metric == _DELTA:
        return agreement.times.start_p95_s if agreement is not None and agreement.times else None
    if metric.startswith("ratio."):
        return None if cell.baseline == cell.variant else _ratio(cell.ratios, metric)
    stat = cell.stats.get(metric)
    return stat.median if stat is not None else None


def _drift(drift: CellDrift, metric: str) -> float | None:
    name = metric.partition(".")[2]
    if name not in ERRORS:
        return _ratio(drift.ratios, metric)
    return 0.0 if drift.text == "same" else _rate(drift.difference, name)


def _ratio(ratios: Mapping[str, Ratio], metric: str) -> float | None:
    ratio = ratios.get(metric.partition(".")[2])
    return ratio.value if ratio is not None else None


def _rate(difference: Difference | None, name: str) -> float | None:
    if difference is None:
        return None
    rate: float = getattr(difference, name).rate
    return rate
