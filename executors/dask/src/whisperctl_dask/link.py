"""The way back from a worker to the coordinator: what is published, and files asked for."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from whisperctl.jobs.events import Advanced, CheckpointReached, SegmentDecoded, WorkerEvent
from whisperctl.jobs.executors.processes import event_line
from whisperctl.transcript import Segment
from whisperctl_dask.messages import Outcome, Report

PART_BYTES = 4 << 20
"""Size of the parts that files are delivered in."""

BUSY_S = 0.2
"""Time from one look at whether the result is still wanted to the next."""

_PUBLISHED_EVERY_S = 0.5
_MOST_PUBLISHED = 1 << 16
"""Size of outcomes that are published, a thousand of which stay in the scheduler's memory. Others
are fetched, which takes it and the coordinator more time."""

_TICKETS: dict[str, queue.SimpleQueue[tuple[bytes, str, str]]] = {}


class AbandonedError(Exception):
    """Nobody wants the result any longer."""


class UnavailableError(Exception):
    """The coordinator cannot deliver a file; the text says why."""


def deliver(ticket: str, data: bytes, digest: str, problem: str) -> None:
    """Take a part of a file that was asked for; called by the coordinator on the worker.

    Args:
        ticket: what it was asked for with.
        data: the part; empty at the end of the file.
        digest: SHA-256 of the whole file, in the answer to the first question.
        problem: why the coordinator cannot read it.
    """
    waiting = _TICKETS.get(ticket)
    if waiting is not None:
        waiting.put((data, digest, problem))


class Link:
    """The way back to the coordinator for one order."""

    def __init__(
        self, number: int, publish: Callable[[Any], None], wanted: Callable[[], bool]
    ) -> None:
        self._number = number
        self._attempt = uuid.uuid4().hex
        self._publish = publish
        self._wanted = wanted
        self._lines: list[bytes] = []
        self._segments: list[Segment] = []
        self._advanced: Advanced | None = None
        self._published_s = 0.0

    def check(self) -> None:
        """Raise ``AbandonedError`` if the result is not wanted any longer."""
        if not self._wanted():
            raise AbandonedError

    def begin(self) -> None:
        """Say that the work begins. A short recording has ended before more is published."""
        self._send()
        self._published_s = time.monotonic()

    def event(self, event: WorkerEvent) -> None:
        """Take an event that is not the last; it is published soon."""
        match event:
            case Advanced():
                self._advanced = event
                return
            case SegmentDecoded(segment):
                self._segments.append(segment)
            case CheckpointReached(checkpoint):
                if checkpoint.segments == tuple(self._segments):
                    event = CheckpointReached(replace(checkpoint, segments=()))
                self._segments.clear()
            case _:
                pass
        self._flush_progress()
        self._lines.append(event_line(event))

    def publish(self, *, at_once: bool = True) -> None:
        """Publish what has come, or leave it if the last time was a moment ago."""
        if not at_once and time.monotonic() - self._published_s < _PUBLISHED_EVERY_S:
            return
        self._flush_progress()
        if self._lines:
            lines, self._lines = self._lines, []
            self._send(lines=lines)
        self._published_s = time.monotonic()

    def end(self, outcome: Outcome) -> bool:
        """Publish the rest, and with it the outcome; false if that is too large to be published."""
        self._flush_progress()
        fits = len(outcome.line) <= _MOST_PUBLISHED
        self._send(lines=self._lines, outcome=outcome if fits else None, over=True)
        self._lines = []
        return fits

    def ask(self, file: int, offset: int) -> tuple[bytes, str]:
        """Ask for a part of a file of the order's, and wait for it.

        Raises:
            UnavailableError: it cannot be had.
        """
        ticket = uuid.uuid4().hex
        answer: queue.SimpleQueue[tuple[bytes, str, str]] = queue.SimpleQueue()
        _TICKETS[ticket] = answer
        try:
            self._send(file=file, offset=offset, ticket=ticket)
            while True:
                self.check()
                with suppress(queue.Empty):
                    data, digest, problem = answer.get(timeout=BUSY_S)
                    if problem:
                        raise UnavailableError(problem)
                    return data, digest
        finally:
            del _TICKETS[ticket]

    def _flush_progress(self) -> None:
        if self._advanced is not None:
            self._lines.append(event_line(self._advanced))
            self._advanced = None

    def _send(self, **values: Any) -> None:
        report = Report(self._number, self._attempt, **values)
        self._publish(msgspec.to_builtins(report, builtin_types=(bytes,)))
