"""Comparison as tables for a terminal, with the differences between texts.

Differences are marked as ``git diff --word-diff`` marks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from whisperctl.compare.reports import figures, grid
from whisperctl.compare.reports.grid import Grid
from whisperctl.compare.result import CellInfo, Comparison, WordSpan
from whisperctl.compare.scoring import wer
from whisperctl.compare.scoring.wer import Change
from whisperctl.formats import console as segment_lines
from whisperctl.text import visible
from whisperctl.transcript import Segment

_MAX_ELLIPSES = 3
"""Most ellipses on a line of a word diff; each is two columns wider in ASCII."""

_GAP = 2
"""Columns of the terminal between two columns of a table."""

_PHASES_HINT = (
    "All phases are shown with --phases, and in the formats markdown, html, csv and json."
)

_MAX_RECORDINGS = 3
"""With more recordings, each cell is shown on one line, unless phases are requested."""

MAX_CHANGES = 20
"""Default number of changes shown."""

_CONTEXT_WORDS = 4
_MAX_WORDS = 24
"""Words shown of each side of a change; of more, the first and the last are shown."""

_ELLIPSIS = "…"
_INDENT = "  "
_DELETED, _INSERTED, _PLAIN = "red", "green", ""

PIPE_WIDTH = 80
"""Width of tables in a pipe."""

_FILE_WIDTH = 160
_MAX_SEGMENTS = 20
"""Segments shown of each transcript."""


def plain_text(comparison: Comparison, *, phases: bool = False) -> str:
    """Report for a file: in ASCII but for names and texts, and wider than in a pipe."""
    console = Console(width=_FILE_WIDTH, color_system=None, force_terminal=False)
    return text(comparison, console, plain=True, phases=phases) + "\n"


def text(comparison: Comparison, console: Console, *, plain: bool, phases: bool = False) -> str:
    """Report for a console: a transcript of each recording, then tables.

    Args:
        comparison: the comparison to show.
        console: renders the tables with its width and colors.
        plain: see ``tables``.
        phases: see ``tables``.
    """
    lines = list(_transcripts(comparison))
    with console.capture() as capture:
        for part in tables(comparison, width=console.width, plain=plain, phases=phases):
            console.print(part, highlight=False)
    return "\n".join([*lines, *(line.rstrip() for line in capture.get().splitlines())])


def _transcripts(comparison: Comparison) -> Iterator[str]:
    """Transcript of each recording by the baseline, in the form that ``transcribe`` prints."""
    for index, recording in enumerate(comparison.recordings):
        cells = [cell for cell in figures.cells_of(comparison, index) if not cell.error]
        if not cells:
            continue
        cell = next(filter(figures.is_baseline, cells), cells[0])
        yield f"{recording.label}, by {figures.label(comparison, cell)}:"
        for segment in cell.segments[:_MAX_SEGMENTS]:
            yield segment_lines.line(Segment(segment.start_s, segment.end_s, segment.text))
        if not cell.segments:
            yield "(no speech)"
        if len(cell.segments) > _MAX_SEGMENTS:
            yield f"... and {len(cell.segments) - _MAX_SEGMENTS} segments more"
        yield ""


def tables(
    comparison: Comparison, *, width: int, plain: bool, phases: bool = False
) -> Iterator[RenderableType]:
    """Tables and lines of a report, to print in order.

    If all variants of a recording fit side by side, they are columns and phases are rows.
    Otherwise, or for many recordings, each cell is a row.

    Args:
        comparison: the comparison to show.
        width: width of the terminal. Only a single long word or name makes a line wider.
        plain: use ASCII without colors, except in texts and names; for files and pipes.
        phases: show all phases, in several tables if variants do not fit side by side.
    """
    draw = _Style(width, plain)
    yield from _heading(comparison, draw)
    recordings = [
        (info.label, figures.cells_of(comparison, recording))
        for recording, info in enumerate(comparison.recordings)
    ]
    fits = len(recordings) <= _MAX_RECORDINGS and all(
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
            yield draw.text(_PHASES_HINT, "dim")
    yield from _words(comparison, draw)
    yield from _drift(comparison, draw)
    yield from _failures(comparison, draw)
    yield Text()
    for legend in figures.legends(comparison):
        yield draw.text(legend, "dim")


class _Style:
    """Appearance on a terminal of a given width."""

    def __init__(self, width: int, plain: bool) -> None:
        self.plain = plain
        self.width = width

    def text(self, text: str, style: str = "") -> Text:
        """Text, wrapped where it is long."""
        return Text(self.written(text), "" if self.plain else style)

    def written(self, text: str) -> str:
        """Text without control characters; punctuation in ASCII if plain."""
        if self.plain:
            text = text.replace(figures.PLUS_MINUS, "+-").replace("→", "->").replace("…", "...")
        return visible(text, prose=True)

    def title(self, text: str) -> Iterator[RenderableType]:
        """Heading with an empty line above it."""
        yield Text()
        yield self.text(text, "bold")

    def table(self, made: Grid) -> Table:
        """Grid as a table: names are left-aligned, numbers right-aligned."""
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
        """Grid as a table if that fits, or else one line for each row with named figures."""
        if self.fits(made):
            yield self.table(made)
            return
        for row in made.rows:
            names = " against ".join(row[: made.n_names])
            named = zip(made.columns[made.n_names :], row[made.n_names :], strict=True)
            figs = [
                text if text == figures.IDENTICAL else f"{name} {text}"
                for name, text in named
                if text != figures.NOTHING
            ]
            yield self.text(f"{names}: {'; '.join(figs)}")

    def _cell(self, text: str) -> Text:
        return self.text(text, "red" if text == figures.FAILED else "")

    def n_more(self, comparison: Comparison) -> int:
        """Number of optional columns that fit into a row for each cell, for all recordings."""
        for n in range(len(grid.MORE), 0, -1):
            if self.fits(grid.by_cell(comparison, comparison.cells, n, with_recording=False)):
                return n
        return 0

    def by_variant(self, comparison: Comparison, cells: Sequence[CellInfo]) -> Iterator[Table]:
        """Tables with variants as columns, each with as many variants as fit."""
        rest = list(cells)
        while rest:
            # One at a time: few columns fit, but there may be many variants.
            n = 1
            while n < len(rest) and self.fits(grid.by_variant(comparison, rest[: n + 1])):
                n += 1
            yield self.table(grid.by_variant(comparison, rest[:n]))
            rest = rest[n:]

    def fits(self, made: Grid) -> bool:
        """True if a grid fits without wrapping; measuring a large table with rich is slow."""
        columns = zip(
            made.columns, *(row for row in made.rows if row is not grid.LINE), strict=True
        )
        widths = [
            max(cell_len(line) for text in column for line in self.written(text).split("\n"))
            for column in columns
        ]
        return sum(widths) + _GAP * (len(widths) - 1) <= self.width


def _heading(comparison: Comparison, draw: _Style) -> Iterator[RenderableType]:
    for sentence in figures.verdict(comparison):
        yield draw.text(sentence, "bold")
    yield Text()
    found = list(figures.facts(comparison))
    width = max(len(name) for name, _ in found)
    for name, text in found:
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=width)
        line.add_column(overflow="fold")
        line.add_row(draw.text(name, "dim"), draw.text(text))
        yield line
    for caveat in figures.caveats(comparison):
        yield draw.text(f"warning: {caveat}", "yellow")


def _words(comparison: Comparison, draw: _Style) -> Iterator[RenderableType]:
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
    comparison: Comparison, group: figures.Group, draw: _Style
) -> Iterator[RenderableType]:
    """Differences between a text and the one it is compared with."""
    cell = group.cells[0]
    other = figures.against(comparison, cell)
    if other is None or other.difference.identical:
        return
    yield Text()
    for line in word_diff(
        wer.split_words(other.text),
        wer.split_words(cell.text),
        other.difference.spans,
        labels=(other.name, f"text {group.letter}"),
        width=draw.width - 2 * _MAX_ELLIPSES if draw.plain else draw.width,
        colors=not draw.plain,
    ):
        yield draw.text(line.plain) if draw.plain else line


def _drift(comparison: Comparison, draw: _Style) -> Iterator[RenderableType]:
    if comparison.drift is None:
        return
    yield from draw.title(f"Since the run of {comparison.drift.date}")
    for line in comparison.drift.changes or (figures.NO_CHANGE,):
        yield draw.text(line)
    yield Text()
    yield draw.table(grid.drift(comparison, comparison.drift))


def _failures(comparison: Comparison, draw: _Style) -> Iterator[RenderableType]:
    found = figures.failures(comparison)
    if found:
        yield from draw.title("Failed")
        for line in found:
            yield draw.text(line, "red")


@dataclass(frozen=True, slots=True)
class _Atom:
    """Text that is not wrapped; ``spaced`` is true if a space precedes it."""

    text: str
    style: str
    spaced: bool


def word_diff(
    reference_words: Sequence[str],
    text_words: Sequence[str],
    spans: Sequence[WordSpan],
    *,
    labels: tuple[str, str],
    width: int,
    colors: bool,
    max_changes: int = MAX_CHANGES,
) -> Iterator[Text]:
    """Lines that show all changes with a few words of context; none without changes.

    Args:
        reference_words: words of the reference, from ``wer.split_words``.
        text_words: words of the text.
        spans: their alignment, from ``Difference``.
        labels: names of the two texts.
        width: width of a line in terminal cells.
        colors: show deletions in red and insertions in green, besides the marks.
        max_changes: number of changes to show; the others are only counted.
    """
    found = wer.changes(spans)
    if not found:
        return
    width = max(width, 20)
    legend = [
        *_marked([labels[0]], "[-", "-]", _DELETED),
        *_marked([labels[1]], "{+", "+}", _INSERTED, spaced_before=True),
    ]
    yield from _wrapped(legend, width, colors=colors, indent="")
    for group in _grouped(found[:max_changes]):
        yield from _wrapped(
            _hunk(reference_words, text_words, group), width, colors=colors, indent=_INDENT
        )
    if len(found) > max_changes:
        yield Text(f"{_INDENT}and {len(found) - max_changes} more")


def _grouped(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Groups of changes whose context overlaps."""
    group: list[Change] = []
    for change in changes:
        if group and change.reference_start - group[-1].reference_end > 2 * _CONTEXT_WORDS:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(
    reference: Sequence[str], text: Sequence[str], changes: Sequence[Change]
) -> Iterator[_Atom]:
    """Group of changes with the words around and between them."""
    begin = max(0, changes[0].reference_start - _CONTEXT_WORDS)
    end = min(len(reference), changes[-1].reference_end + _CONTEXT_WORDS)
    if begin:
        yield _Atom(_ELLIPSIS, _PLAIN, spaced=False)
    at, before = begin, ""
    for change in changes:
        for word in reference[at : change.reference_start]:
            yield _Atom(word, _PLAIN, spaced=not before or wer.needs_space(before, word))
            before = word
        old = reference[change.reference_start : change.reference_end]
        new = text[change.text_start : change.text_end]
        space = not before or wer.needs_space(before, (old or new)[0])
        yield from _marked(old, "[-", "-]", _DELETED, spaced_before=space)
        yield from _marked(new, "{+", "+}", _INSERTED, spaced_before=space and not old)
        at, before = change.reference_end, (new or old)[-1]
    for word in reference[at:end]:
        yield _Atom(word, _PLAIN, spaced=wer.needs_space(before, word))
        before = word
    if end < len(reference):
        yield _Atom(_ELLIPSIS, _PLAIN, spaced=True)


