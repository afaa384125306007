"""Conditions that make a comparison fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.compare.conftest import HEARD, MISHEARD, SAID, Make
from whisperctl.compare import document, statistics
from whisperctl.compare.result import Comparison
from whisperctl.errors import UsageError


def held(comparison: Comparison, text: str) -> list[int]:
    """The cells that a condition holds for."""
    return [one.cell for one in statistics.violations(comparison, statistics.parse_condition(text))]


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("wer>0.05", "wer"),
        (" ratio >= 1.5 ", "ratio.wall_ms"),
        ("ratio.encode>2", "ratio.encode_ms"),
        ("ratio.memory>2", "ratio.peak_memory_bytes"),
        ("rtf>1", "real_time_factor"),
        ("wall>1000", "wall_ms"),
        ("wall_ms>1000", "wall_ms"),
        ("drift>1.1", "drift.wall_ms"),
        ("drift.wer>0", "drift.wer"),
        ("nwer>0.05", "normalized_wer"),
        ("drift.ncer>0", "drift.normalized_cer"),
        ("token_agreement<1", "token_agreement"),
    ],
)
def test_metrics_have_short_names(text: str, metric: str) -> None:
    assert statistics.parse_condition(text).metric == metric


def test_a_limit_may_be_in_percent() -> None:
    assert statistics.parse_condition("wer > 5%").limit == 0.05
    with pytest.raises(UsageError, match='"%" is not a number'):
        statistics.parse_condition("wer > %")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wer", "is not a condition"),
        ("wer>five", '"five" is not a number'),
        ("wer>nan", '"nan" is not a number'),
        ("wer > 0.05 0.06", "is not a condition"),
        ("rato>1.5", 'did you mean "ratio"?'),
        ("ratio.encod>1.5", "unknown metric"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        statistics.parse_condition(text)
    assert message in str(error.value)


def test_errors_are_counted_against_the_reference(four_engines: Comparison) -> None:
    rates = [cell.difference.wer.rate if cell.difference else None for cell in four_engines.cells]
    assert rates[0] is not None and rates[2] is not None and rates[0] < rates[2]
    assert held(four_engines, f"wer>{rates[0]}") == [2]
    assert held(four_engines, f"wer>={rates[0]}") == [0, 1, 2]
    assert held(four_engines, "wer>1") == []


def test_without_a_reference_errors_are_counted_against_the_baseline(make: Make) -> None:
    comparison = make(("native", "wasi/wasmer", "wasi/wasmtime"), (SAID, SAID, MISHEARD))
    assert held(comparison, "wer>0") == [2]


def test_ratios_are_of_all_but_the_baseline(four_engines: Comparison) -> None:
    assert held(four_engines, "ratio>0.01") == [1, 2]
    assert held(four_engines, "wall>0.01") == [0, 1, 2]


def test_a_condition_that_can_never_hold_is_refused(make: Make) -> None:
    alone = make(("native",), (SAID,))
    for text in ("wer>0.05", "ratio>1", "drift>1", "token_agreement<1", "time_delta>1"):
        with pytest.raises(UsageError, match="can never hold"):
            held(alone, text)


def test_drift_is_from_an_earlier_run(make: Make) -> None:
    then = make(("native", "wasi/wasmer"), (HEARD, HEARD))
    slower = tuple(
        replace(
            cell,
            text=cell.text if index else MISHEARD,
            runs=tuple(
                replace(run, values={name: v * (1 + index) for name, v in run.values.items()})
                for run in cell.runs
            ),
        )
        for index, cell in enumerate(then.cells)
    )
    now = document.with_drift(then, replace(then, cells=slower))
    assert held(now, "drift>1.5") == [1]
    assert held(now, "drift.encode>1.99") == [1]
    assert held(now, "drift.wer>0") == [0]
    assert held(now, "drift<=1") == [0]
