"""Times of cues that can be shown: in order, apart, and never of no length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_MS = 10
"""The shortest time, in every format: a hundredth of a second is the unit of ASS and LRC."""

_READING_MS_PER_CHARACTER = 50
_READING_LEAST_MS = 500


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A wished-for time, and how many characters it is for."""

    start_ms: int
    end_ms: int
    n_characters: int

    @property
    def reading_ms(self) -> int:
        """How long the text should show when its own time is none: 20 characters a second."""
        return max(_READING_LEAST_MS, self.n_characters * _READING_MS_PER_CHARACTER)


def untangled(spans: Sequence[TimeSpan], limit_ms: int) -> list[tuple[int, int] | None]:
    """Times for ``spans`` such that none overlaps, goes back, or is shorter than ``LEAST_MS``.

    Spans that already are so keep their times. One that runs into the next ends where that begins.
    One that begins before the one before it begins with it, and what begins together shares the
    time by its characters. One of no length takes as long as it is read in, if there is room; none
    of this goes past ``limit_ms``.

    Returns:
        Start and end for each span, or ``None`` where there is no room: it goes with the one
        before it. The first is never ``None``.
    """
    result: list[tuple[int, int] | None] = []
    starts: list[int] = []
    for span in spans:
        starts.append(max(span.start_ms, starts[-1] if starts else 0))
    begin = 0
    while begin < len(spans):
        end = begin + 1
        while end < len(spans) and starts[end] - starts[begin] < LEAST_MS:
            end += 1
        room_ms = starts[end] if end < len(spans) else limit_ms
        result += _shared(spans[begin:end], starts[begin], room_ms, first=not result)
        begin = end
    return result


def _shared(
    group: Sequence[TimeSpan], start_ms: int, room_ms: int, *, first: bool
) -> list[tuple[int, int] | None]:
    """Times for spans that begin together, from ``start_ms`` to at most ``room_ms``."""
    end_ms = min(max(span.end_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS * len(group):
        end_ms = min(start_ms + sum(span.reading_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS:
        if not first:
            return [None] * len(group)
        start_ms, end_ms = max(0, end_ms - LEAST_MS), max(end_ms, LEAST_MS)
    if len(group) == 1 or end_ms - start_ms < LEAST_MS * len(group):
        return [(start_ms, end_ms), *[None] * (len(group) - 1)]
    times: list[tuple[int, int] | None] = []
    total = sum(span.n_characters + 1 for span in group)
    passed, here_ms = 0, start_ms
    for number, span in enumerate(group, start=1):
        passed += span.n_characters + 1
        left = len(group) - number
        next_ms = start_ms + (end_ms - start_ms) * passed // total // 10 * 10
        next_ms = min(max(next_ms, here_ms + LEAST_MS), end_ms - left * LEAST_MS)
        times.append((here_ms, next_ms if left else end_ms))
        here_ms = next_ms
    return times


def unhurried(
    times: Sequence[tuple[int, int]],
    n_characters: Sequence[int],
    *,
    max_cps: float | None,
    min_gap_ms: int,
    limit_ms: int,
) -> list[tuple[int, int]]:
    """Cues that show long enough to be read, where silence follows, and that leave a gap.

    A gap takes at most half of a cue; ``times`` are in order and apart, and stay so.
    """
    result = []
    for number, (start_ms, end_ms) in enumerate(times):
        last = number + 1 == len(times)
        room_ms = max(limit_ms, end_ms) if last else times[number + 1][0] - min_gap_ms
        if max_cps is not None:
            needed_ms = -int(-n_characters[number] * 1000 // max_cps)
            end_ms = max(end_ms, min(start_ms + needed_ms, room_ms))
        if end_ms > room_ms:
            shortest_ms = max(LEAST_MS, (end_ms - start_ms) // 2)
            end_ms = min(end_ms, max(room_ms, start_ms + shortest_ms))
        result.append((start_ms, end_ms))
    return result
