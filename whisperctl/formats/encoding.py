"""Decoding of subtitle files, whose encoding may be unknown."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from whisperctl.errors import UsageError
from whisperctl.text import quoted

# UTF-32 first, because its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "iso8859_2")
_OTHERS = ("cp1251", "koi8_r", "cp866", "iso8859_5", "cp1253", "cp1255", "cp1256", "cp874")
_WIDE = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
# Encodings of Python's that are no encodings of files; some take quadratic time.
_NO_ENCODINGS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_SAMPLE_BYTES = 64 * 2**10
_CHAOS_MARGIN = 0.05
_COHERENCE_MARGIN = 0.05
_LANGUAGE_COHERENCE = 0.1
_MOST_MIXED = 0.2

_LETTERS = {
    "Catalan": "àçéèíïóòúü",
    "Croatian": "čćđšž",
    "Czech": "áčďéěíňóřšťúůýž",
    "Danish": "æøåéèêóä",
    "Dutch": "áèéêëíïóöü",
    "Estonian": "äõöüšž",
    "Finnish": "åäöé",
    "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüß",
    "Hungarian": "áéíóöőúüű",
    "Icelandic": "áðéíóúýþæö",
    "Italian": "àèéìíîòóùú",
    "Latvian": "āčēģīķļņšūž",
    "Lithuanian": "ąčęėįšųūž",
    "Norwegian": "æøåéèêóòâô",
    "Polish": "ąćęłńóśźż",
    "Portuguese": "áâãàçéêíóôõúü",
    "Romanian": "ăâîșțşţ",
    "Slovak": "áäčďéíľňóôšťúýž",
    "Slovene": "čšž",
    "Spanish": "áéíñóúü",
    "Swedish": "åäöéà",
    "Turkish": "çğıöşüâîû",
}
"""Non-English letters by language, without the rarest; in another encoding they would differ."""

_MARKS_OF_TEXT = frozenset("“”„‘’‚‹›«»–—…•·¿¡©®°§€£ªº\u00a0\u00ad")  # noqa: RUF001 - each is meant


class UnsureError(ValueError):
    """The encoding of a text cannot be determined: several fit, or none that is known."""


@dataclass(frozen=True, slots=True)
class _Guess:
    encoding: str
    text: str
    chaos: float
    coherence: float


def named(name: str) -> str:
    """Python's name of an encoding.

    Raises:
        UsageError: there is no encoding of that name.
    """
    try:
        found = codecs.lookup(name).name
        "a".encode(found)  # bytes to bytes is none: base64, zlib
    except (LookupError, ValueError) as error:
        found = ""
        cause: Exception | None = error
    else:
        cause = None
    if not found or found in _NO_ENCODINGS:
        raise UsageError(
            f"unknown encoding {quoted(name)}: give a name such as utf-8, cp1251, shift_jis, "
            "gb18030 or big5"
        ) from cause
    return found


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """The text of a file, and the name of its encoding.

    A byte order mark decides; then it is UTF-16 or UTF-32 if it contains NUL bytes, UTF-8 if it can
    be, and else what charset-normalizer makes of it, if that is sure.

    Args:
        data: the whole file.
        encoding: Python's name of its encoding; ``None`` if it is not known.

    Raises:
        UnsureError: its encoding cannot be determined.
        ValueError: it is damaged: not in the encoding that it begins with, or that is given.
    """
    if encoding is not None:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name), name
    if b"\0" in data:
        return _wide(data)
    if b"\x1b$" in data and data.isascii():
        return data.decode("iso2022_jp"), "iso2022_jp"
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if _mostly_utf8(data):
            line = data.count(b"\n", 0, error.start) + 1
            raise ValueError(f"line {line} is not valid UTF-8") from error
    name = _detected(data)
    try:
        return data.decode(name), name
    except UnicodeDecodeError as error:
        raise UnsureError(f"most of it, but not all, is {name}") from error


def _wide(data: bytes) -> tuple[str, str]:
    """Decode UTF-16 or UTF-32 without a mark, told apart by where the zero bytes are."""
    head = data[:65536]
    if head.count(0) * 10 < len(head):
        raise ValueError("it contains NUL bytes")
    n_zeros = [head[at::4].count(0) for at in range(4)]
    quarter = len(head) // 4
    if len(data) % 4 == 0 and quarter in (n_zeros[0], n_zeros[3]) and sum(n_zeros) > 2 * quarter:
        name = "utf-32-le" if n_zeros[3] > n_zeros[0] else "utf-32-be"
    else:
        name = "utf-16-le" if n_zeros[1] + n_zeros[3] > n_zeros[0] + n_zeros[2] else "utf-16-be"
    return data.decode(name), name


def _mostly_utf8(data: bytes) -> bool:
    """True if nearly all non-ASCII bytes are UTF-8, which never happens by chance."""
    text = data.decode("utf-8", errors="replace")
    n_damaged = text.count("\ufffd")
    n_right = sum(1 for c in text if c > "\x7f") - n_damaged
    return n_right >= 10 * n_damaged


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    lines = [line for line in data.split(b"\n") if not line.isascii()]
    sample = bytearray()
    for line in lines:
        if sample and len(sample) + len(line) > _SAMPLE_BYTES:
            break
        sample += line[:_SAMPLE_BYTES] + b"\n"
    matches = from_bytes(bytes(sample), cp_isolation=[*_LATIN, *_OTHERS, *_WIDE])
    guesses = [
        _Guess(match.encoding, str(match), match.chaos, match.coherence)
        for match in matches
        if match.encoding != "utf_8"
    ]
    # It has too few languages with more accents than letters for its sense of chaos.
    guesses = guesses or _latin_guesses(bytes(sample))
    guesses = [guess for guess in guesses if not _mixed(guess.text)]
    if not guesses:
        raise UnsureError("it fits none of the usual encodings")
    best = guesses[0]
    rivals = [guess for guess in guesses if _rivals(best, guess)]
    if len({guess.text for guess in rivals}) == 1 and not _all_latin(rivals):
        if best.coherence >= _LANGUAGE_COHERENCE or best.encoding in _WIDE:
            return best.encoding
    elif _all_latin(rivals) and (chosen := _by_letters(rivals)) is not None:
        return chosen
    names = list(dict.fromkeys(guess.encoding for guess in rivals))
    raise UnsureError(f"it may be {' or '.join(names[:3])}")


def _rivals(best: _Guess, guess: _Guess) -> bool:
    """True if ``guess`` is as good as the best, or too near to it to decide."""
    if guess.chaos - best.chaos > _CHAOS_MARGIN:
        return False
    # Few languages of wide characters are known well enough to be recognised.
    clean = guess.encoding in _WIDE and best.encoding not in _WIDE
    return best.coherence - guess.coherence <= _COHERENCE_MARGIN or clean


def _all_latin(guesses: Sequence[_Guess]) -> bool:
    return all(guess.encoding in _LATIN for guess in guesses)


def _latin_guesses(sample: bytes) -> list[_Guess]:
    guesses = []
    for name in _LATIN:
        try:
            guesses.append(_Guess(name, sample.decode(name), 0.0, 0.0))
        except UnicodeDecodeError:
            continue
    return guesses


def _by_letters(guesses: Sequence[_Guess]) -> str | None:
    """The one encoding in which all letters are of one language; ``None`` if several are."""
    ordered = sorted(guesses, key=lambda guess: -_LATIN.index(guess.encoding))
    fitting = {guess.text: guess.encoding for guess in ordered if _of_one_language(guess.text)}
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _of_one_language(text: str) -> bool:
    high = {c.lower() for c in text if c > "\x7f"} - _MARKS_OF_TEXT
    return any(high <= set(letters) for letters in _LETTERS.values())


def _mixed(text: str) -> bool:
    """True if letters of other scripts are often right beside English ones, as in "Wцrld"."""
    others = beside = 0
    before = " "
    for c in text:
        foreign = _foreign(c)
        others += foreign
        english = c.isascii() and c.isalpha()
        after_english = before.isascii() and before.isalpha()
        beside += (foreign and after_english) or (english and _foreign(before))
        before = c
    return beside > others * _MOST_MIXED


def _foreign(c: str) -> bool:
    """True if ``c`` is a letter, a digit or a mark of a script other than Latin."""
    if c <= "\x7f" or unicodedata.category(c)[0] not in "LMN":
        return False
    return not unicodedata.name(c, "").startswith("LATIN")
