"""How a text differs from another, word by word, on a terminal's lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from whisperctl.compare.comparison import CellInfo, Comparison
from whisperctl.compare.reports import figures
from whisperctl.compare.reports.changes import Change, changes
from whisperctl.formats.cues import timestamp

_MOST = 20


def lines(comparison: Comparison, cells: Sequence[CellInfo], *, plain: bool) -> Iterator[Text]:
    """Every place where a text of ``cells`` is not what it is compared with.

    Each text is shown once, however many cells share it. Old and new words are marked
    ``[-old-]{+new+}``, as ``git diff --word-diff`` does, and red and green where that is possible.

    Args:
        comparison: what the cells are of.
        cells: those of one recording.
        plain: without colours.
    """
    for group in figures.groups(cells):
        cell = group.cells[0]
        other = figures.against(comparison, cell)
        if other is None or other.difference.identical:
            continue
        found = changes(other.text.split(), cell.text.split(), other.difference)
        yield Text()
        heading = f"text {group.letter} against {other.name}"
        if not found:
            yield Text(f"{heading}: the words are the same, the white space is not")
            continue
        yield Text(f"{heading}: {figures.rate(other.difference.wer)}")
        for change in found[:_MOST]:
            yield _line(change, time(cell, change.start), plain=plain)
        if len(found) > _MOST:
            yield Text(f"    and {len(found) - _MOST} more")


def time(cell: CellInfo, word: int) -> float | None:
    """When a word of a cell's text begins, or when the last one ends; ``None`` without times."""
    words = [word for segment in cell.segments for word in segment.words]
    if not words:
        return None
    return words[word].start_s if word < len(words) else words[-1].end_s


def _line(change: Change, time_s: float | None, *, plain: bool) -> Text:
    text = Text("    ")
    if time_s is not None:
        text.append(f"{timestamp(time_s)}  ", "" if plain else "dim")
    text.append("".join(f"{_clean(word)} " for word in change.before))
    marked = (("[-", change.old, "-]", "red"), ("{+", change.new, "+}", "green"))
    for before, words, after, style in marked:
        if words:
            text.append(f"{before}{_clean(' '.join(words))}{after}", "" if plain else style)
    text.append(f" {_clean(' '.join(change.after))}")
    text.rstrip()
    return text


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
