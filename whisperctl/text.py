"""Text for people: visible control characters, quoting, suggestions, times, and repetition.

File names, metadata, models, subtitles and guests may contain characters that steer a terminal,
break a line, or reorder what is read. All such text passes through ``visible`` where it enters
(``Segment.visible``), where it is printed (``whisperctl.cli.support.console``), in every
``WhisperctlError``, and where a file is written from it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Collection
from os import PathLike, fspath

_NEEDED = "\u200c\u200d"
"""Joiners, which are not printable but spell words in Persian and Hindi, and build emoji."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show as nothing: a grapheme joiner, Hangul fillers, Khmer vowels."""

# The marks and embeddings that order Hebrew and Arabic, and the spaces of no width that part words
# in Thai and Khmer, stay in prose. An override, which turns any text around, is in no script.
_NOT_PROSE = re.compile(
    "\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\u206a-\u206f\ufff9-\ufffb"
    "\ud800-\udfff]"
)
_LINE_BREAKS = frozenset("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_CONTROL_SPACES = frozenset("\t\n\x1f") | _LINE_BREAKS
_BREAKS = re.compile("[ \t]*[\t-\r\x1c-\x1e\x85\u2028\u2029]\\s*")
MAX_TIME_S = 1e9
"""Thirty years: a time beyond is damage, and more than a millisecond is lost past 2**53 of them."""

_LONGEST_TIME = 200
_TYPED_TIME = re.compile(
    r"()(?:(?:(\d{1,9}+):)?(\d{1,9}+):)?(?=\.?\d)(\d{0,9}+)(?:\.(\d*+))?s?", re.ASCII
)
# Possessive: no text, however long, is tried in more than one way.
_FILE_TIME = re.compile(
    r"([+\-\u2212]?)\s*+(?:(?:(\d{1,9}+)\s*+:\s*+)?(\d{1,9}+)\s*+:\s*+)?(\d{1,9}+)"
    r"(?:\s*+[.,]\s*+(\d*+))?",
    re.ASCII,
)

# As a path it has one slash. A query follows a name on the web alone.
_URL = re.compile(
    r"(?P<scheme>(?P<web>https?:/)/?|[a-z][a-z0-9+.-]*+://)(?:[^/?#@]*+@)*+"
    r"(?(web)(?P<page>[^?#]*+)(?:[?#].*+)?|(?P<other>.*+))",
    re.IGNORECASE | re.DOTALL,
)

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def number_text(value: float) -> str:
    """A number as people write it: no exponent, and no fraction that is 0."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    return str(value)


def range_text(low: float | None, high: float | None) -> str:
    """A range of numbers in words, empty if it has no end; ``None`` and infinity are none."""
    low_text, high_text = (
        "" if end is None or math.isinf(end) else number_text(end) for end in (low, high)
    )
    if low_text and high_text:
        return f"from {low_text} to {high_text}"
    return f"{low_text} or more" if low_text else f"{high_text} or less" if high_text else ""


def visible(text: str, *, prose: bool = False) -> str:
    r"""``text`` with characters that control a terminal, or that nobody sees, made visible.

    They become what a shell takes between ``$'`` and ``'``: ``\n``, ``\x1b``, ``\u202e``. A byte of
    a file's name that is not UTF-8 becomes ``\xe9``. What is visible already does not change, so
    that it does no harm to do this twice.

    Args:
        text: any text; it may hold lone surrogates.
        prose: whether it is what people say or write, and not a name or a message. Then line feeds
            and tabs stay, other line breaks become line feeds, and what scripts are written with
            stays: marks of direction, spaces without width. Escape sequences, lone surrogates
            and overrides of direction are made visible all the same.
    """
    if prose:
        return _NOT_PROSE.sub(_prose, text)
    if text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    return "".join(c if _shows(c) else _escaped(c) for c in text)


def on_one_line(text: str) -> str:
    """``text`` as ``visible`` makes it, but with line breaks and tabs made spaces."""
    return visible(_BREAKS.sub(" ", text).strip())


def quoted(name: str | PathLike[str]) -> str:
    """``name`` in double quotes, on one line whatever characters it holds.

    Spaces that look like the usual one, but are not, are made visible too. Of a URL the password
    is left out, and a query, which may be a signature: people also give one where none is taken.
    """
    text = fspath(name)
    if url := _URL.fullmatch(text):
        text = url["scheme"] + (url["page"] or url["other"] or "")
    text = "".join(_escaped(c) if c.isspace() and c != " " else c for c in text)
    return f'"{visible(text)}"'


def counted(n: int, noun: str) -> str:
    """A number with its noun: ``1 thread``, ``2 threads``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def unknown(
    what: str, name: str, known: Collection[str], *, of: str = "", otherwise: str | None = None
) -> str:
    """Error text for a name not among ``known``: ``unknown format "sr": did you mean "srt"?``.

    Args:
        what: what has the name, such as ``"format"``.
        name: as it was given.
        known: the names that exist.
        of: what follows the name, such as ``' of backend "wasi"'``.
        otherwise: advice if no known name is similar; by default a list of the known names.
    """
    close = nearest(name, known)
    if close is not None:
        advice = f'did you mean "{close}"?'
    elif otherwise is not None:
        advice = otherwise
    else:
        advice = f"choose from {', '.join(dict.fromkeys(known)) or 'none'}"
    return f"unknown {what} {quoted(name)}{of}: {advice}"


def nearest(name: str, known: Collection[str], *, cutoff: float = 0.6) -> str | None:
    """The known name most similar to ``name``, or ``None`` if none is similar.

    ``cutoff`` is the least similarity, from 0 to 1, as ``difflib`` computes it.
    """
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def parse_time(text: str, *, lenient: bool = False) -> float:
    """Seconds from ``HH:MM:SS.mmm``, ``MM:SS.xx`` or seconds.

    Args:
        text: as a person types it, or as a subtitle file has it.
        lenient: accept what files of other programs hold: a sign, a decimal comma, spaces between
            the parts, hours and minutes of any size.

    Raises:
        ValueError: it is not a time, or one beyond ``MAX_TIME_S``; the message quotes it.
    """
    stripped = text.strip()
    pattern = _FILE_TIME if lenient else _TYPED_TIME
    match = pattern.fullmatch(stripped) if len(stripped) <= _LONGEST_TIME else None
    if match is None:
        raise not_a_time(text)
    if not lenient and (
        (match[2] and int(match[3]) >= 60) or (match[3] and int(match[4] or 0) >= 60)
    ):
        raise ValueError(f"{not_a_time(text)} (at most 59 may follow a colon)")
    return check_time(_seconds(match))


def leading_time(text: str) -> tuple[float, int] | None:
    """The time that ``text`` begins with, read leniently, and where it ends in the text.

    ``None`` if it begins with anything else.

    Raises:
        ValueError: the time is beyond ``MAX_TIME_S``.
    """
    match = _FILE_TIME.match(text)
    return None if match is None else (check_time(_seconds(match)), match.end())


def check_time(time_s: float) -> float:
    """A time that a recording can have, before or after its beginning.

    Raises:
        ValueError: it is not finite, or beyond ``MAX_TIME_S``.
    """
    if not math.isfinite(time_s) or abs(time_s) > MAX_TIME_S:
        raise ValueError("a time is beyond any recording")
    return time_s


def not_a_time(text: str) -> ValueError:
    """The error for a text that is not a time."""
    text = text.strip()
    return ValueError(f"{quoted(text if len(text) <= 40 else f'{text[:40]}…')} is not a time")


def _seconds(match: re.Match[str]) -> float:
    sign, hours, minutes, whole, fraction = match.groups()
    # In whole numbers first: 3661.5 and not 3661.5000000000005.
    total_s = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0)
    value_s = float(f"{total_s}.{fraction or 0}")
    return -value_s if sign and sign != "+" else value_s


