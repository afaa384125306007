"""A comparison in the terminal: tables that fit it, and how the texts differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from whisperctl.compare.reports import figures, grid, provenance
from whisperctl.compare.reports.grid import Grid
from whisperctl.compare.result import CellInfo, Comparison
from whisperctl.compare.scoring import splitting, word_diff
from whisperctl.text import visible

_ELLIPSES = 3
"""On a line of a word diff, at most; each is two columns wider in ASCII."""

_GAP = 2
"""Between two columns."""

_WHERE_PHASES = (
    "The phases of each are shown by --phases, and in the formats markdown, html, csv and json."
)

_MOST_RECORDINGS = 3
"""More than these are shown a line a cell, unless phases are asked for."""


def tables(
    comparison: Comparison, *, width: int, plain: bool, phases: bool = False
) -> Iterator[RenderableType]:
    """Everything worth reading, from top to bottom, to print one after the other.

    Up to as many variants as fit beside each other, a recording's phases are rows and its variants
    columns. More of them, or of recordings, are a row a cell.

    Args:
        comparison: what to show.
        width: columns of the terminal. No line is wider but where a single word or name is.
        plain: in ASCII without colours, but for what texts and names hold; for files and pipes.
        phases: show the phases however many variants there are, in several tables.
    """
    draw = _Drawing(width, plain)
    yield from _heading(comparison, draw)
    recordings = [
        (info.label, figures.cells_of(comparison, recording))
        for recording, info in enumerate(comparison.recordings)
    ]
    fits = len(recordings) <= _MOST_RECORDINGS and all(
        draw.fits(grid.by_variant(comparison, cells)) for _, cells in recordings
    )
    if fits or phases:
        for label, cells in recordings:
            yield from draw.title(label)
            yield from draw.by_variant(comparison, cells)
    if not fits:
        n_more = draw.n_more(comparison)
        for label, cells in recordings:
            yield from draw.title(label)
            yield draw.table(grid.by_cell(comparison, cells, n_more))
        if not phases:
            yield Text()
            yield draw.text(_WHERE_PHASES, "dim")
    yield from _words(comparison, draw)
    yield from _drift(comparison, draw)
    yield from _failures(comparison, draw)
    yield Text()
    yield draw.text(figures.LEGEND, "dim")
    if any(cell.agreement or cell.difference for cell in comparison.cells):
        yield draw.text(figures.WORDS_LEGEND, "dim")


class _Drawing:
    """How things look on one terminal."""

    def __init__(self, width: int, plain: bool) -> None:
        self.plain = plain
        self.width = width

    def text(self, text: str, style: str = "") -> Text:
        """A line, or more where it is long."""
        return Text(self.written(text), "" if self.plain else style)

    def written(self, text: str) -> str:
        """A text of ours, without what would steer the terminal; in ASCII if plain."""
        if self.plain:
            text = text.replace(figures.PLUS_MINUS, "+-").replace("→", "->").replace("…", "...")
        return visible(text, prose=True)

    def title(self, text: str) -> Iterator[RenderableType]:
        """A heading, with room above it."""
        yield Text()
        yield self.text(text, "bold")

    def table(self, made: Grid) -> Table:
        """A grid as a table: the first column to the left, numbers to the right."""
        from rich import box

        plain = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
        table = Table(
            box=plain if self.plain else box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
            header_style="" if self.plain else "bold",
        )
        for i, name in enumerate(made.columns):
            table.add_column(
                self.text(name),
                justify="left" if i < made.n_names else "right",
                overflow="fold",
                no_wrap=i >= made.n_names,
            )
        for row in made.rows:
            if row is grid.LINE:
                table.add_section()
            else:
                table.add_row(*(self._cell(text) for text in row))
        return table

    def table_or_lines(self, made: Grid) -> Iterator[RenderableType]:
        """A grid as a table if that fits, or else a line for each row that names its figures."""
        if self.fits(made):
            yield self.table(made)
            return
        for row in made.rows:
            names = " against ".join(row[: made.n_names])
            told = zip(made.columns[made.n_names :], row[made.n_names :], strict=True)
            figs = [
                text if text == figures.IDENTICAL else f"{name} {text}"
                for name, text in told
                if text != figures.NOTHING
            ]
            yield self.text(f"{names}: {'; '.join(figs)}")

    def _cell(self, text: str) -> Text:
        return self.text(text, "red" if text == figures.FAILED else "")

    def n_more(self, comparison: Comparison) -> int:
        """How many more columns a row a cell has room for, the same for all recordings."""
        for n in range(len(grid.MORE), 0, -1):
            if self.fits(grid.by_cell(comparison, comparison.cells, n, with_recording=False)):
                return n
        return 0

    def by_variant(self, comparison: Comparison, cells: Sequence[CellInfo]) -> Iterator[Table]:
        """As few tables as possible, each with as many variants as fit."""
        rest = list(cells)
        while rest:
            # One more at a time: the columns that fit are few, the variants may be many.
            n = 1
            while n < len(rest) and self.fits(grid.by_variant(comparison, rest[: n + 1])):
                n += 1
            yield self.table(grid.by_variant(comparison, rest[:n]))
            rest = rest[n:]

    def fits(self, made: Grid) -> bool:
        """Whether a grid's table needs no folding; rich would take long over large ones."""
        columns = zip(
            made.columns, *(row for row in made.rows if row is not grid.LINE), strict=True
        )
        widths = [
            max(cell_len(line) for text in column for line in self.written(text).split("\n"))
            for column in columns
        ]
        return sum(widths) + _GAP * (len(widths) - 1) <= self.width


