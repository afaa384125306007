"""Starts a process for each engine, hands it the samples, and takes what it says."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from whisperctl.backend import OnSegment
from whisperctl.child import death
from whisperctl.compare import wire
from whisperctl.compare.spec import Cell, Job
from whisperctl.engines import Engine

CELL = "whisperctl.compare.cell"
"""The module of the process that runs one engine."""

_GRACE_S = 0.7


def command(module: str = CELL, python: str = sys.executable) -> tuple[str, ...]:
    """What starts a cell's process, with an interpreter that may be another environment's."""
    # -P, or modules of the current directory would come before the installed ones.
    return python, "-P", "-m", module


def run(
    engine: Engine,
    job: Job,
    on_segment: OnSegment | None = None,
    *,
    start: Sequence[str] = (),
) -> Cell:
    """Run one engine in a process of its own, which is gone when this returns or raises.

    ``start`` is the command of the process, by default ``command()``. A failure of the engine is a
    ``Cell`` with an ``error``; what ``on_segment`` raises, or KeyboardInterrupt, propagates.
    """
    with tempfile.TemporaryFile() as errors, _process(start or command(), errors) as process:
        assert process.stdin is not None and process.stdout is not None
        # A process that died early says why on its standard error.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(wire.line(wire.request(engine, job)))
            process.stdin.write(job.audio.samples.data)
            process.stdin.flush()
        for line in process.stdout:
            event: wire.Event = json.loads(line)
            if event["event"] == "segment":
                if on_segment is not None:
                    on_segment(wire.segment(event))
            elif event["event"] == "result":
                return Cell(engine, wire.transcript(event), event["open_ms"])
            else:
                return Cell(engine, error=str(event["message"]))
        return Cell(engine, error=death(process.wait(), errors))


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
