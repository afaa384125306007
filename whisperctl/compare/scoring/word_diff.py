"""Where two texts differ, in lines for a terminal, marked as ``git diff --word-diff`` does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.text import Text

from whisperctl.compare.scoring.differences import WordSpan
from whisperctl.compare.scoring.splitting import spaced
from whisperctl.text import visible

MAX_CHANGES = 20
"""Changes that are shown, if nothing else is asked for."""

_CONTEXT_WORDS = 4
_MAX_WORDS = 24
"""Of one change on each side; of more, the first and the last are shown."""

_ELLIPSIS = "…"
_INDENT = "  "
_DELETED, _INSERTED, _PLAIN = "red", "green", ""


@dataclass(frozen=True, slots=True)
class _Atom:
    """Text that is not broken; ``spaced`` is whether a space stands before it."""

    text: str
    style: str
    spaced: bool


@dataclass(slots=True)
class Change:
    """Neighbouring spans that are not equal, as one: ``[start, end)`` of the words of each text."""

    reference_start: int
    reference_end: int
    text_start: int
    text_end: int


def lines(
    reference_words: Sequence[str],
    text_words: Sequence[str],
    spans: Sequence[WordSpan],
    *,
    labels: tuple[str, str],
    width: int,
    colors: bool,
    max_changes: int = MAX_CHANGES,
) -> Iterator[Text]:
    """Lines that show all changes with a few words around them; none if there is no change.

    Args:
        reference_words: by ``splitting.split``.
        text_words: the same of the other text.
        spans: of ``Difference``.
        labels: what to call the two texts.
        width: of a line, in terminal cells.
        colors: whether what is left out is red and what is added green, besides the marks.
        max_changes: after these it only says how many more there are.
    """
    found = changes(spans)
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


def changes(spans: Sequence[WordSpan]) -> list[Change]:
    """The places where texts differ, in order."""
    found: list[Change] = []
    for span in spans:
        if span.kind == "equal":
            continue
        ends = span.reference_end, span.text_end
        if found and (found[-1].reference_end, found[-1].text_end) == (
            span.reference_start,
            span.text_start,
        ):
            found[-1].reference_end, found[-1].text_end = ends
        else:
            found.append(Change(span.reference_start, ends[0], span.text_start, ends[1]))
    return found


def _grouped(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Changes that stand so close that the words around them meet."""
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
    """A group of changes with the words around and between them."""
    begin = max(0, changes[0].reference_start - _CONTEXT_WORDS)
    end = min(len(reference), changes[-1].reference_end + _CONTEXT_WORDS)
    if begin:
        yield _Atom(_ELLIPSIS, _PLAIN, spaced=False)
    at, before = begin, ""
    for change in changes:
        for word in reference[at : change.reference_start]:
            yield _Atom(word, _PLAIN, spaced=not before or spaced(before, word))
            before = word
        old = reference[change.reference_start : change.reference_end]
        new = text[change.text_start : change.text_end]
        space = not before or spaced(before, (old or new)[0])
        yield from _marked(old, "[-", "-]", _DELETED, spaced_before=space)
        yield from _marked(new, "{+", "+}", _INSERTED, spaced_before=space and not old)
        at, before = change.reference_end, (new or old)[-1]
    for word in reference[at:end]:
        yield _Atom(word, _PLAIN, spaced=spaced(before, word))
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
        space = spaced_before if i == 0 else spaced(words[i - 1], word)
        opened = begin if i == 0 else ""
        closed = end if i + 1 == len(words) else ""
        yield _Atom(f"{opened}{word}{closed}", style, spaced=space)


def _wrapped(
    atoms: Iterator[_Atom] | Sequence[_Atom], width: int, *, colors: bool, indent: str
) -> Iterator[Text]:
    """Lines of at most a width, of which all begin with the indent."""
    line = Text(indent)
    style_before: str | None = None
    for atom in atoms:
        parts = chop_cells(visible(atom.text, prose=True), width - len(indent)) or [""]
        for i, part in enumerate(parts):
            gap = " " if atom.spaced and i == 0 and style_before is not None else ""
            if style_before is not None and cell_len(line.plain + gap + part) > width:
                yield line
                line, gap = Text(indent), ""
            # Between two words of one change the space belongs to it.
            line.append(gap, atom.style if colors and atom.style == style_before else _PLAIN)
            line.append(part, atom.style if colors else _PLAIN)
            style_before = atom.style
    yield line
