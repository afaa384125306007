"""What a cell's process and its parent say to each other: JSON lines, and raw samples.

The parent writes a ``Request``, one line, and then the samples as the machine's own float32; it
keeps the pipe open for as long as it wants the result. The cell answers with events, a line each:
any number of ``Segment``, then a ``Result`` or a ``Failure``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from whisperctl.batch import records
from whisperctl.decoding import DecodeOptions
from whisperctl.engines import Engine
from whisperctl.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class Request:
    """What the parent asks for.

    ``started_s`` is when it started the process, by ``time.perf_counter``, whose clock all
    processes of a machine share.
    """

    engine: Engine
    model: Path
    threads: int
    options: DecodeOptions
    warm_up: bool
    source: str
    decode_ms: float
    n_samples: int
    started_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """A run that went well: ``values`` and ``counts`` as ``measurement.Run`` has them."""

    values: Mapping[str, float]
    counts: Mapping[str, int]
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not, and why."""

    message: str


Event = Segment | Result | Failure

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (Segment, Result, Failure)}


def event_line(event: Event) -> bytes:
    """An event as a line."""
    return records.line([type(event).__name__, records.plain(event)])


def event(line: bytes) -> Event:
    """The event of a line.

    Raises:
        ValueError: it is none.
    """
    match json.loads(line):
        case [str() as kind, values] if kind in _KINDS:
            return records.restore(_KINDS[kind], values)
        case _:
            raise ValueError(f"no event: {line!r:.80}")
