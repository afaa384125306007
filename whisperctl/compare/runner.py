"""Starts a process for each run, hands it the samples, and takes what it says."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from whisperctl import temporary
from whisperctl.backend import OnSegment
from whisperctl.batch import records
from whisperctl.child import death
from whisperctl.compare import wire
from whisperctl.compare.plan import Cell
from whisperctl.decoding import DecodeOptions
from whisperctl.transcript import Segment

_CELL = "whisperctl.compare.cell"
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
) -> wire.Result | wire.Failure:
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
            event = wire.event(line)
            if not isinstance(event, Segment):
                return event
            if on_segment is not None:
                on_segment(event)
        return wire.Failure(death(process.wait(), errors))


def request(
    cell: Cell, options: DecodeOptions, started_s: float, *, warm_up: bool = True
) -> wire.Request:
    """What to ask a process for that was started at ``started_s``."""
    audio, variant = cell.recording.audio, cell.variant
    return wire.Request(
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
