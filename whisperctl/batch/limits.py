"""What a recording may take: time and memory."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from whisperctl.errors import UsageError

_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Limits:
    """``timeout_s`` a recording, ``memory_bytes`` resident a process and its children.

    ``None`` is no limit.

    Raises:
        UsageError: a limit is not above zero.
    """

    timeout_s: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not 0 < self.timeout_s < 1e9:
            raise UsageError(f"a time limit must be above 0 seconds, not {self.timeout_s:g}")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise UsageError("a memory limit must be above 0")

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return self.timeout_s is not None or self.memory_bytes is not None


def size_bytes(text: str) -> int:
    """Read a size such as ``2G``, ``1.5GB``, ``500M`` or ``500MiB``; units are powers of 1024.

    Raises:
        UsageError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if not match:
        raise UsageError(f'"{text}" is no size: write one such as 2G or 500M')
    return int(float(match[1]) * 2 ** _POWERS[match[2]])


def size_text(n_bytes: int) -> str:
    """A size as people write it."""
    for unit, power in (("G", 30), ("M", 20), ("K", 10)):
        if n_bytes >= 1 << power:
            return f"{n_bytes / (1 << power):.3g} {unit}iB"
    return f"{n_bytes} bytes"


def resident_bytes(pid: int) -> int | None:
    """The memory that a process and its children hold resident; ``None`` if it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        held = int(process.memory_info().rss)
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                held += child.memory_info().rss
    except psutil.Error:
        return None
    return held
