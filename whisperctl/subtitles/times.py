"""Points in time as subtitle files write them."""

from __future__ import annotations

import re

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+)(?:[.,](\d+))?", re.ASCII)


def seconds(text: str) -> float:
    """Read ``HH:MM:SS.mmm``, ``MM:SS.xx`` or seconds; the decimal mark may be a comma.

    Raises:
        ValueError: it is no time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is no time')
    hours, minutes, whole, fraction = match.groups()
    # In whole numbers first: 3661.5 and not 3661.5000000000005.
    total_s = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole)
    return float(f"{total_s}.{fraction or 0}")
