"""Points in time as subtitle files write them, and as players read them."""

from __future__ import annotations

import math
import re

from whisperctl.text import quoted

MAX_S = 1e9
"""Thirty years: a time beyond is damage, and more than a millisecond is lost past 2**53 of them."""

ARROW = "-->"

_LONGEST = 200
# Possessive: no text, however long, is tried in more than one way.
_TIME = re.compile(
    r"([+\-\u2212]?)\s*+(?:(?:(\d{1,9}+)\s*+:\s*+)?(\d{1,9}+)\s*+:\s*+)?(\d{1,9}+)"
    r"(?:\s*+[.,]\s*+(\d*+))?",
    re.ASCII,
)
# SubRip's coordinates, WebVTT's settings, and those of its first drafts.
_SETTING = re.compile(
    r"\s*+(?:vertical|line|position|size|align|region|[xy][12]|[dlast])\s*+[:=]",
    re.ASCII | re.IGNORECASE,
)
_CLOCK = r"\d{1,9}+\s*+[:;]\s*+\d{1,2}+\s*+[:;]\s*+\d{1,2}+(?:\s*+[.,:;]\s*+\d{1,6}+)?"
_DASH = "-=\u2010-\u2015\u2212"
_LIKE_TIMING = re.compile(
    rf"\s*+{_CLOCK}\s*+(?:[{_DASH} ]{{0,6}}+[>\u2192]|[{_DASH}]{{2,8}}+)\s*+{_CLOCK}(?:\s.*+)?"
)
_SOME_TIME = re.compile(r"\d\s*+:\s*+\d", re.ASCII)


def seconds(text: str) -> float:
    """Read ``HH:MM:SS.mmm``, ``MM:SS.xx`` or seconds, perhaps with a sign.

    The decimal mark may be a comma; there may be no fraction or one of any length, hours of any
    number of digits, and spaces between the parts.

    Raises:
        ValueError: it is no time, or one beyond ``MAX_S``.
    """
    stripped = text.strip()
    match = _TIME.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{_shown(stripped)} is no time")
    return checked(_value(match))


def checked(time_s: float) -> float:
    """A time that a recording can have, of whatever sign.

    Raises:
        ValueError: it is not finite, or beyond ``MAX_S``.
    """
    if not math.isfinite(time_s) or abs(time_s) > MAX_S:
        raise ValueError("a time is beyond any recording")
    return time_s


def is_like_timing(line: str) -> bool:
    """Whether a line has two times of hours, minutes and seconds, joined by some arrow."""
    return len(line) <= _LONGEST and _LIKE_TIMING.fullmatch(line) is not None


def timing(line: str) -> tuple[float, float] | None:
    """Start and end of a cue in a line such as ``00:01.000 --> 00:02.000 align:start``.

    Returns:
        ``None`` if it has no arrow and no time: it is text.

    Raises:
        ValueError: it is meant to be such a line, but is damaged.
    """
    left, arrow, right = line.partition(ARROW)
    if not arrow or len(line) > _LONGEST:
        return None
    right = right.strip()
    match = _TIME.match(right)
    try:
        start_s = seconds(left)
        for text, minutes in ((left, ":" in left), (right, match is not None and match[3])):
            if not minutes:
                raise ValueError(f"{_shown(text.strip())} is no time")
        assert match is not None
        end_s = checked(_value(match))
    except ValueError:
        if _SOME_TIME.search(line):
            raise
        return None
    rest = right[match.end() :]
    if rest and not (right[match.end() - 1].isspace() or rest[0].isspace()):
        raise ValueError(f"{_shown(right)} is no time")
    if rest and not _SETTING.match(rest):
        raise ValueError(f"{_shown(rest.strip())} stands after the times")
    return start_s, end_s


def _value(match: re.Match[str]) -> float:
    sign, hours, minutes, whole, fraction = match.groups()
    # In whole numbers first: 3661.5 and not 3661.5000000000005.
    total_s = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole)
    value_s = float(f"{total_s}.{fraction or 0}")
    return -value_s if sign and sign != "+" else value_s


def _shown(text: str) -> str:
    return quoted(text if len(text) <= 40 else f"{text[:40]}…")
