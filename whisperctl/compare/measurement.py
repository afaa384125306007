"""What was measured of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whisperctl.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Run:
    """One transcription in a process of its own.

    ``values`` are numbers by the names of ``values.VALUES`` (what was not measured is not there);
    ``counts`` is how often whisper.cpp's phases ran, by the names of ``transcript.PHASES``.
    """

    repeat: int
    values: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measurement:
    """All runs of a cell.

    ``transcript`` is the first run's, with tokens, and words if they were asked for. ``stable``
    tells whether every run gave the same text. A cell whose process failed has an ``error`` and is
    not tried again; the runs before that are kept.
    """

    runs: tuple[Run, ...] = ()
    transcript: Transcript | None = None
    stable: bool = True
    error: str = ""
