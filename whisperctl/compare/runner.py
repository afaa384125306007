"""Start a worker process for each run, send it the samples, and read its events.

The parent writes a ``Request``, one line, and then the samples as the machine's own float32; it
keeps the pipe open for as long as it wants the result. The worker answers with events, a line each:
any number of ``Segment``, then a ``Result`` or a ``Failure``.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from whisperctl.compare.plan import Cell
from whisperctl.engine.protocol import OnSegment
from whisperctl.engine.registry import Engine
from whisperctl.options import DecodeOptions
from whisperctl.processes import exit_summary
from whisperctl.storage import records, temporary
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


def parse_event(line: bytes) -> Event:
    """The event of a line.

    Raises:
        ValueError: it is none.
    """
    match json.loads(line):
        case [str() as kind, values] if kind in _KINDS:
            return records.restore(_KINDS[kind], values)
        case _:
            raise ValueError(f"no event: {line!r:.80}")


_CELL = "whisperctl.compare.worker"
_GRACE_S = 0.7


def command(python: str = sys.executable) -> tuple[str, ...]:
    """What starts a cell's process, with an interpreter that may be another environment's."""
    # -P, or modules of the current directory would come before the installed ones.
    return python, "-P", "-m", _CELL


def run(
    cell: Cell,
    options: DecodeOptions,
    *,
    warm_up: bool = True,
    on_segment: OnSegment | None = None,
    start: Sequence[str] = (),
) -> Result | Failure:
    """Run a cell once in a process of its own, which is gone when this returns or raises.

    Args:
        cell: what to transcribe, and how.
        options: every decoding parameter.
        warm_up: whether to transcribe the first window before what counts.
        on_segment: gets the segments of what counts, as they are decided.
        start: the command of the process, by default ``command()``.

    Returns:
        What was measured, or why there is nothing; what ``on_segment`` raises, or
        KeyboardInterrupt, propagates.
    """
    samples = cell.recording.audio.samples
    started_s = time.perf_counter()
    errors = temporary.open_file("measuring in a separate process")
    with errors, _process(start or command(), errors) as process:
        assert process.stdin is not None and process.stdout is not None
        # A process that died early says why on its standard error.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(records.line(request(cell, options, started_s, warm_up=warm_up)))
            process.stdin.write(samples.data)
            process.stdin.flush()
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break  # it died in the middle of a word
            event = parse_event(line)
            if not isinstance(event, Segment):
                return event
            if on_segment is not None:
                on_segment(event)
        return Failure(exit_summary(process.wait(), errors))


def request(
    cell: Cell, options: DecodeOptions, started_s: float, *, warm_up: bool = True
) -> Request:
    """What to ask a process for that was started at ``started_s``."""
    audio, variant = cell.recording.audio, cell.variant
    return Request(
        engine=variant.engine,
        model=variant.weights.path,
        threads=variant.threads,
        options=options,
        warm_up=warm_up,
        source=audio.source,
        decode_ms=audio.decode_ms,
        n_samples=len(audio.samples),
        started_s=started_s,
    )


@contextmanager
def _process(start: Sequence[str], errors: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603 - our own module, nothing of a person's
        start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, politely first: at the end of its input it closes its session."""
    assert process.stdin is not None and process.stdout is not None
    try:
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
