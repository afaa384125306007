"""How far a run is, how fast it goes, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperctl.jobs.events import Advanced, Event, Failed, Finished, Opened
from whisperctl.jobs.sources import Recording


@dataclass(slots=True)
class _Part:
    """One recording. Seconds of audio; ``first_s`` is where this run took it up."""

    size: int
    suffix: str
    total_s: float | None = None
    done_s: float = 0.0
    first_s: float | None = None
    ended: bool = False


class Workload:
    """The recordings of a run and what is known of their lengths.

    Lengths that nobody knows yet are guessed from the sizes of files, by the bytes a second of
    those of the same kind that are known, or of all.
    """

    def __init__(
        self, recordings: Sequence[Recording], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = [_Part(_size(r), Path(r.name).suffix.lower()) for r in recordings]
        self._clock = clock
        self._began: float | None = None

    def event(self, index: int, event: Event) -> None:
        """Take note of an event."""
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
            part.ended = True

    @property
    def n_ended(self) -> int:
        """How many recordings are through, one way or the other."""
        return sum(part.ended for part in self._parts)

    @property
    def speed(self) -> float | None:
        """Seconds of audio a second; ``None`` while nothing was transcribed."""
        done_s = sum(p.done_s - p.first_s for p in self._parts if p.first_s is not None)
        if self._began is None or done_s <= 0:
            return None
        return done_s / max(1e-3, self._clock() - self._began)

    @property
    def fraction(self) -> float | None:
        """How much of the work is done, 0 to 1; ``None`` while nobody knows how much there is."""
        left_s = self._left_s()
        if left_s is None:
            return None
        done_s = sum(part.done_s for part in self._parts)
        return done_s / (done_s + left_s) if done_s + left_s > 0 else 1.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end, if the rest is as fast; ``None`` while nobody knows."""
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
    try:
        return Path(recording.name).stat().st_size
    except (OSError, ValueError):
        return 0
