"""Parser of whisper.cpp's log, the only source of some of its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from whisperctl.transcript import Phase

# Bounded, as the log of a sandboxed engine may hold anything.
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_TIMING = re.compile(
    r"(?P<phase>load|mel|sample|encode|decode|batchd|prompt|total) time = {0,9}(?P<ms>"
    + _NUMBER
    + r") ms(?: / {0,9}(?P<runs>[0-9]{1,9}) runs)?"
)
_FALLBACKS = re.compile(r"fallbacks = {0,9}([0-9]{1,9}) p / {0,9}([0-9]{1,9}) h")
_LANGUAGE = re.compile(
    r"auto-detected language: (?P<code>[a-z]{2,3}) \(p = (?P<probability>[01]\.[0-9]{1,9})\)"
)
_FUNCTION = re.compile(r"^[a-z_][a-z0-9_]*: +", re.IGNORECASE)


def parse_timings(lines: Iterable[str]) -> dict[str, Phase]:
    """Phases from the lines of ``whisper_print_timings``; lines about anything else are skipped.

    The printed run count of a phase that never ran is 1 (whisper.cpp avoids dividing by zero), so
    a phase of 0.00 ms counts as no runs.
    """
    phases: dict[str, Phase] = {}
    for line in lines:
        match = _TIMING.search(line)
        if match:
            total_ms = float(match["ms"])
            runs = int(match["runs"] or 1)
            phases[match["phase"]] = Phase(total_ms, runs if total_ms > 0 else 0)
    return phases


def parse_fallbacks(lines: Iterable[str]) -> int | None:
    """Number of windows decoded again at a higher temperature, from ``whisper_print_timings``.

    whisper.cpp counts from when the model was loaded; ``whisper_reset_timings`` leaves this count
    alone. ``None`` if no line has it.
    """
    for line in lines:
        match = _FALLBACKS.search(line)
        if match:
            return int(match[1])
    return None


def parse_language(lines: Iterable[str]) -> tuple[str, float] | None:
    """The detected language's code and its probability; ``None`` when none was detected."""
    for line in lines:
        match = _LANGUAGE.search(line)
        if match:
            return match["code"], float(match["probability"])
    return None


def message(line: str) -> str:
    """A line of the log for a person: one line, without the C function's name in front."""
    return _FUNCTION.sub("", " ".join(line.split()))
