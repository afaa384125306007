"""The places where a text is other than a reference, from the spans of an alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whisperctl.compare.differences import Difference

_CONTEXT_WORDS = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One place, with a few words around it.

    ``old`` are the reference's words and ``new`` the text's, none where words were added or left
    out. ``start`` is the index of ``new`` in the text's words, or of the word after it.
    """

    before: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    after: tuple[str, ...]
    start: int


def changes(reference: Sequence[str], text: Sequence[str], difference: Difference) -> list[Change]:
    """Every place where the words differ; neighbouring spans are one.

    Args:
        reference: the words that ``difference`` counts from.
        text: the words that it is about.
        difference: of the two.
    """
    found: list[Change] = []
    pending: tuple[int, int, int, int] | None = None
    for span in (*difference.spans, None):
        if span is not None and span.kind != "equal":
            start, _, text_start, _ = pending or (span.reference_start, 0, span.text_start, 0)
            pending = start, span.reference_end, text_start, span.text_end
        elif pending is not None:
            found.append(_change(reference, text, *pending))
            pending = None
    return found


def _change(
    reference: Sequence[str], text: Sequence[str], start: int, end: int, t_start: int, t_end: int
) -> Change:
    return Change(
        before=tuple(text[max(0, t_start - _CONTEXT_WORDS) : t_start]),
        old=tuple(reference[start:end]),
        new=tuple(text[t_start:t_end]),
        after=tuple(text[t_end : t_end + _CONTEXT_WORDS]),
        start=t_start,
    )
