"""Events of a run over recordings, and their order when several run at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whisperctl.transcript import Segment


@dataclass(frozen=True, slots=True)
class Started:
    """Work on the recording begins."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class SegmentDecoded:
    """A segment is certain, or was when an earlier run stopped."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far it is, in seconds of audio; ``total_s`` is ``None`` when nobody knows."""

    done_s: float
    total_s: float | None


@dataclass(frozen=True, slots=True)
class WarningIssued:
    """A remark, one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of Python's logging, from another process."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The result as text, where it was asked for instead of files."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """It went well. ``computed_s`` is the audio transcribed now and not in an earlier run.

    ``quality`` says what is off about the text, empty if nothing is.
    """

    duration_s: float
    computed_s: float
    n_segments: int
    language: str
    language_probability: float | None = None
    quality: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not; one line that names the recording or the result."""

    reason: str


Event = (
    Started
    | Opened
    | SegmentDecoded
    | Advanced
    | WarningIssued
    | Logged
    | Written
    | Finished
    | Failed
)
OnEvent = Callable[[int, Event], None]
"""Gets the recording's place in the run, from 0, and what is said of it."""

KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Started,
        Opened,
        SegmentDecoded,
        Advanced,
        WarningIssued,
        Logged,
        Written,
        Finished,
        Failed,
    )
}
"""Every kind of event, by its name."""


class Ordered:
    """Passes the first unfinished recording's events on at once, and keeps the others' for later.

    What says how far things are cannot wait and is passed on always.
    """

    def __init__(self, on_event: OnEvent, n_recordings: int) -> None:
        self._on_event = on_event
        self._kept: list[list[Event]] = [[] for _ in range(n_recordings)]
        self._first = 0

    def event(self, index: int, event: Event) -> None:
        """Take an event of the recording at this place."""
        if isinstance(event, Advanced | Opened):
            self._on_event(index, event)
            return
        self._kept[index].append(event)
        while self._first < len(self._kept) and self._kept[self._first]:
            kept, self._kept[self._first] = self._kept[self._first], []
            place = self._first
            if isinstance(kept[-1], Finished | Failed):
                self._first += 1
            for one in kept:
                self._on_event(place, one)
