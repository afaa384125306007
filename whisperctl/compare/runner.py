"""Start a worker process for each run, send it the samples, and read its events.

The parent sends a ``Request``, one line, and then the samples as the machine's own float32; it
keeps the pipe open for as long as it wants the result. The worker answers with events, a line each:
any number of ``Segment``, then a ``Result`` or a ``Failure``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl import processes
from whisperctl.engine.protocol import OnSegment
from whisperctl.engine.registry import Engine
from whisperctl.options import DecodeOptions
from whisperctl.processes import WorkerProcess
from whisperctl.storage import records
from whisperctl.transcript import Segment, Transcript

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.compare.plan import Cell


@dataclass(frozen=True, slots=True)
class Request:
    """Request for one run.

    ``started_s`` is when the process was started, by ``time.perf_counter``, whose clock all
    processes of a machine share; ``carry_out`` sets it.
    """

    engine: Engine
    model: Path
    threads: int
    options: DecodeOptions
    warm_up: bool
    source: str
    decode_ms: float
    n_samples: int
    started_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a run: ``values`` and ``counts`` as ``measurement.Run`` has them."""

    values: Mapping[str, float]
    counts: Mapping[str, int]
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failure:
    """Reason that a run failed."""

    message: str


Event = Segment | Result | Failure

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (Segment, Result, Failure)}


def event_line(event: Event) -> bytes:
    """Line of an event."""
    return records.line([type(event).__name__, records.plain(event)])


def parse_event(line: bytes) -> Event:
    """Parse the line of an event.

    Raises:
        ValueError: the line is not an event.
    """
    match json.loads(line):
        case [str() as kind, values] if kind in _KINDS:
            return records.restore(_KINDS[kind], values)
        case _:
            raise ValueError(f"no event: {line!r:.80}")


_WORKER = "whisperctl.compare.worker"


def command(python: str = sys.executable) -> tuple[str, ...]:
    """Command of a worker process; ``python`` may be the interpreter of another environment."""
    return processes.command(_WORKER, python)


def run(
    cell: Cell,
    options: DecodeOptions,
    *,
    warm_up: bool = True,
    on_segment: OnSegment | None = None,
    start: Sequence[str] = (),
) -> Result | Failure:
    """Run a cell once, see ``carry_out``.

    Args:
        cell: recording, model and engine.
        options: every decoding parameter.
        warm_up: True to transcribe the first window before the measured run.
        on_segment: gets the segments of the measured run as they are decoded.
        start: command of the process, ``command()`` by default.

    Returns:
        The measurement, or the reason that there is none.
    """
    asked = request(cell, options, warm_up=warm_up)
    return carry_out(asked, cell.recording.audio.samples, on_segment=on_segment, start=start)


def carry_out(
    asked: Request,
    samples: npt.NDArray[np.float32],
    *,
    on_segment: OnSegment | None = None,
    start: Sequence[str] = (),
) -> Result | Failure:
    """Measure a run in a separate process, which is gone when this returns or raises.

    Args:
        asked: the run.
        samples: float32, shape (n_samples,), 16 kHz mono.
        on_segment: gets the segments of the measured run as they are decoded.
        start: command of the process, ``command()`` by default.

    Returns:
        The measurement, or the reason that there is none. What ``on_segment`` raises, and
        KeyboardInterrupt, propagates.
    """
    started_s = time.perf_counter()
    process = WorkerProcess(start or command(), "measuring in a separate process")
    try:
        process.send(records.line(replace(asked, started_s=started_s)))
        process.send(samples.data)
        for line in process.answers():
            event = parse_event(line)
            if not isinstance(event, Segment):
                return event
            if on_segment is not None:
                on_segment(event)
        return Failure(process.exit_summary())
    finally:
        processes.end_all([process])
        process.close_answers()


def request(cell: Cell, options: DecodeOptions, *, warm_up: bool = True) -> Request:
    """Request for a run of a cell."""
    audio, variant = cell.recording.audio, cell.variant
    return Request(
        engine=Engine(variant.engine.backend, variant.engine.runtime),
        model=variant.model.path,
        threads=variant.threads,
        options=options,
        warm_up=warm_up,
        source=audio.source,
        decode_ms=audio.decode_ms,
        n_samples=len(audio.samples),
    )
