"""Times as people write them (``90.5``, ``1:30``, ``01:02:03.250``), and stretches of time."""

from __future__ import annotations

import re

from whisperctl.errors import UsageError
from whisperctl.options import Clip

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)s?", re.ASCII)


def seconds(text: str, what: str) -> float:
    """Read ``HH:MM:SS.mmm``, ``MM:SS`` or seconds.

    Args:
        text: what was typed.
        what: what to call it in an error, such as ``--offset``.

    Raises:
        UsageError: it is no time, or 60 or more minutes or seconds stand after a colon.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise UsageError(f'{what} "{text}" is no time: write seconds, MM:SS or HH:MM:SS.mmm')
    hours, minutes, rest = match.groups()
    if (hours is not None and int(minutes) >= 60) or (minutes is not None and float(rest) >= 60):
        raise UsageError(f'{what} "{text}" is no time: at most 59 may stand after a colon')
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)


def clips(texts: list[str]) -> tuple[Clip, ...]:
    """Read stretches ``START-END``, several with commas; a missing end is the recording's.

    Raises:
        UsageError: one is no stretch of time, or they are out of order or overlap.
    """
    found = []
    for text in (part for option in texts for part in option.split(",")):
        start, dash, end = (part.strip() for part in text.partition("-"))
        if not dash or not (start or end):
            raise UsageError(f'--clip "{text}" is no stretch of time: write START-END, or START-')
        found.append(
            Clip(
                seconds(start, "--clip") if start else 0.0,
                seconds(end, "--clip") if end else None,
            )
        )
    return tuple(found)


def window(offset: str | None, duration: str | None) -> tuple[Clip, ...]:
    """The one clip that ``--offset`` and ``--duration`` name, or none.

    Raises:
        UsageError: one is no time, or the duration is zero.
    """
    start_s = 0.0 if offset is None else seconds(offset, "--offset")
    if duration is None:
        return (Clip(start_s),) if start_s else ()
    length_s = seconds(duration, "--duration")
    if length_s == 0:
        raise UsageError("--duration must be above 0")
    return (Clip(start_s, start_s + length_s),)
