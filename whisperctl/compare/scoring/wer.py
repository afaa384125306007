"""Word and character error rates of a text, computed by jiwer.

The languages of texts are not known beforehand, so words are found by their scripts.
Normalization is that of Whisper's authors: Appendix C of https://arxiv.org/abs/2212.04356.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from whisperctl.compare.result import Difference, Errors, SpanKind, WordSpan
from whisperctl.engine.toolkit.words import UNSPACED
from whisperctl.transcript import Transcript

if TYPE_CHECKING:
    import jiwer

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3000-\u312f"  # punctuation of East Asia, Hiragana, Katakana, Bopomofo
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"  # wide punctuation, narrow Katakana
    "\U00020000-\U0003ffff"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_NOT_SPACE = re.compile(r"\S+")
_JOINER = "\u200d"


@dataclass(slots=True)
class Change:
    """Adjacent spans that differ: half-open word ranges ``[start, end)`` of each text."""

    reference_start: int
    reference_end: int
    text_start: int
    text_end: int


def difference(reference: str, text: str, *, language: str) -> Difference:
    """Compare a text with its reference.

    Args:
        reference: the correct text; may be empty.
        text: the text to score; may be empty.
        language: language code of both texts, used by the normalizer.
    """
    wer, spans = _word_errors(split_words(reference), split_words(text))
    cer = _character_errors(_one_line(reference), _one_line(text))
    normalized_wer, _ = _word_errors(
        normalize_words(reference, language), normalize_words(text, language)
    )
    normalized_cer = _character_errors(normalize(reference, language), normalize(text, language))
    return Difference(
        identical=_one_line(reference) == _one_line(text),
        wer=wer,
        cer=cer,
        normalized_wer=normalized_wer,
        normalized_cer=normalized_cer,
        spans=spans,
    )


def changes(spans: Sequence[WordSpan]) -> list[Change]:
    """Places where two texts differ, in order."""
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


def text_language(transcript: Transcript) -> str:
    """Language code of a transcript's text, which is English for a translation."""
    return "en" if transcript.task == "translate" else transcript.language


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _word_errors(
    reference: Sequence[str], text: Sequence[str]
) -> tuple[Errors, tuple[WordSpan, ...]]:
    if not reference or not text:  # for an empty reference, jiwer's rate is a count
        return _errors_of_empty(len(reference), len(text)), _spans_of_empty(
            len(reference), len(text)
        )
    import jiwer

    output = jiwer.process_words(" ".join(reference), " ".join(text))
    spans = tuple(
        WordSpan(
            cast(SpanKind, chunk.type),
            chunk.ref_start_idx,
            chunk.ref_end_idx,
            chunk.hyp_start_idx,
            chunk.hyp_end_idx,
        )
        for chunk in output.alignments[0]
    )
    return _errors(output.wer, output), spans


def _character_errors(reference: str, text: str) -> Errors:
    if not reference or not text:
        return _errors_of_empty(len(reference), len(text))
    import jiwer

    output = jiwer.process_characters(reference, text)
    return _errors(output.cer, output)


def _errors(rate: float, output: jiwer.WordOutput | jiwer.CharacterOutput) -> Errors:
    return Errors(
        rate=rate,
        substitutions=output.substitutions,
        deletions=output.deletions,
        insertions=output.insertions,
        n_reference=output.hits + output.substitutions + output.deletions,
    )


def _errors_of_empty(n_reference: int, n_text: int) -> Errors:
    """Errors where the reference, the text or both are empty."""
    return Errors(
        rate=1.0 if n_reference or n_text else 0.0,
        substitutions=0,
        deletions=n_reference,
        insertions=n_text,
        n_reference=n_reference,
    )


def _spans_of_empty(n_reference: int, n_text: int) -> tuple[WordSpan, ...]:
    if n_reference:
        return (WordSpan("delete", 0, n_reference, 0, 0),)
    return (WordSpan("insert", 0, 0, 0, n_text),) if n_text else ()


def split_words(text: str) -> list[str]:
    """Words of a text; none is empty."""
    return [text[start:end] for start, end in word_spans(text)]


def join_words(words: Iterable[str]) -> str:
    """Join words with spaces, except in scripts that are written without them."""
    parts: list[str] = []
    for word in words:
        if parts and needs_space(parts[-1], word):
            parts.append(" ")
        parts.append(word)
    return "".join(parts)


def needs_space(before: str, after: str) -> bool:
    """True if two adjacent words are separated by a space."""
    return not (_HAS_UNSPACED.match(before[-1]) or _HAS_UNSPACED.match(after[0]))


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end offset of each word in a text."""
    for match in _NOT_SPACE.finditer(text):
        start, end = match.span()
        if _HAS_UNSPACED.search(text, start, end):
            for i in range(start + 1, end):
                if _is_boundary(text[i - 1], text[i]):
                    yield start, i
                    start = i
        yield start, end


def _is_boundary(before: str, after: str) -> bool:
    """True if a word ends between two adjacent characters, neither of which is white space."""
    if unicodedata.category(after).startswith("M") or _JOINER in (before, after):
        return False
    if unicodedata.category(before) in ("Ps", "Pi"):
        return False
    if unicodedata.category(after) in ("Pe", "Pf", "Po", "Pd"):
        return False
    return bool(_HAS_UNSPACED.match(before) or _HAS_UNSPACED.match(after))


def normalize(text: str, language: str) -> str:
    """Remove differences from a text that should not count as errors.

    Args:
        text: any text.
        language: its language code. English gets one spelling, digits for numbers, and expanded
            contractions; other languages lose case and punctuation.
    """
    return " ".join(_normalized(text, language, by_character=False))


def normalize_words(text: str, language: str) -> list[str]:
    """Words of a normalized text; single characters in languages written without spaces."""
    return _normalized(text, language, by_character=language in UNSPACED)


def _normalized(text: str, language: str, *, by_character: bool) -> list[str]:
    # The normalizer's regular expressions take seconds for thousands of consecutive spaces.
    text = " ".join(text.split())
    if language == "en":
        try:
            return _english()(text).split()
        except (AssertionError, ValueError):
            pass  # a number of more than 4300 digits, which Python refuses to convert
    return _basic(by_character)(text).split()


@contextmanager
def _compiled_quietly() -> Iterator[None]:
    """Import the normalizers, whose source has an escape sequence that Python warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _english() -> Callable[[str], str]:
    """English normalizer, cached because it loads a list of spellings."""
    with _compiled_quietly():
        from whisper_normalizer.english import EnglishTextNormalizer

    normalizer: Callable[[str], str] = EnglishTextNormalizer()
    return normalizer


@cache
def _basic(by_character: bool) -> Callable[[str], str]:
    with _compiled_quietly():
        from whisper_normalizer.basic import BasicTextNormalizer

    normalizer: Callable[[str], str] = BasicTextNormalizer(split_letters=by_character)
    return normalizer