def _heading(comparison: Comparison, draw: _Drawing) -> Iterator[RenderableType]:
    found = list(provenance.facts(comparison))
    width = max(len(name) for name, _ in found)
    for name, text in found:
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=width)
        line.add_column(overflow="fold")
        line.add_row(draw.text(name, "dim"), draw.text(text))
        yield line


def _words(comparison: Comparison, draw: _Drawing) -> Iterator[RenderableType]:
    for recording, info in enumerate(comparison.recordings):
        cells = figures.cells_of(comparison, recording)
        several = len(comparison.recordings) > 1
        yield from draw.title(f"Words of {info.label}" if several else "Words")
        for line in (
            *figures.same_texts(comparison, cells),
            *figures.unstable(comparison, cells),
        ):
            yield draw.text(line)
        made = grid.words(comparison, cells)
        if made.rows:
            yield Text()
            yield from draw.table_or_lines(made)
        for line in grid.divergences(comparison, cells):
            yield draw.text(line)
        for group in figures.groups(cells):
            yield from _word_diff(comparison, group, draw)


def _word_diff(
    comparison: Comparison, group: figures.Group, draw: _Drawing
) -> Iterator[RenderableType]:
    """Every place where a text is not what it is compared with."""
    cell = group.cells[0]
    other = figures.against(comparison, cell)
    if other is None or other.difference.identical:
        return
    yield Text()
    for line in word_diff.lines(
        splitting.split(other.text),
        splitting.split(cell.text),
        other.difference.spans,
        labels=(other.name, f"text {group.letter}"),
        width=draw.width - 2 * _ELLIPSES if draw.plain else draw.width,
        colors=not draw.plain,
    ):
        yield draw.text(line.plain) if draw.plain else line


def _drift(comparison: Comparison, draw: _Drawing) -> Iterator[RenderableType]:
    if comparison.drift is None:
        return
    yield from draw.title(f"Since the run of {comparison.drift.date}")
    for line in comparison.drift.changes or (figures.NO_CHANGE,):
        yield draw.text(line)
    yield Text()
    yield draw.table(grid.drift(comparison, comparison.drift))


def _failures(comparison: Comparison, draw: _Drawing) -> Iterator[RenderableType]:
    found = figures.failures(comparison)
    if found:
        yield from draw.title("Failed")
        for line in found:
            yield draw.text(line, "red")
