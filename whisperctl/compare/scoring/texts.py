"""How far one text is from another, in words and characters, by jiwer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from whisperctl.compare.scoring.differences import Difference, Errors, SpanKind, WordSpan
from whisperctl.compare.scoring.splitting import normalized, normalized_words, split
from whisperctl.transcript import Transcript

if TYPE_CHECKING:
    import jiwer


def difference(reference: str, text: str, *, language: str) -> Difference:
    """Compare a text with what it should be.

    Args:
        reference: what was said; may be empty.
        text: what was heard; may be empty.
        language: the code of the language that the texts are in, for ``normalized_*``.
    """
    before, after = split(reference), split(text)
    wer, spans = _words(before, after)
    cer = _characters(_one_line(reference), _one_line(text))
    normalized_wer, _ = _words(
        normalized_words(reference, language), normalized_words(text, language)
    )
    normalized_cer = _characters(normalized(reference, language), normalized(text, language))
    return Difference(
        identical=_one_line(reference) == _one_line(text),
        wer=wer,
        cer=cer,
        normalized_wer=normalized_wer,
        normalized_cer=normalized_cer,
        spans=spans,
    )


def text_language(transcript: Transcript) -> str:
    """The code of the language that a transcript's text is in: a translation's is English."""
    return "en" if transcript.task == "translate" else transcript.language


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(reference: Sequence[str], text: Sequence[str]) -> tuple[Errors, tuple[WordSpan, ...]]:
    if not reference or not text:  # jiwer's rate of an empty reference is a count
        return _of_one(len(reference), len(text)), _spans_of_one(len(reference), len(text))
    import jiwer

    found = jiwer.process_words(" ".join(reference), " ".join(text))
    spans = tuple(
        WordSpan(
            cast(SpanKind, chunk.type),
            chunk.ref_start_idx,
            chunk.ref_end_idx,
            chunk.hyp_start_idx,
            chunk.hyp_end_idx,
        )
        for chunk in found.alignments[0]
    )
    return _errors(found.wer, found), spans


def _characters(reference: str, text: str) -> Errors:
    if not reference or not text:
        return _of_one(len(reference), len(text))
    import jiwer

    found = jiwer.process_characters(reference, text)
    return _errors(found.cer, found)


def _errors(rate: float, found: jiwer.WordOutput | jiwer.CharacterOutput) -> Errors:
    return Errors(
        rate=rate,
        substitutions=found.substitutions,
        deletions=found.deletions,
        insertions=found.insertions,
        n_reference=found.hits + found.substitutions + found.deletions,
    )


def _of_one(n_reference: int, n_text: int) -> Errors:
    """Errors where one of the two, or both, are empty."""
    return Errors(
        rate=1.0 if n_reference or n_text else 0.0,
        substitutions=0,
        deletions=n_reference,
        insertions=n_text,
        n_reference=n_reference,
    )


def _spans_of_one(n_reference: int, n_text: int) -> tuple[WordSpan, ...]:
    if n_reference:
        return (WordSpan("delete", 0, n_reference, 0, 0),)
    return (WordSpan("insert", 0, 0, 0, n_text),) if n_text else ()
