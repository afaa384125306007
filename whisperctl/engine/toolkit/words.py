"""Words from tokens: whole words in every language, and whole characters in every segment.

Tokens are bytes that need not end where a word or even a character does. Words are found as in
openai-whisper's ``tokenizer.py`` and ``timing.py``, but that hyphens do not part a word.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from whisperctl.transcript import Segment, Token, Word

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km"})
"""Languages written without spaces between words: each character that a token completes is one.

openai-whisper has the same but for Khmer, which is written without spaces too.
"""

_OPENING = frozenset("\"'“‘«‹¿¡([{-–—「『（【《〈〔")  # noqa: RUF001 - each is meant
"""Characters attached to the word after them, if a space or nothing precedes them."""

_CLOSING = frozenset("\"'.。,，!！?？:：;；”’»›)]}、…%」』）】》〉〕؟،।-–—")  # noqa: RUF001 - each is meant
"""Characters attached to the word before them. In both sets it depends on where the space is."""

_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)


@dataclass(slots=True)
class _Unit:
    """Tokens that hold whole characters together, and no fewer tokens do."""

    text: str
    tokens: list[Token] = field(default_factory=list)


class Utf8Joiner:
    """Joins the characters that an engine cut in two, for backends; one for each ``transcribe``.

    Whisper may end a segment between two tokens of one character. Its first bytes are moved to the
    next segment, as the rest of it is there; at the end of the recording they are left out.
    """

    def __init__(self) -> None:
        self._carried: tuple[Token, ...] = ()

    def add(self, segment: Segment) -> Segment:
        """The same segment with whole characters; segments without tokens stay as they are."""
        tokens = (*self._carried, *segment.tokens)
        self._carried = ()
        if not segment.tokens:
            return segment
        tokens, self._carried = _parted(tokens)
        if tokens == segment.tokens:
            return segment
        return replace(segment, tokens=tokens, text=text_of(tokens))


def text_of(tokens: Sequence[Token]) -> str:
    """Text of tokens; U+FFFD replaces bytes that are not a character."""
    return b"".join(token.data for token in tokens).decode("utf-8", errors="replace")


def words_of(segment: Segment, language: str) -> tuple[Word, ...]:
    """The words of a segment whose tokens have times.

    Args:
        segment: any; joined, its words are its text.
        language: a code, which says whether words are parted by spaces.

    Returns:
        Nothing if no token has a time, or if the segment's text is not that of its tokens.
    """
    if all(token.start_s is None for token in segment.tokens):
        return ()
    if text_of(segment.tokens) != segment.text:
        return ()
    units = _units(segment.tokens)
    groups = _by_character(units) if language in UNSPACED else _by_space(units)
    words: list[Word] = []
    for group in _with_punctuation(groups):
        before_s = words[-1].end_s if words else segment.start_s
        words.append(_word(group, before_s))
    return tuple(words)


def _parted(tokens: tuple[Token, ...]) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Tokens up to their last whole character, and what is left."""
    n_open = _n_open(b"".join(token.data for token in tokens[-4:]))
    if not n_open:
        return tokens, ()
    kept = list(tokens)
    carried: list[Token] = []
    while n_open:
        last = kept.pop()
        taken = min(n_open, len(last.data))
        n_open -= taken
        carried.insert(0, replace(last, data=last.data[len(last.data) - taken :]))
        if taken < len(last.data):
            kept.append(replace(last, data=last.data[: len(last.data) - taken]))
    return tuple(kept), tuple(carried)


def _n_open(data: bytes) -> int:
    """Number of bytes at the end that begin an incomplete character of UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return len(decoder.getstate()[0])


def _units(tokens: Sequence[Token]) -> list[_Unit]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    units: list[_Unit] = []
    current = _Unit("")
    for i, token in enumerate(tokens):
        current.tokens.append(token)
        current.text += decoder.decode(token.data, final=i + 1 == len(tokens))
        if not decoder.getstate()[0]:
            units.append(current)
            current = _Unit("")
    return units


def _by_space(units: Sequence[_Unit]) -> list[_Unit]:
    groups: list[_Unit] = []
    for unit in units:
        if groups and not unit.text[:1].isspace():
            _append(groups[-1], unit)
        else:
            groups.append(_Unit(unit.text, list(unit.tokens)))
    return groups


def _by_character(units: Sequence[_Unit]) -> list[_Unit]:
    groups: list[_Unit] = []
    for unit in units:
        if groups and _belong_together(groups[-1].text, unit.text):
            _append(groups[-1], unit)
        else:
            groups.append(_Unit(unit.text, list(unit.tokens)))
    return groups


def _belong_together(before: str, after: str) -> bool:
    """True if no word ends between two characters in a language without spaces."""
    if not before or not after or not before.strip():
        return True
    first = after[0]
    if unicodedata.category(first).startswith("M") or _JOINER in (first, before[-1]):
        return True
    if ord(first) in _SKIN_TONES:
        return True
    # A foreign word or a number among characters.
    return all(c.isascii() and c.isalnum() for c in (before[-1], first))


def _with_punctuation(groups: Sequence[_Unit]) -> list[_Unit]:
    """Punctuation that stands alone joined to its word: to the next one, or to the one before."""
    merged: list[_Unit] = []
    opening: _Unit | None = None
    for group in groups:
        bare = group.text.strip()
        if opening is not None:
            _append(opening, group)
            group, opening = opening, None
            bare = group.text.strip()
        opens = bare and all(c in _OPENING for c in bare)
        closes = bare and all(c in _CLOSING for c in bare)
        spaced = group.text[:1].isspace()
        if (closes and merged and not (opens and spaced)) or (not bare and merged):
            _append(merged[-1], group)
        elif opens:
            opening = group
        else:
            merged.append(group)
    if opening is not None:
        if merged:
            _append(merged[-1], opening)
        else:
            merged.append(opening)
    return merged


def _append(unit: _Unit, more: _Unit) -> None:
    unit.text += more.text
    unit.tokens += more.tokens


def _word(unit: _Unit, before_s: float) -> Word:
    starts = [token.start_s for token in unit.tokens if token.start_s is not None]
    ends = [token.end_s for token in unit.tokens if token.end_s is not None]
    start_s = starts[0] if starts else before_s
    return Word(
        start_s=start_s,
        end_s=max(start_s, ends[-1] if ends else start_s),
        text=unit.text,
        probability=sum(token.probability for token in unit.tokens) / len(unit.tokens),
    )
