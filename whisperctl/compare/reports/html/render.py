"""Fills the page's template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2

from whisperctl.audio import SAMPLE_RATE
from whisperctl.compare import document
from whisperctl.compare.reports import figures, grid, provenance
from whisperctl.compare.reports.grid import Grid
from whisperctl.compare.reports.html import charts, sound, texts
from whisperctl.compare.reports.html.charts import Chart
from whisperctl.compare.reports.html.texts import Panel
from whisperctl.compare.result import CellInfo, Comparison
from whisperctl.compare.statistics import Value, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_COLUMNS = 6
"""Variants beside each other in a table; a printed page is not wider."""

_TOO_LONG = (
    "The recordings are too long to be in this page "
    f"(more than {sound.LONGEST_S / 60:.0f} minutes); words cannot be played."
)
_TOGETHER = re.compile(r"\([^)]*\)|(?:p95 )?[0-9.]+ s\b")
_NO_SOUND = "The recording is not in this page; words cannot be played."


@dataclass(frozen=True, slots=True)
class _Figure:
    """A number in the table of all numbers."""

    text: str
    value: float | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Some variants' columns of the table of all numbers."""

    cells: tuple[CellInfo, ...]
    rows: tuple[tuple[Value, tuple[_Figure, ...]], ...]
    ratios: tuple[tuple[Value, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Recording:
    """All that the page says of a recording."""

    label: str
    audio: str
    no_audio: str
    summary: Grid
    charts: tuple[Chart, ...]
    said: tuple[str, ...]
    words: Grid
    panels: tuple[Panel, ...]
    numbers: tuple[_Numbers, ...]


def page(comparison: Comparison, samples: Sequence[npt.NDArray[np.float32] | None]) -> str:
    """The whole page.

    Args:
        comparison: what to show. The page carries it as JSON, too.
        samples: of each recording: float32, shape (n_samples,), 16 kHz mono, to be played in the
            page; ``None`` leaves it out. Together they are left out past ``sound.LONGEST_S``.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("whisperctl.compare.reports.html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = _unbroken
    environment.filters["label"] = lambda cell: figures.label(comparison, cell)
    html = environment.get_template("page.html").render(
        comparison=comparison,
        recordings=list(_recordings(comparison, samples)),
        failures=figures.failures(comparison),
        facts=list(provenance.facts(comparison)),
        drift=comparison.drift and grid.drift(comparison, comparison.drift),
        no_change=figures.NO_CHANGE,
        legends=(figures.LEGEND, figures.WORDS_LEGEND),
        method=provenance.method(comparison),
        document=_embedded(comparison),
    )
    return figures.writable(html)


def _unbroken(text: str) -> str:
    """A figure that breaks between its parts only, not within brackets or before a unit."""
    return _TOGETHER.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _embedded(comparison: Comparison) -> str:
    """The comparison's document, in which no tag can begin or end."""
    return document.text(comparison).replace("<", "\\u003c")


def _recordings(
    comparison: Comparison, samples: Sequence[npt.NDArray[np.float32] | None]
) -> Iterator[_Recording]:
    n_samples = sum(len(those) for those in samples if those is not None)
    fits = n_samples <= sound.LONGEST_S * SAMPLE_RATE
    for index, info in enumerate(comparison.recordings):
        cells = figures.cells_of(comparison, index)
        own = samples[index] if index < len(samples) else None
        plays = own is not None and len(own) > 0 and fits
        yield _Recording(
            label=info.label,
            audio=sound.data_uri(own) if own is not None and plays else "",
            no_audio="" if plays else _NO_SOUND if fits else _TOO_LONG,
            summary=grid.by_cell(comparison, cells),
            charts=tuple(charts.charts(comparison, cells)),
            said=(
                *figures.same_texts(comparison, cells),
                *figures.unstable(comparison, cells),
                *grid.divergences(comparison, cells),
            ),
            words=grid.words(comparison, cells),
            panels=tuple(texts.panels(comparison, index)),
            numbers=tuple(
                _numbers(cells[start : start + _COLUMNS])
                for start in range(0, len(cells), _COLUMNS)
            ),
        )


def _numbers(cells: Sequence[CellInfo]) -> _Numbers:
    return _Numbers(
        tuple(cells),
        tuple(
            (value, tuple(_figure(cell, value) for cell in cells))
            for value in figures.measured(cells)
        ),
        tuple(
            (value, tuple(figures.ratio(cell, value.name) for cell in cells))
            for value in figures.with_ratio(cells)
        ),
    )


def _figure(cell: CellInfo, value: Value) -> _Figure:
    stat = cell.stats.get(value.name)
    if stat is None:
        return _Figure(figures.number(cell, value), None)
    text = figures.spread(stat, value) + figures.runs_of_phase(cell, value)
    detail = f"{shown(stat.low, value.unit)} to {shown(stat.high, value.unit)}"
    if stat.iqr is not None:
        detail += f", IQR {shown(stat.iqr, value.unit)}"
    return _Figure(text, stat.median, detail)