def _marked(
    words: Sequence[str], begin: str, end: str, style: str, *, spaced_before: bool = False
) -> Iterator[_Atom]:
    if len(words) > _MAX_WORDS:
        half = _MAX_WORDS // 2
        left_out = f"{_ELLIPSIS} {len(words) - 2 * half} words {_ELLIPSIS}"
        words = [*words[:half], left_out, *words[-half:]]
    for i, word in enumerate(words):
        space = spaced_before if i == 0 else wer.needs_space(words[i - 1], word)
        opened = begin if i == 0 else ""
        closed = end if i + 1 == len(words) else ""
        yield _Atom(f"{opened}{word}{closed}", style, spaced=space)


def _wrapped(
    atoms: Iterator[_Atom] | Sequence[_Atom], width: int, *, colors: bool, indent: str
) -> Iterator[Text]:
    """Lines of at most the given width, each with the given indent."""
    line = Text(indent)
    style_before: str | None = None
    for atom in atoms:
        parts = chop_cells(visible(atom.text, prose=True), width - len(indent)) or [""]
        for i, part in enumerate(parts):
            gap = " " if atom.spaced and i == 0 and style_before is not None else ""
            if style_before is not None and cell_len(line.plain + gap + part) > width:
                yield line
                line, gap = Text(indent), ""
            # The space between two words of one change belongs to the change.
            line.append(gap, atom.style if colors and atom.style == style_before else _PLAIN)
            line.append(part, atom.style if colors else _PLAIN)
            style_before = atom.style
    yield line
