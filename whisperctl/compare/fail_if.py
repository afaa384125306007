"""Conditions that make a comparison fail, for those who run it unattended: ``wer>0.05``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from whisperctl.compare.result import CellDrift, CellInfo, Comparison, Ratio
from whisperctl.compare.scoring.differences import Difference
from whisperctl.compare.statistics import NAMES
from whisperctl.errors import UsageError
from whisperctl.text import unknown

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([\w.]+)\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*")
_ERRORS = ("wer", "cer", "normalized_wer", "normalized_cer")
_SHORT = {"rtf": "real_time_factor", "memory": "peak_memory_bytes"}
_WALL = "wall_ms"
_AGREEMENT = "token_agreement"
_DELTA = "time_delta"


@dataclass(frozen=True, slots=True)
class Condition:
    """``metric`` compared with ``limit``; ``text`` is as it was typed.

    The metrics: ``wer``, ``cer``, ``normalized_wer`` and ``normalized_cer``, against the reference
    of the recording or, without one, the baseline's text; ``ratio``, of wall time to that of the
    baseline, and ``ratio.NAME`` for another value; ``token_agreement``; ``time_delta``, the 95th
    percentile of word starts in seconds; every name of ``values.VALUES``, ``rtf`` and ``memory``
    for short; and against an earlier run ``drift``, ``drift.NAME`` and ``drift.wer``. A name of a
    time may stand without its ``_ms``.
    """

    text: str
    metric: str
    compare: str
    limit: float


@dataclass(frozen=True, slots=True)
class Violation:
    """A cell that a condition holds for, and its number."""

    condition: Condition
    cell: int
    number: float


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        UsageError: it is none, or its metric is unknown.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f'"{text}" is no condition: write one such as "wer>0.05" or "ratio>1.5"')
    metric, sign, number = match.groups()
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise UsageError(f'"{text}" is no condition: "{number}" is no number')
    return Condition(text, _resolved(metric), sign, limit)


def _resolved(metric: str) -> str:
    kind, dot, name = metric.partition(".")
    if kind in ("ratio", "drift"):
        if not dot:
            return f"{kind}.{_WALL}"
        if kind == "drift" and name in _ERRORS:
            return metric
        return f"{kind}.{_value(name, metric)}"
    if metric in (*_ERRORS, _AGREEMENT, _DELTA):
        return metric
    return _value(metric, metric)


def _value(name: str, metric: str) -> str:
    name = _SHORT.get(name, name)
    for full in (name, f"{name}_ms"):
        if full in NAMES:
            return full
    known = [*_ERRORS, "ratio", "drift", _AGREEMENT, _DELTA, *_SHORT, *NAMES]
    raise UsageError(unknown("metric", metric, known))


def check(comparison: Comparison, condition: Condition) -> list[Violation]:
    """The cells that the condition holds for.

    Raises:
        UsageError: no cell has such a number, so that the condition could never hold.
    """
    numbers = dict(_numbers(comparison, condition.metric))
    if not numbers and not all(cell.error for cell in comparison.cells):
        raise UsageError(f'"{condition.text}" can never hold: {_missing(condition.metric)}')
    holds = _OPERATORS[condition.compare]
    return [
        Violation(condition, index, number)
        for index, number in numbers.items()
        if holds(number, condition.limit)
    ]


def _missing(metric: str) -> str:
    if metric.startswith("drift"):
        return "an earlier run is missing (--from)"
    if metric in _ERRORS:
        return "there is neither a reference (--reference) nor a second engine"
    if metric.startswith("ratio") or metric == _AGREEMENT:
        return "there is no second engine with that"
    if metric == _DELTA:
        return "word times are missing (--word-timestamps, and a second engine)"
    return "no engine measures that"


def _numbers(comparison: Comparison, metric: str) -> Iterator[tuple[int, float]]:
    """The number of each cell that has one, by the cell's index."""
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
    if metric in _ERRORS:
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
    if name not in _ERRORS:
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
