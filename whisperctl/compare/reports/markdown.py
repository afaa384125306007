"""Comparison as GitHub Flavored Markdown, to paste into a README, an issue or a paper.

Tables follow https://github.github.com/gfm/#tables-extension-.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from whisperctl.compare.reports import figures, grid
from whisperctl.compare.reports.grid import Grid
from whisperctl.compare.result import Comparison
from whisperctl.compare.scoring import wer

_COLUMNS = 6
"""Variants side by side in a table, which fit on a page."""

_MAX_CHANGES = 50
_CONTEXT_WORDS = 3
# A bracket alone has no meaning in Markdown.
_SPECIAL = re.compile(r"([\\`*_<>#|~$]|\](?=[\[(:]))")


def text(comparison: Comparison) -> str:
    """Report, with a line feed at its end."""
    return figures.writable("\n".join(_lines(comparison)) + "\n")


def escaped(text: str) -> str:
    """Text on one line, with Markdown and HTML escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"## Comparison of {_names(comparison)}"
    yield ""
    found = figures.verdict(comparison)
    if found:
        yield " ".join(map(escaped, found))
        yield ""
    yield from _list(f"warning: {caveat}" for caveat in figures.caveats(comparison))
    yield from _table(grid.by_cell(comparison, comparison.cells))
    for recording, info in enumerate(comparison.recordings):
        cells = figures.cells_of(comparison, recording)
        yield f"### {escaped(info.label)}: phases"
        yield ""
        for start in range(0, len(cells), _COLUMNS):
            yield from _table(grid.by_variant(comparison, cells[start : start + _COLUMNS]))
        yield f"### {escaped(info.label)}: words"
        yield ""
        remarks = (
            *figures.same_texts(comparison, cells),
            *figures.unstable(comparison, cells),
            *grid.divergences(comparison, cells),
        )
        yield from _list(remarks)
        made = grid.words(comparison, cells)
        if made.rows:
            yield from _table(made)
        for group in figures.groups(cells):
            yield from _group(comparison, group)
    if comparison.drift is not None:
        yield f"### Since the run of {escaped(comparison.drift.date)}"
        yield ""
        yield from _list(comparison.drift.changes or (figures.NO_CHANGE,))
        yield from _table(grid.drift(comparison, comparison.drift))
    failed = figures.failures(comparison)
    if failed:
        yield "### Failed"
        yield ""
        yield from _list(failed)
    yield "### Origin of the numbers"
    yield ""
    yield from _list(f"{name}: {fact}" for name, fact in figures.facts(comparison))
    yield " ".join(map(escaped, figures.legends(comparison)))


def _names(comparison: Comparison) -> str:
    """Labels of up to three recordings, or their number."""
    labels = [escaped(recording.label) for recording in comparison.recordings]
    return ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} recordings"


def _table(made: Grid) -> Iterator[str]:
    yield _row(made.columns)
    marks = [":---" if i < made.n_names else "---:" for i in range(len(made.columns))]
    yield _row(marks, verbatim=True)
    for row in made.rows:
        if row is not grid.LINE:
            yield _row(row)
    yield ""


def _row(texts: tuple[str, ...] | list[str], *, verbatim: bool = False) -> str:
    return f"| {' | '.join(texts if verbatim else map(_cell, texts))} |"


def _cell(text: str) -> str:
    return "<br>".join(escaped(line) for line in text.split("\n"))


def _list(lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for line in lines:
        yield f"- {escaped(line)}"
    yield ""


def _group(comparison: Comparison, group: figures.Group) -> Iterator[str]:
    cell = group.cells[0]
    other = figures.against(comparison, cell)
    if other is None or other.difference.identical:
        return
    old, new = wer.split_words(other.text), wer.split_words(cell.text)
    found = wer.changes(other.difference.spans)
    yield f"Text {group.letter} against {escaped(other.name)} (~~left out~~, **put in**):"
    yield ""
    for change in found[:_MAX_CHANGES]:
        before = new[max(0, change.text_start - _CONTEXT_WORDS) : change.text_start]
        after = new[change.text_end : change.text_end + _CONTEXT_WORDS]
        left_out = escaped(wer.join_words(old[change.reference_start : change.reference_end]))
        put_in = escaped(wer.join_words(new[change.text_start : change.text_end]))
        parts = (
            escaped(wer.join_words(before)),
            f"~~{left_out}~~" if left_out else "",
            f"**{put_in}**" if put_in else "",
            escaped(wer.join_words(after)),
        )
        yield f"- {' '.join(filter(None, parts))}"
    if len(found) > _MAX_CHANGES:
        yield f"- and {len(found) - _MAX_CHANGES} more"
    yield ""
