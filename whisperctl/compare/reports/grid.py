"""The tables of a comparison as rows of texts, for the terminal and Markdown alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from whisperctl.compare import statistics
from whisperctl.compare.reports import figures
from whisperctl.compare.result import CellInfo, Comparison, Drift
from whisperctl.compare.scoring.differences import Difference

Row = tuple[str, ...]

LINE: Row = ()
"""A line between rows."""

MORE = ("cold_start_ms", "cpu_ms", "encode_ms", "load_ms", "linear_memory_bytes", "start_ms")
"""What else a row of ``by_cell`` may have, the most telling first."""

_BRIEF = (("wall", "wall_ms"), ("RTF", "real_time_factor"))
_DRIFT = ("wall_ms", "peak_memory_bytes")
_NO_TIMES = (figures.NOTHING,) * 3


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. The first ``n_names`` columns say what a row is about, the others are figures."""

    columns: Row
    rows: tuple[Row, ...]
    n_names: int = 1


def by_variant(comparison: Comparison, cells: Sequence[CellInfo]) -> Grid:
    """All values of a recording's cells, a column for each cell."""
    rows: list[Row] = []
    for value in figures.measured(cells):
        if rows and value.name in ("mel_ms", "open_ms", "wall_ms"):
            rows.append(LINE)
        rows.append((value.label, *(figures.number(cell, value) for cell in cells)))
    ratios = figures.with_ratio(cells)
    if rows and ratios:
        rows.append(LINE)
    rows += [
        (f"{value.label} ratio", *(figures.ratio(cell, value.name) for cell in cells))
        for value in ratios
    ]
    if any(cell.difference is not None for cell in cells):
        rows += [LINE, ("WER", *(figures.word_error(cell.difference) for cell in cells))]
    rows.append(("text", *(text_group(cell) for cell in cells)))
    columns = [figures.label(comparison, cell).replace(" ", "\n") for cell in cells]
    return Grid(("", *columns), tuple(rows))


def by_cell(
    comparison: Comparison,
    cells: Sequence[CellInfo],
    n_more: int = 2,
    *,
    with_recording: bool | None = None,
) -> Grid:
    """What matters most, a row for each cell.

    Args:
        comparison: what the cells are of.
        cells: the rows.
        n_more: how many columns of ``MORE`` to have as well.
        with_recording: whether rows say what recording they are of; ``None`` is if it is not the
            same for all.
    """
    columns: list[tuple[str, Callable[[CellInfo], str]]] = []
    if with_recording is None:
        with_recording = len({cell.recording for cell in cells}) > 1
    if with_recording:
        columns.append(("recording", lambda cell: comparison.recordings[cell.recording].label))
    columns.append(("variant", lambda cell: figures.label(comparison, cell)))
    n_names = len(columns)
    columns += [(name, partial(_brief, statistics.BY_NAME[key])) for name, key in _BRIEF]
    columns.append(("ratio", lambda cell: figures.ratio(cell, "wall_ms")))
    columns.append(("memory", partial(_brief, statistics.BY_NAME["peak_memory_bytes"])))
    columns += [
        (statistics.BY_NAME[name].label, partial(_brief, statistics.BY_NAME[name]))
        for name in MORE[:n_more]
        if any(name in cell.stats for cell in cells)
    ]
    if any(cell.difference is not None for cell in cells):
        columns.append(("WER", lambda cell: figures.word_error(cell.difference)))
    else:
        columns.append(("differs", _against_baseline))
    columns.append(("text", text_group))
    rows = [tuple(text(cell) for _, text in columns) for cell in cells]
    return Grid(tuple(name for name, _ in columns), tuple(rows), n_names)


def words(comparison: Comparison, cells: Sequence[CellInfo]) -> Grid:
    """How far texts are from the reference, and what cells say and when from the baseline.

    Cells that share a text share its row on the reference.
    """
    rows: list[Row] = []
    for group in figures.groups(cells):
        difference = group.cells[0].difference
        if difference is not None:
            rows.append((f"text {group.letter}", "reference", *_rates(difference), *_NO_TIMES))
    for cell in cells:
        if cell.agreement is not None:
            times = cell.agreement.times
            rows.append(
                (
                    figures.label(comparison, cell),
                    baseline_name(comparison, cell),
                    *_rates(cell.agreement.difference),
                    figures.tokens(cell),
                    figures.start_delta(times) if times is not None else figures.NOTHING,
                    figures.end_delta(times) if times is not None else figures.NOTHING,
                )
            )
    columns = (
        "",
        "against",
        "WER",
        "CER",
        "norm. WER",
        "norm. CER",
        "tokens",
        "starts",
        "ends",
    )
    return Grid(columns, tuple(rows), 2)


def drift(comparison: Comparison, found: Drift) -> Grid:
    """What became of each cell since an earlier run."""
    rows = []
    for one in found.cells:
        cell = comparison.cells[one.cell]
        text: str = one.text
        if one.difference is not None:
            text = f"WER {statistics.shown(one.difference.wer.rate, 'share')}"
        rows.append(
            (
                comparison.recordings[cell.recording].label,
                figures.label(comparison, cell),
                text if not cell.error else figures.FAILED,
                *(figures.interval(one.ratios.get(name)) for name in _DRIFT),
            )
        )
    labels = (f"{statistics.BY_NAME[name].label} now / then" for name in _DRIFT)
    return Grid(("recording", "variant", "text", *labels), tuple(rows), 2)


def divergences(comparison: Comparison, cells: Sequence[CellInfo]) -> Iterator[str]:
    """Where tokens part first, a line for each cell where they do."""
    for cell in cells:
        if cell.agreement is not None and cell.agreement.divergence is not None:
            yield (
                f"{figures.label(comparison, cell)} parts from "
                f"{baseline_name(comparison, cell)} at {figures.divergence(cell)}"
            )


def baseline_name(comparison: Comparison, cell: CellInfo) -> str:
    """The label of what a cell is compared with."""
    if cell.baseline is None:
        return comparison.baseline
    return comparison.variants[cell.baseline].label


def text_group(cell: CellInfo) -> str:
    """The letter of a cell's text."""
    if cell.error:
        return figures.FAILED
    return cell.text_group + ("" if cell.stable else " (varies)")


def _brief(value: statistics.Value, cell: CellInfo) -> str:
    return figures.number(cell, value)


def _against_baseline(cell: CellInfo) -> str:
    if figures.is_baseline(cell) and not cell.error:
        return "baseline"
    return figures.word_error(cell.agreement.difference if cell.agreement else None)


def _rates(difference: Difference) -> Row:
    if difference.identical:
        return (figures.IDENTICAL, *_NO_TIMES)
    return (
        figures.rate(difference.wer),
        figures.rate(difference.cer),
        figures.rate(difference.normalized_wer),
        figures.rate(difference.normalized_cer),
    )
