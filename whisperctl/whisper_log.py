"""Reads what whisper.cpp says in its log, the only place some of its numbers are to be had."""

from __future__ import annotations

import re
from collections.abc import Iterable

from whisperctl.transcript import Phase

_TIMING = re.compile(
    r"(?P<phase>load|mel|sample|encode|decode|batchd|prompt|total) time =\s*(?P<ms>[\d.]+) ms"
    r"(?: /\s*(?P<runs>\d+) runs)?"
)


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
