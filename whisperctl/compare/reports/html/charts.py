"""Bar charts of a recording's cells as plain data: where each bar begins and how long it is.

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
"""The phases within ``wall_ms``, in the order they come."""

STARTING = ("start_ms", "module_compile_ms", "instantiate_ms", "load_ms", "first_ms")
"""The steps within ``cold_start_ms``."""

MEMORY = ("peak_memory_bytes", "linear_memory_bytes")


@dataclass(frozen=True, slots=True)
class Bar:
    """A value's bar. ``kind`` is how it looks.

    It is ``part`` of a row or the ``whole`` of it, a ``lane`` below another, or a ``dot``.
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
    """From the lowest to the highest, or over an interval."""

    low: float
    high: float
    left: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A cell's bars, one over the other, and their figure as text. ``said`` is all of it."""

    variant: int
    label: str
    text: str
    said: str
    bars: tuple[Bar, ...] = ()
    whisker: Whisker | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis."""

    left: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. ``scale`` is the value at its right end; ``mark`` is where a line stands."""

    key: str
    title: str
    caption: str
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    scale: float
    legend: tuple[tuple[str, str], ...] = ()
    mark: float | None = None


def charts(comparison: Comparison, cells: Sequence[CellInfo]) -> Iterator[Chart]:
    """The charts of one recording; those with nothing to show are left out."""
    spread = (
        "" if comparison.repeats == 1 else " The thin line spans the lowest to the highest run."
    )
    made = (
        _stacked(
            comparison,
            cells,
            "wall_ms",
            TRANSCRIBING,
            "Where the time goes",
            "Transcribing the recording, warm, in ms. Grey is what whisper.cpp's phases leave out, "
            f"or an engine that does not tell them.{spread}",
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
        # Loading is not always told apart from opening the session, of which it is a part.
        told = parts if "load_ms" in cell.stats else [_opening(name) for name in parts]
        for name in told:
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
        said = ", ".join(f"{bar.label} {bar.text}" for bar in bars)
        rows.append(Row(cell.variant, figures.label(comparison, cell), text, said, tuple(bars)))
    used = dict.fromkeys(bar.name for row in rows for bar in row.bars)
    return Chart(
        "peak_memory_bytes",
        "Memory",
        "What the process held at its largest and, of a sandbox, the size of the guest's memory, "
        "of which it need not have touched all.",
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
    """An axis from zero to a round number that no bar is beyond."""

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
        """Where a value is."""
        return 100.0 * value / self.end

    def whisker(self, low: float, high: float) -> Whisker:
        """A line between two values."""
        text = f"{shown(low, self.unit)} to {shown(high, self.unit)}"
        return Whisker(low, high, self.at(low), self.at(high - low), text)


def _round_step(highest: float) -> float:
    """A round number that goes into ``highest`` about four times."""
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
    said = ", ".join([text, *(f"{bar.label} {bar.text}" for bar in bars if bar.name != name)])
    whisker = scale.whisker(stat.low, stat.high) if stat.mad is not None else None
    label = figures.label(comparison, cell)
    return Row(cell.variant, label, text, said, tuple(bars), whisker)


def _empty(comparison: Comparison, cell: CellInfo) -> Row:
    text = figures.FAILED if cell.error else figures.NOTHING
    label = figures.label(comparison, cell)
    return Row(cell.variant, label, text, text, failed=bool(cell.error))