def milliseconds(time_s: float) -> int:
    """The nearest whole millisecond; a time before zero counts as zero."""
    return max(0, round(time_s * 1000))


def clock(time_ms: int, decimal_mark: str = ".", *, hours_always: bool = True) -> str:
    """``HH:MM:SS.mmm``; hours have as many digits as they need, or none if they are optional."""
    total_s, ms = divmod(time_ms, 1000)
    total_minutes, s = divmod(total_s, 60)
    hours, minutes = divmod(total_minutes, 60)
    shown = f"{hours:02d}:" if hours or hours_always else ""
    return f"{shown}{minutes:02d}:{s:02d}{decimal_mark}{ms:03d}"


def timestamp(time_s: float, decimal_mark: str = ".") -> str:
    """``HH:MM:SS.mmm`` for a time in seconds, to the nearest millisecond."""
    return clock(milliseconds(time_s), decimal_mark)


def short_time(time_s: float) -> str:
    """``1:02:03`` or ``2:03``, for messages; part of a second is left out."""
    minutes, s = divmod(int(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"


def _shows(character: str) -> bool:
    if character.isprintable():
        return character not in _INVISIBLE
    # No-break and ideographic spaces are not printable, but white space.
    return character in _NEEDED or (character.isspace() and character not in _CONTROL_SPACES)


def _prose(match: re.Match[str]) -> str:
    if match[0] == "\r\n":
        return match[0]
    return "\n" if match[0] in _LINE_BREAKS else _escaped(match[0])


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def compression_ratio(text: str) -> float:
    """Length in bytes over length deflated: openai-whisper's ``compression_ratio``."""
    data = text.encode("utf-8", errors="replace")
    return len(data) / len(zlib.compress(data))
