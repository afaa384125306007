"""How far one text is from another, in words and characters, by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_CONTEXT_WORDS = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One place where the texts differ, with the words around it.

    ``reference`` and ``text`` are the words that stand there, none when words were added or left
    out; ``before`` and ``after`` are what both have there.
    """

    before: tuple[str, ...]
    reference: tuple[str, ...]
    text: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a text has other than the reference.

    Words are what stands between white space, case and punctuation included. ``word_error_rate``
    is (substitutions + deletions + insertions) / words of the reference, ``character_error_rate``
    the same in characters; both are 1 when the reference is empty and the text is not.
    """

    identical: bool
    word_error_rate: float = 0.0
    character_error_rate: float = 0.0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    changes: tuple[Change, ...] = ()


def difference(reference: str, text: str) -> Difference:
    """Compare ``text`` with ``reference``."""
    if text == reference:
        return Difference(identical=True)
    before, after = reference.split(), text.split()
    if not before:  # jiwer refuses an empty reference
        whole = (Change((), (), tuple(after), ()),)
        return Difference(False, 1.0, 1.0, insertions=len(after), changes=whole)
    import jiwer

    words = jiwer.process_words(reference, text)
    characters = jiwer.process_characters(reference, text)
    changes = []
    pending: tuple[list[str], list[str], int] | None = None
    for chunk in [*words.alignments[0], None]:
        if chunk is not None and chunk.type != "equal":
            old, new, start = pending or ([], [], chunk.ref_start_idx)
            old += before[chunk.ref_start_idx : chunk.ref_end_idx]
            new += after[chunk.hyp_start_idx : chunk.hyp_end_idx]
            pending = old, new, start
        elif pending is not None:
            changes.append(_change(before, *pending))
            pending = None
    return Difference(
        identical=False,
        word_error_rate=words.wer,
        character_error_rate=characters.cer,
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        changes=tuple(changes),
    )


def _change(words: Sequence[str], old: Sequence[str], new: Sequence[str], start: int) -> Change:
    end = start + len(old)
    return Change(
        before=tuple(words[max(0, start - _CONTEXT_WORDS) : start]),
        reference=tuple(old),
        text=tuple(new),
        after=tuple(words[end : end + _CONTEXT_WORDS]),
    )
