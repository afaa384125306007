"""Limits on a guest's use of its host, and how a person sets them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whisperctl.errors import UsageError
from whisperctl.text import parse_time, quoted, unknown
from whisperctl_wasi.host.imports import STREAMS_AND_CLOCK

VARIABLE = "WHISPERCTL_WASI_LIMITS"
"""Environment variable with limits that replace the default ones: ``memory=1G,decoder.idle=20``."""

USES = ("engine", "detector", "quantizer", "decoder", "filter")
"""What guests are used for: a limit may be set for one of them alone."""

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one guest, all of them on by default. A guest that exceeds one is ended.

    Args:
        memory_bytes: of linear memory. Wasmtime enforces it; under Wasmer the system does, by a
            bound on the memory of the process, which is 1 GiB higher (Linux only; elsewhere the
            4 GiB of a 32-bit memory are the bound).
        threads: started by the guest, beside its first.
        line_bytes: of one line of standard output, or one payload.
        output_bytes: of standard output between one ``Guest.begin`` and the next. Each line and
            each payload counts for 64 bytes more, which it takes in the host.
        error_bytes: of standard error, in all.
        start_s: seconds for compiling and instantiating.
        idle_s: seconds in which the guest may take no input while the host sends, and seconds
            without progress in which the host waits, whatever the guest writes meanwhile.
        imports: what the module may import, as ``MODULE.NAME``; ``None`` for all that the runtime
            offers (still no file, no network and no environment).
    """

    memory_bytes: int = 4 * _GIB
    threads: int = 64
    line_bytes: int = 16 * _MIB
    output_bytes: int = 64 * _MIB
    error_bytes: int = 4 * _MIB
    start_s: float = 300.0
    idle_s: float = 600.0
    imports: frozenset[str] | None = STREAMS_AND_CLOCK


def limits_for(use: str, **defaults: Any) -> Limits:
    """Limits of a guest for one of ``USES``.

    Args:
        use: what the guest is for.
        defaults: fields of ``Limits`` that are others by default for this use; what a person sets
            in ``VARIABLE`` comes before them.

    Raises:
        UsageError: ``VARIABLE`` cannot be read.
    """
    text = os.environ.get(VARIABLE, "")
    return Limits(**defaults | (_settings(text, use) if text else {}))


@dataclass(frozen=True, slots=True)
class _Setting:
    field: str
    read: Callable[[str], float]
    least: int
    most: int
    advice: str


def _size(text: str) -> int:
    from whisperctl.jobs.job import size_bytes  # only where somebody sets a limit

    return size_bytes(text)


_SETTINGS = {
    "memory": _Setting("memory_bytes", _size, _MIB, 4 * _GIB, "a size from 1M to 4G"),
    "threads": _Setting("threads", int, 0, 1000, "a number from 0 to 1000"),
    "line": _Setting("line_bytes", _size, _KIB, _GIB, "a size from 1K to 1G"),
    "output": _Setting("output_bytes", _size, _KIB, _GIB, "a size from 1K to 1G"),
    "errors": _Setting("error_bytes", _size, _KIB, _GIB, "a size from 1K to 1G"),
    "start": _Setting("start_s", parse_time, 1, _DAY_S, "seconds from 1 to 86400"),
    "idle": _Setting("idle_s", parse_time, 1, _DAY_S, "seconds from 1 to 86400"),
}


def _settings(text: str, use: str) -> dict[str, float]:
    """Fields and values for one use; those for it alone come before those for all."""
    for_all: dict[str, float] = {}
    for_this: dict[str, float] = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not separator:
            raise _wrong(
                f"{quoted(part.strip())} is not a limit: write NAME=VALUE, such as idle=20"
            )
        owner, _, name = key.strip().rpartition(".")
        if owner and owner not in USES:
            raise _wrong(unknown("kind of guest", owner, USES))
        setting = _SETTINGS.get(name)
        if setting is None:
            raise _wrong(unknown("limit", name, _SETTINGS))
        try:
            number = setting.read(value.strip())
        except (ValueError, UsageError):
            number = -1
        if not setting.least <= number <= setting.most:
            raise _wrong(f"{key.strip()} is {quoted(value.strip())}: set {setting.advice}")
        if owner in ("", use):
            (for_this if owner else for_all)[setting.field] = number
    return for_all | for_this


def _wrong(what: str) -> UsageError:
    return UsageError(f"environment variable {VARIABLE}: {what}")
