"""Texts side by side as plain data: words with their times, and what is other than elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from whisperctl.compare.reports import figures
from whisperctl.compare.result import CellInfo, Comparison, WordInfo
from whisperctl.compare.scoring import splitting, word_diff
from whisperctl.text import timestamp

_LANGUAGE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A word, or words that stand elsewhere only.

    ``kind`` is "" for a word that is the same, ``ins`` for another, ``del`` for what is missing.
    ``gap`` stands before it. ``start_s`` and ``end_s`` are ``None`` where no time is known.
    """

    kind: str
    text: str
    gap: str = " "
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A segment. ``time`` is its start, as text; "" without one."""

    time: str
    start_s: float | None
    pieces: tuple[TextPart, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A text. ``note`` says what it is compared with and how far it is from that."""

    title: str
    speakers: str
    language: str
    note: str
    lines: tuple[Line, ...]

    @property
    def plays(self) -> bool:
        """Whether a word's time is known."""
        return any(piece.start_s is not None for line in self.lines for piece in line.pieces)


def panels(comparison: Comparison, recording: int) -> Iterator[Panel]:
    """The reference text, if there is one, and each text once, however many cells share it."""
    reference = comparison.recordings[recording].reference
    groups = figures.groups(figures.cells_of(comparison, recording))
    if reference is not None:
        language = _language(groups[0].cells[0].language) if groups else ""
        words = splitting.split(reference.text)
        pieces = tuple(_pieces([None] * len(words), 0, words, {}, set()))
        yield Panel(
            "Reference", PurePath(reference.source).name, language, "", (Line("", None, pieces),)
        )
    for group in groups:
        cell = group.cells[0]
        yield Panel(
            title=f"Text {group.letter}",
            speakers="; ".join(figures.label(comparison, cell) for cell in group.cells),
            language=_language(cell.language),
            note=_note(comparison, cell),
            lines=tuple(_lines(comparison, cell)),
        )


def _language(code: str) -> str:
    return code if _LANGUAGE.fullmatch(code) else ""


def _note(comparison: Comparison, cell: CellInfo) -> str:
    other = figures.against(comparison, cell)
    if other is None:
        return "no speech found" if not cell.text else ""
    if other.difference.identical:
        return f"identical to {other.name}"
    return f"against {other.name}: WER {figures.rate(other.difference.wer)}"


def _lines(comparison: Comparison, cell: CellInfo) -> Iterator[Line]:
    words = splitting.split(cell.text)
    missing, other_words = _marks(comparison, cell, words)
    first = 0
    segments = [segment for segment in cell.segments if segment.words]
    if sum(len(segment.words) for segment in segments) != len(words):
        # Its times are of other words than these, so none of them is told.
        pieces = _pieces([None] * len(words), 0, words, missing, other_words)
        yield Line("", None, tuple(pieces))
        return
    for segment in segments:
        found = _pieces(segment.words, first, words, missing, other_words)
        first += len(segment.words)
        yield Line(timestamp(segment.start_s), segment.start_s, tuple(found))


def _marks(
    comparison: Comparison, cell: CellInfo, words: Sequence[str]
) -> tuple[dict[int, str], set[int]]:
    """What is missing before which word, and which words are other ones."""
    other = figures.against(comparison, cell)
    if other is None:
        return {}, set()
    theirs = splitting.split(other.text)
    found = word_diff.changes(other.difference.spans)
    missing = {
        change.text_start: splitting.join(theirs[change.reference_start : change.reference_end])
        for change in found
        if change.reference_start < change.reference_end
    }
    return missing, {n for change in found for n in range(change.text_start, change.text_end)}


def _pieces(
    timed: Sequence[WordInfo | None],
    first: int,
    words: Sequence[str],
    missing: dict[int, str],
    other_words: set[int],
) -> Iterator[TextPart]:
    for index, word in enumerate(timed, first):
        if index in missing:
            yield TextPart("del", missing[index])
        apart = index == first or splitting.spaced(words[index - 1], words[index])
        yield TextPart(
            "ins" if index in other_words else "",
            words[index] if word is None else word.text,
            " " if apart else "",
            None if word is None else word.start_s,
            None if word is None else word.end_s,
        )
    end = first + len(timed)
    if end == len(words) and end in missing:
        yield TextPart("del", missing[end])
