"""Times as people write them (``90.5``, ``1:30``, ``01:02:03.250``), and stretches of time."""

from __future__ import annotations

from whisperctl.errors import UsageError
from whisperctl.options import Clip
from whisperctl.text import parse_time


def seconds(text: str, what: str) -> float:
    """Read ``HH:MM:SS.mmm``, ``MM:SS`` or seconds.

    Args:
        text: what was typed.
        what: what to call it in an error, such as ``--offset``.

    Raises:
        UsageError: it is not a time.
    """
    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"{what} {error}: write seconds, MM:SS or HH:MM:SS.mmm") from error


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
