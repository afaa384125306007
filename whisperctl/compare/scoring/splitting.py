"""Words of a text in an unknown language, and the normalization of Whisper's authors.

The normalization is that of Appendix C of https://arxiv.org/abs/2212.04356.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from whisperctl.engine.toolkit.words import UNSPACED


def normalized(text: str, language: str) -> str:
    """A text without what does not count as an error.

    Args:
        text: any.
        language: the code of the language that the text is in. English is put into one spelling,
            its numbers into digits and its contractions into words; other languages lose case and
            punctuation.
    """
    return " ".join(_words(text, language, by_character=False))


def normalized_words(text: str, language: str) -> list[str]:
    """Words of what ``normalized`` gives; each character in languages written without spaces."""
    return _words(text, language, by_character=language in UNSPACED)


def _words(text: str, language: str, *, by_character: bool) -> list[str]:
    # Its regular expressions take seconds over thousands of spaces on end.
    text = " ".join(text.split())
    if language == "en":
        try:
            return _english()(text).split()
        except (AssertionError, ValueError):
            pass  # a number of more than 4300 digits, which Python refuses
    return _basic(by_character)(text).split()


@cache
def _english() -> Callable[[str], str]:
    """It reads a list of spellings, so there is one."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str] = EnglishTextNormalizer()
    return normalize


@cache
def _basic(by_character: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    normalize: Callable[[str], str] = BasicTextNormalizer(split_letters=by_character)
    return normalize


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
_CHUNK = re.compile(r"\S+")
_JOINER = "\u200d"


def split(text: str) -> list[str]:
    """The words of a text, none of which is empty."""
    return [text[start:end] for start, end in spans(text)]


def join(words: Iterable[str]) -> str:
    """Words with spaces between them, but where the script has none."""
    parts: list[str] = []
    for word in words:
        if parts and spaced(parts[-1], word):
            parts.append(" ")
        parts.append(word)
    return "".join(parts)


def spaced(before: str, after: str) -> bool:
    """Whether a space stands between two words."""
    return not (_HAS_UNSPACED.match(before[-1]) or _HAS_UNSPACED.match(after[0]))


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends in the text."""
    for chunk in _CHUNK.finditer(text):
        start, end = chunk.span()
        if _HAS_UNSPACED.search(text, start, end):
            for i in range(start + 1, end):
                if _ends_between(text[i - 1], text[i]):
                    yield start, i
                    start = i
        yield start, end


def _ends_between(before: str, after: str) -> bool:
    """Whether a word ends between two characters that are no white space."""
    if unicodedata.category(after).startswith("M") or _JOINER in (before, after):
        return False
    if unicodedata.category(before) in ("Ps", "Pi"):
        return False
    if unicodedata.category(after) in ("Pe", "Pf", "Po", "Pd"):
        return False
    return bool(_HAS_UNSPACED.match(before) or _HAS_UNSPACED.match(after))
