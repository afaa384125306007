"""Which tokens a regular expression keeps from being decoded, as whisper.cpp finds them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from whisperctl.engine.toolkit.whisper_params import check_regex
from whisperctl.errors import UsageError

# The sets of std::regex by name, in the C locale, for use within brackets.
_NAMED = {
    "alnum": b"0-9A-Za-z",
    "alpha": b"A-Za-z",
    "blank": rb"\ \t",
    "cntrl": rb"\x00-\x1f\x7f",
    "digit": b"0-9",
    "graph": rb"\x21-\x7e",
    "lower": b"a-z",
    "print": rb"\x20-\x7e",
    "punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": rb"\ \t\n\r\f\v",
    "upper": b"A-Z",
    "xdigit": b"0-9A-Fa-f",
}
_PIECE = re.compile(rb"\\x..|\\.|\[:([a-z]+):\]|.", re.DOTALL)


def matching(pattern: str, tokens: Iterable[bytes]) -> list[int]:
    """The ids of the tokens that match as a whole.

    whisper.cpp compares bytes, not characters, by the rules of ECMAScript; so does this. Special
    tokens are not text and stay, whatever the expression.

    Args:
        pattern: ECMAScript, as ``whisperctl.engine.toolkit.whisper_params.check_regex`` accepts it.
        tokens: those that are text, in the order of their ids.

    Raises:
        UsageError: the pattern is not one.
    """
    check_regex(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what Python may read otherwise one day
            expression = re.compile(_in_python(pattern.encode()))
    except re.error as error:
        raise UsageError(f'invalid --suppress-regex "{pattern}": {error}') from error
    return [i for i, token in enumerate(tokens) if expression.fullmatch(token)]


def _in_python(pattern: bytes) -> bytes:
    """The same in Python's terms: named sets are spelled out, dot and dollar mean less."""
    pieces: list[bytes] = []
    in_set = False
    for match in _PIECE.finditer(pattern):
        piece = match[0]
        if in_set and match[1] is not None:
            piece = _NAMED[match[1].decode()]
        elif piece == b"[" and not in_set:
            in_set = True
        elif piece == b"]" and in_set:
            in_set = False
        elif not in_set:
            piece = {b".": rb"[^\n\r]", b"$": rb"\Z", rb"\/": b"/"}.get(piece, piece)
        pieces.append(piece)
    return b"".join(pieces)
