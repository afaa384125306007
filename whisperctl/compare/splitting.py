"""Words of a text that is not known to be in any one language.

They stand between white space; in scripts that are written without spaces each character is one,
with the marks and the punctuation that cling to it, whatever language the text is said to be in.
So for English this is ``str.split``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

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
