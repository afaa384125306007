"""Corrects timestamps that run backwards, overlap, are empty, or pass the end of the audio.

whisper.cpp's segments may end after the recording, overlap by rounding, or have no duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whisperctl.transcript import Segment, Token
from whisperctl.transcription.stages import Stage

LEAST_S = 0.02
"""Shortest segment, in seconds: one step of Whisper's timestamps."""

_LEAST_WORD_S = 0.01

_RESERVE_S = 0.5
"""A segment that ends this close to the end is held until it is known that none follows."""

Interval = tuple[float, float]


class TimestampFixer(Stage):
    """Fix the timestamps of segments, their words and their tokens.

    Segments that were returned do not change later. Those that end near the limit wait for
    ``flush``, as segments after them can only take room from them.

    Args:
        after_s: end of the segment before; no segment begins earlier.
        limit_s: end of the audio; no segment ends later.
    """

    def __init__(self, after_s: float, limit_s: float) -> None:
        self._after_s = after_s
        nearest_s = round(limit_s, 3)
        self._limit_s = nearest_s if nearest_s <= limit_s else round(nearest_s - 0.001, 3)
        self._held: list[Segment] = []

    def add(self, segment: Segment) -> list[Segment]:
        """Return the segment with its final times, or hold it."""
        start_s = round(max(segment.start_s, self._after_s), 3)
        end_s = round(max(segment.end_s, start_s + LEAST_S), 3)
        if self._held or end_s > self._limit_s - _RESERVE_S:
            self._held.append(segment)
            return []
        self._after_s = end_s
        return [_placed(segment, (start_s, end_s))]

    def flush(self) -> list[Segment]:
        """Return the segments held, which share the room that is left."""
        held, self._held = self._held, []
        wanted = [(segment.start_s, segment.end_s) for segment in held]
        places = spread(wanted, self._after_s, max(self._limit_s, self._after_s), LEAST_S)
        placed = [_placed(s, place) for s, place in zip(held, places, strict=True)]
        if placed:
            self._after_s = placed[-1].end_s
        return placed


def spread(
    wanted: Sequence[Interval], first_s: float, last_s: float, least_s: float
) -> list[Interval]:
    """Intervals nearest to ``wanted`` that are in order, do not overlap, and lie within bounds.

    Args:
        wanted: start and end of each, in seconds; any numbers.
        first_s: earliest start.
        last_s: latest end.
        least_s: shortest duration, if there is room for that.

    Returns:
        As many intervals, in the same order; empty ones only if ``last_s`` is ``first_s``.
    """
    if not wanted:
        return []
    least_s = min(least_s, (last_s - first_s) / len(wanted))
    forward: list[Interval] = []
    at_s = first_s
    for start_s, end_s in wanted:
        start_s = max(at_s, start_s)
        at_s = max(end_s, start_s + least_s)
        forward.append((start_s, at_s))
    placed: list[Interval] = []
    at_s = last_s
    for start_s, end_s in reversed(forward):
        end_s = min(at_s, end_s)
        at_s = max(first_s, min(start_s, end_s - least_s))
        placed.append((at_s, end_s))
    placed.reverse()
    rounded = [(round(start_s, 3), round(end_s, 3)) for start_s, end_s in placed]
    return rounded if all(start_s < end_s for start_s, end_s in rounded) else placed


def _placed(segment: Segment, place: Interval) -> Segment:
    start_s, end_s = place
    words = spread([(w.start_s, w.end_s) for w in segment.words], start_s, end_s, _LEAST_WORD_S)
    return replace(
        segment,
        start_s=start_s,
        end_s=end_s,
        words=tuple(
            replace(word, start_s=word_start_s, end_s=word_end_s)
            for word, (word_start_s, word_end_s) in zip(segment.words, words, strict=True)
        ),
        tokens=_tokens(segment.tokens, start_s, end_s),
    )


def _tokens(tokens: Sequence[Token], start_s: float, end_s: float) -> tuple[Token, ...]:
    """Tokens within bounds and in order; parts of characters and marks may have no duration."""
    placed = []
    at_s = start_s
    for token in tokens:
        if token.start_s is not None and token.end_s is not None:
            begin_s = round(min(max(token.start_s, at_s), end_s), 3)
            at_s = round(min(max(token.end_s, begin_s), end_s), 3)
            token = replace(token, start_s=begin_s, end_s=at_s)
        placed.append(token)
    return tuple(placed)
