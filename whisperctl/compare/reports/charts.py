"""Bar charts of a recording as plain data: position and length of each bar.

Positions are percentages of the chart's width, so that a page needs no script to draw them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whisperctl.compare import statistics
from whisperctl.compare.reports import figures
from whisperctl.compare.result import CellInfo, Comparison, Stat
from whisperctl.compare.statistics import Unit, shown

TRANSCRIBING = ("mel_ms", "encode_ms", "prompt_ms", "decode_ms", "batchd_ms", "sample_ms")
"""Phases of ``wall_ms`` in order."""

STARTING = ("start_ms", "module_compile_ms", "instantiate_ms", "load_ms", "first_ms")
"""Steps of ``cold_start_ms`` in order."""

MEMORY = ("peak_memory_bytes", "linear_memory_bytes")


@dataclass(frozen=True, slots=True)
class Bar:
    """Bar of a value.

    ``kind`` is its appearance: ``part`` or ``whole`` of a row, ``lane`` below another, or ``dot``.
    """

    name: str
    label: str
    kind: str
    value: float
    text: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Whisker:
    """Line from the lowest to the highest run, or over an interval."""

    low: float
    high: float
    left: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """Bars of a cell, one over the other, their figure, and a description of them as text."""

    variant: int
    label: str
    text: str
    description: str
    bars: tuple[Bar, ...] = ()
    whisker: Whisker | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Mark on the axis."""

    left: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Chart. ``scale`` is the value at its right end, ``mark`` the position of a vertical line."""

    key: str
    title: str
    caption: str
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    scale: float
    legend: tuple[tuple[str, str], ...] = ()
    mark: float | None = None


def charts(comparison: Comparison, cells: Sequence[CellInfo]) -> Iterator[Chart]:
    """Charts of a recording, without empty ones."""
    spread = (
        "" if comparison.repeats == 1 else " The thin line spans the lowest to the highest run."
    )
    made = (
        _stacked(
            comparison,
            cells,
            "wall_ms",
            TRANSCRIBING,
            "Phases",
            "Transcription of the recording after the warm-up, in ms. Grey is time outside the "
            f"phases, or an engine that does not report phases.{spread}",
        ),
        _stacked(
            comparison,
            cells,
            "cold_start_ms",
            STARTING,
            "Cold start",
            f"From starting the process to the end of the first window, in ms.{spread}",
        ),
        _single(
            comparison,
            cells,
            "real_time_factor",
            "Real-time factor",
            f"Time taken over the recording's length; less is faster.{spread}",
        ),
        _ratios(comparison, cells),
        _memory(comparison, cells),
    )
    return (chart for chart in made if any(row.bars for row in chart.rows))


def _stacked(
    comparison: Comparison,
    cells: Sequence[CellInfo],
    whole: str,
    parts: Sequence[str],
    title: str,
    caption: str,
) -> Chart:
    ends = [_high(cell, whole) for cell in cells]
    ends += [sum(stat.median for stat in _stats(cell, parts)) for cell in cells]
    scale = _Scale(ends, "ms")
    rows = []
    for cell in cells:
        stat = cell.stats.get(whole)
        if stat is None:
            rows.append(_empty(comparison, cell))
            continue
        bars = [_bar(whole, stat, "whole", 0.0, scale)]
        start = 0.0
        # If an engine does not report loading, show opening the session, of which it is a part.
        steps = parts if "load_ms" in cell.stats else [_opening(name) for name in parts]
        for name in steps:
            if name in cell.stats:
                bars.append(_bar(name, cell.stats[name], "part", start, scale))
                start += cell.stats[name].median
        rows.append(_row(comparison, cell, whole, bars, scale))
    used = {bar.name for row in rows for bar in row.bars if bar.kind == "part"}
    either = dict.fromkeys(step for name in parts for step in (name, _opening(name)))
    legend = tuple((name, statistics.BY_NAME[name].label) for name in either if name in used)
    return Chart(whole, title, caption, tuple(rows), scale.ticks, scale.end, legend)


def _opening(name: str) -> str:
    return "open_ms" if name == "load_ms" else name


def _single(
    comparison: Comparison, cells: Sequence[CellInfo], name: str, title: str, caption: str
) -> Chart:
    scale = _Scale([_high(cell, name) for cell in cells], statistics.BY_NAME[name].unit)
    rows = []
    for cell in cells:
        stat = cell.stats.get(name)
        if stat is None:
            rows.append(_empty(comparison, cell))
        else:
            rows.append(_row(comparison, cell, name, [_bar(name, stat, "part", 0.0, scale)], scale))
    return Chart(name, title, caption, tuple(rows), scale.ticks, scale.end)


def _memory(comparison: Comparison, cells: Sequence[CellInfo]) -> Chart:
    scale = _Scale([_high(cell, name) for cell in cells for name in MEMORY], "bytes")
    rows = []
    for cell in cells:
        bars = [
            _bar(name, cell.stats[name], "lane", 0.0, scale)
            for name in MEMORY
            if name in cell.stats
        ]
        if not bars:
            rows.append(_empty(comparison, cell))
            continue
        text = ", ".join(bar.text for bar in bars)
        description = ", ".join(f"{bar.label} {bar.text}" for bar in bars)
        rows.append(
            Row(cell.variant, figures.label(comparison, cell), text, description, tuple(bars))
        )
    used = dict.fromkeys(bar.name for row in rows for bar in row.bars)
    return Chart(
        "peak_memory_bytes",
        "Memory",
        "Peak memory of the process and, for a sandbox, the size of the guest's memory, not all of "
        "which may have been used.",
        tuple(rows),
        scale.ticks,
        scale.end,
        tuple((name, statistics.BY_NAME[name].label) for name in used),
    )


def _ratios(comparison: Comparison, cells: Sequence[CellInfo]) -> Chart:
    name = "wall_ms"
    compared = [cell for cell in cells if not figures.is_baseline(cell)]
    found = [cell.ratios[name] for cell in compared if name in cell.ratios]
    ends = [max(ratio.value, ratio.high or 0.0, 1.0) for ratio in found]
    scale = _Scale(ends, "times", suffix="x")
    rows = []
    for cell in compared:
        ratio = cell.ratios.get(name)
        if ratio is None:
            rows.append(_empty(comparison, cell))
            continue
        text = figures.ratio(cell, name)
        dot = Bar(name, "ratio", "dot", ratio.value, text, scale.at(ratio.value), 0.0)
        whisker = None
        if ratio.low is not None and ratio.high is not None:
            whisker = scale.whisker(ratio.low, ratio.high)
        label = figures.label(comparison, cell)
        rows.append(Row(cell.variant, label, text, f"ratio {text}", (dot,), whisker))
    interval = "" if comparison.repeats == 1 else ", with its 95 % bootstrap interval"
    return Chart(
        "ratio",
        f"Wall time, times {figures.baseline_label(comparison, cells)}",
        f"Median of the runs' ratios{interval}; the line at 1 is as fast.",
        tuple(rows),
        scale.ticks,
        scale.end,
        mark=scale.at(1.0),
    )


class _Scale:
    """Axis from zero to a round number that no bar exceeds."""

    def __init__(self, ends: Sequence[float], unit: Unit, suffix: str = "") -> None:
        highest = max(ends, default=0.0)
        grain = float(1 << 20) if unit == "bytes" else 1.0
        step = _round_step(highest / grain) * grain
        n = max(1, math.ceil(highest / step - 1e-9))
        self.end = n * step
        self.unit = unit
        self.ticks = tuple(
            Tick(100.0 * i / n, _tick(i * step, unit) + suffix) for i in range(n + 1)
        )

    def at(self, value: float) -> float:
        """Position of a value in percent."""
        return 100.0 * value / self.end

    def whisker(self, low: float, high: float) -> Whisker:
        """Line between two values."""
        text = f"{shown(low, self.unit)} to {shown(high, self.unit)}"
        return Whisker(low, high, self.at(low), self.at(high - low), text)


def _round_step(highest: float) -> float:
    """Round number of about a quarter of ``highest``."""
    if not highest > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return power * next(step for step in (1, 2, 2.5, 5, 10) if power * step >= highest / 4)


def _tick(value: float, unit: Unit) -> str:
    return f"{value / (1 << 20):g} MiB" if unit == "bytes" and value else f"{value:g}"


def _stats(cell: CellInfo, names: Sequence[str]) -> list[Stat]:
    return [cell.stats[name] for name in names if name in cell.stats]


def _high(cell: CellInfo, name: str) -> float:
    stat = cell.stats.get(name)
    return 0.0 if stat is None else max(stat.high, stat.median)


def _bar(name: str, stat: Stat, kind: str, start: float, scale: _Scale) -> Bar:
    value = statistics.BY_NAME[name]
    text = shown(stat.median, value.unit)
    return Bar(name, value.label, kind, stat.median, text, scale.at(start), scale.at(stat.median))


def _row(
    comparison: Comparison, cell: CellInfo, name: str, bars: Sequence[Bar], scale: _Scale
) -> Row:
    stat = cell.stats[name]
    text = figures.spread(stat, statistics.BY_NAME[name])
    description = ", ".join(
        [text, *(f"{bar.label} {bar.text}" for bar in bars if bar.name != name)]
    )
    whisker = scale.whisker(stat.low, stat.high) if stat.mad is not None else None
    label = figures.label(comparison, cell)
    return Row(cell.variant, label, text, description, tuple(bars), whisker)


def _empty(comparison: Comparison, cell: CellInfo) -> Row:
    text = figures.FAILED if cell.error else figures.NOTHING
    label = figures.label(comparison, cell)
    return Row(cell.variant, label, text, text, failed=bool(cell.error))
