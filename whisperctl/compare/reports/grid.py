"""Tables of a comparison as rows of texts, shared by all reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from whisperctl.compare import statistics
from whisperctl.compare.reports import figures
from whisperctl.compare.result import CellInfo, Comparison, Difference, Drift

Row = tuple[str, ...]

LINE: Row = ()
"""Separator between rows."""

MORE = ("cold_start_ms", "cpu_ms", "encode_ms", "load_ms", "linear_memory_bytes", "start_ms")
"""Optional columns of ``by_cell``, the most important first."""

_BRIEF = (("wall ms", "wall_ms"), ("RTF", "real_time_factor"))
_DRIFT = ("wall_ms", "peak_memory_bytes")
_NO_TIMES = (figures.NOTHING,) * 3


@dataclass(frozen=True, slots=True)
class Grid:
    """Table. The first ``n_names`` columns name the row, the others are figures."""

    columns: Row
    rows: tuple[Row, ...]
    n_names: int = 1


def by_variant(comparison: Comparison, cells: Sequence[CellInfo]) -> Grid:
    """All values of a recording, one column for each cell."""
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
    return Grid(("ms", *columns), tuple(rows))


def by_cell(
    comparison: Comparison,
    cells: Sequence[CellInfo],
    n_more: int = 2,
    *,
    with_recording: bool | None = None,
) -> Grid:
    """Most important values, one row for each cell.

    Args:
        comparison: the comparison of the cells.
        cells: the rows.
        n_more: number of columns of ``MORE`` to add.
        with_recording: add a column with the recording; by default if there are several.
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
        (_with_unit(statistics.BY_NAME[name]), partial(_brief, statistics.BY_NAME[name]))
        for name in MORE[:n_more]
        if any(name in cell.stats for cell in cells)
    ]
    if any(cell.difference is not None for cell in cells):
        columns.append(("WER", lambda cell: figures.word_error(cell.difference)))
    else:
        columns.append(("differs", _against_baseline))
    columns.append(("text", text_group))
    rows = [tuple(text(cell) for _, text in columns) for cell in cells]
    return _filled(Grid(tuple(name for name, _ in columns), tuple(rows), n_names))


def words(comparison: Comparison, cells: Sequence[CellInfo]) -> Grid:
    """Error rates against the reference, and agreement with the baseline.

    Cells with the same text share a row for the reference.
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
    return _filled(Grid(columns, tuple(rows), 2))


def drift(comparison: Comparison, found: Drift) -> Grid:
    """Changes of each cell since an earlier comparison."""
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
    """First differing tokens, one line for each cell that has some."""
    for cell in cells:
        if cell.agreement is not None and cell.agreement.divergence is not None:
            yield (
                f"{figures.label(comparison, cell)} diverges from "
                f"{baseline_name(comparison, cell)} at {figures.divergence(cell)}"
            )


def baseline_name(comparison: Comparison, cell: CellInfo) -> str:
    """Label of the variant that a cell is compared with."""
    if cell.baseline is None:
        return comparison.baseline
    return comparison.variants[cell.baseline].label


def text_group(cell: CellInfo) -> str:
    """Letter of a cell's text."""
    if cell.error:
        return figures.FAILED
    return cell.text_group + ("" if cell.stable else " (varies)")


def _filled(made: Grid) -> Grid:
    """Grid without the columns of figures that say nothing in any row."""
    empty = (figures.NOTHING, figures.BASELINE)
    kept = [
        n
        for n in range(len(made.columns))
        if n < made.n_names or any(row[n] not in empty for row in made.rows)
    ]
    rows = tuple(tuple(row[n] for n in kept) for row in made.rows)
    return Grid(tuple(made.columns[n] for n in kept), rows, made.n_names)


def _with_unit(value: statistics.Value) -> str:
    return f"{value.label} ms" if value.unit == "ms" else value.label


def _brief(value: statistics.Value, cell: CellInfo) -> str:
    return figures.number(cell, value)


def _against_baseline(cell: CellInfo) -> str:
    if figures.is_baseline(cell) and not cell.error:
        return figures.BASELINE
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
