"""Events of a run over recordings, their order when several run at once, and progress from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whisperctl.compare.runner import Result
from whisperctl.jobs.sources import Recording
from whisperctl.transcript import Segment, SpokenLanguage, Transcript
from whisperctl.transcription.quality import Tally
from whisperctl.transcription.run import Checkpoint


@dataclass(frozen=True, slots=True)
class Started:
    """Work on the recording begins."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A worker of a cluster has begun, or again after another was lost; reported after ``Opened``.

    Executors whose workers are alike and on this machine need not say so. ``chunk`` is the number
    of a chunk, from 1, where the recording is transcribed in chunks; executors leave it out.
    """

    worker: str
    chunk: int = 0


@dataclass(frozen=True, slots=True)
class ChunkTranscribed:
    """A worker that was ``Placed`` has transcribed its chunk; executors do not report this."""

    chunk: int
    audio_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class SegmentDecoded:
    """A segment is final, or was when an earlier run stopped."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Advanced:
    """Progress in seconds of audio; ``total_s`` is ``None`` while the length is unknown."""

    done_s: float
    total_s: float | None


@dataclass(frozen=True, slots=True)
class WarningIssued:
    """A warning or note, one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of Python's logging, from another process."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class CheckpointReached:
    """Point from which a later run can continue; its segments follow those of the one before."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class LanguageFound:
    """Language of a chunk that has text; reported of tasks with ``Task.chunk`` only."""

    spoken: SpokenLanguage


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The whole transcript; nothing is written yet. Of a chunk, ``tally`` is what it counted."""

    transcript: Transcript
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class RunMeasured:
    """A run of ``Task.runs`` has ended, by its place there; without a result, ``error`` says why.

    ``took_s`` is its duration with its process. Where a task begins again, so do its runs.
    """

    place: int
    result: Result | None
    error: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All of ``Task.runs`` have ended."""


@dataclass(frozen=True, slots=True)
class Written:
    """The result as text, where it was asked for instead of files."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Results are written. ``computed_s`` is the audio transcribed in this run, not an earlier one.

    ``quality`` lists what looks wrong with the text, and is empty if nothing does. ``places`` are
    the paths or URLs of the files that were written. ``wall_s`` is the time that the transcription
    took.
    """

    duration_s: float
    computed_s: float
    n_segments: int
    language: str
    language_probability: float | None = None
    quality: str = ""
    places: tuple[str, ...] = ()
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The recording has ended; ``Finished`` or ``Failed`` follows in its turn.

    ``failure`` is the reason of the latter, and empty otherwise.
    """

    failure: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The recording failed; one line that names it or the result."""

    reason: str


WorkerEvent = (
    Opened
    | Placed
    | ChunkTranscribed
    | SegmentDecoded
    | Advanced
    | WarningIssued
    | Logged
    | CheckpointReached
    | LanguageFound
    | RunMeasured
    | Measured
    | Transcribed
    | Failed
)
"""Event of an executor's worker; the last one of a task is an ``End``."""

End = Transcribed | Measured | Failed
"""Last event of a task: ``Measured`` of one with ``Task.runs``, else ``Transcribed``."""

Event = (
    Started
    | Opened
    | Placed
    | ChunkTranscribed
    | SegmentDecoded
    | Advanced
    | WarningIssued
    | Logged
    | Written
    | Ended
    | Finished
    | Failed
)
"""Event of a run; the last one of a recording is ``Finished`` or ``Failed``."""

OnEvent = Callable[[int, Event], None]
"""Gets a recording's place in the run, from 0, and an event."""


class Ordered:
    """Passes the first unfinished recording's events on at once, and keeps the others' for later.

    ``Advanced``, ``Opened``, ``Placed`` and ``Ended`` cannot wait and are passed on at once.
    """

    def __init__(self, on_event: OnEvent, n_recordings: int) -> None:
        self._on_event = on_event
        self._kept: list[list[Event]] = [[] for _ in range(n_recordings)]
        self._first = 0

    def event(self, index: int, event: Event) -> None:
        """Take an event of the recording at this place."""
        if isinstance(event, Advanced | Opened | Placed | Ended):
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


@dataclass(slots=True)
class _Part:
    """One recording. Seconds of audio; ``first_s`` is where this run began in it."""

    size: int
    suffix: str
    total_s: float | None = None
    done_s: float = 0.0
    first_s: float | None = None
    ended: bool = False
    failed: bool = False


class Workload:
    """Progress and speed of a run, and the time left.

    Lengths that are not known yet are estimated from the sizes of files, by the bytes per second of
    recordings with the same extension whose lengths are known, or of all.
    """

    def __init__(
        self, recordings: Sequence[Recording], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = [_Part(_size(r), Path(r.shown).suffix.lower()) for r in recordings]
        self._clock = clock
        self._began: float | None = None

    def event(self, index: int, event: Event) -> None:
        """Take an event into account."""
        part = self._parts[index]
        if isinstance(event, Opened):
            self._began = self._began or self._clock()
        elif isinstance(event, Advanced):
            if part.first_s is None:
                part.first_s = event.done_s
            part.done_s, part.total_s = event.done_s, event.total_s
        elif isinstance(event, Finished):
            if part.first_s is not None:
                part.first_s = event.duration_s - event.computed_s
            part.done_s = part.total_s = event.duration_s
            part.ended = True
        elif isinstance(event, Failed):
            part.ended = part.failed = True
        elif isinstance(event, Ended):
            part.ended, part.failed = True, bool(event.failure)

    @property
    def n_ended(self) -> int:
        """Number of recordings that have finished or failed."""
        return sum(part.ended for part in self._parts)

    @property
    def n_failed(self) -> int:
        """Number of recordings that have failed."""
        return sum(part.failed for part in self._parts)

    @property
    def speed(self) -> float | None:
        """Seconds of audio per second; ``None`` while nothing is transcribed."""
        done_s = sum(p.done_s - p.first_s for p in self._parts if p.first_s is not None)
        if self._began is None or done_s <= 0:
            return None
        return done_s / max(1e-3, self._clock() - self._began)

    @property
    def fraction(self) -> float | None:
        """Fraction of the work that is done, 0 to 1; ``None`` while its amount is unknown."""
        left_s = self._left_s()
        if left_s is None:
            return None
        done_s = sum(part.done_s for part in self._parts)
        return done_s / (done_s + left_s) if done_s + left_s > 0 else 1.0

    @property
    def eta_s(self) -> float | None:
        """Estimated seconds until the end; ``None`` while there is no estimate."""
        speed, left_s = self.speed, self._left_s()
        return None if speed is None or left_s is None else left_s / speed

    def _left_s(self) -> float | None:
        known = [part for part in self._parts if part.total_s]
        left_s = 0.0
        for part in self._parts:
            if part.ended:
                continue
            if part.total_s is not None:
                left_s += max(0.0, part.total_s - part.done_s)
                continue
            alike = [other for other in known if other.suffix == part.suffix] or known
            if not alike:
                return None
            n_bytes = sum(other.size for other in alike)
            left_s += part.size * sum(p.total_s or 0.0 for p in alike) / max(1, n_bytes)
        return left_s


def _size(recording: Recording) -> int:
    if recording.is_url:
        return recording.size_bytes or 0
    try:
        return Path(recording.name).stat().st_size
    except (OSError, ValueError):
        return 0
