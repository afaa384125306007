"""The table and the lines under it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from whisperctl.audio import Audio
from whisperctl.compare import report
from whisperctl.compare.result import Comparison, conclude
from whisperctl.compare.spec import Cell, Job
from whisperctl.decoding import DecodeOptions
from whisperctl.engines import Engine
from whisperctl.transcript import PHASES, Phase, Segment, Timings, Transcript

HOUR = Job(
    Audio(np.zeros(16_000 * 3600, np.float32), "a long talk.mp3", 1234.5),
    Path("ggml-large-v3.bin"),
    4,
    DecodeOptions(),
)


def cell(engine: Engine, text: str, factor: float) -> Cell:
    """What an hour's talk may come to; ``factor`` times slower than native."""
    phases = {name: Phase(999_999.9 * factor, 9_999) for name in PHASES}
    timings = Timings(phases, 1_000_000.0 * factor, 1234.5, 9_999.9, 99.9, 3 << 30)
    return Cell(engine, Transcript((Segment(0, 9, text),), "en", 3600, timings), 2000.0)


@pytest.fixture
def comparison() -> Comparison:
    cells = [
        cell(Engine("wasi", "wasmer"), " one two three", 9.0),
        cell(Engine("native", "native"), " one two four", 1.0),
        cell(Engine("wasi", "wasmtime"), " one two four", 8.0),
    ]
    return conclude(HOUR, cells, [])


def printed(comparison: Comparison, width: int, *, plain: bool) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, legacy_windows=False)
    console.print(report.table(comparison, plain=plain))
    return out.getvalue().splitlines()


def test_three_engines_fit_80_columns_with_nothing_cut_off(comparison: Comparison) -> None:
    lines = printed(comparison, 80, plain=False)
    assert all(len(line.rstrip()) <= 80 for line in lines)
    text = "\n".join(lines)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for label in ("wasi/wasmer", "native", "wasi/wasmtime", "real-time factor", "8.00x"):
        assert label in text


def test_away_from_a_terminal_it_is_ascii_on_one_line_a_row(comparison: Comparison) -> None:
    lines = printed(comparison, 10_000, plain=True)
    assert "".join(lines).isascii()
    assert "(9999 x 900.1)" in next(line for line in lines if line.startswith("| encode "))


def test_ratios_are_against_native_wherever_it_stands(comparison: Comparison) -> None:
    rows = dict(report.rows(comparison))
    for name in ("total", "wall", "encode"):
        assert rows[f"{name} / native"] == ["9.00x", "1.00x", "8.00x"]
    assert rows["text / native"] == ["WER 33.3%", "-", "identical"]
    assert rows["real-time factor"] == ["2.500", "0.278", "2.222"]


def test_without_native_the_first_that_worked_is_the_reference(comparison: Comparison) -> None:
    failed = Cell(Engine("acme"), error="on strike")
    result = conclude(HOUR, [failed, comparison.cells[0], comparison.cells[2]], [])
    rows = dict(report.rows(result))
    assert rows["wall / wasi/wasmer"] == ["failed", "1.00x", "0.89x"]
    assert result.failed


def test_when_all_failed_there_is_no_reference() -> None:
    result = conclude(HOUR, [Cell(Engine("acme"), error="on strike")], [])
    assert dict(report.rows(result))["wall"] == ["failed"]
    assert list(report.differences(result)) == []


def test_differing_words_stand_above_each_other(comparison: Comparison) -> None:
    assert list(report.differences(comparison)) == [
        "wasi/wasmer against native: 1 substituted, 0 inserted, 0 deleted (WER 33.3%, CER 41.7%)",
        "    native       one two [four]",
        "    wasi/wasmer  one two [three]",
        "",
    ]
