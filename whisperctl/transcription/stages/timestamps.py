"""Times of segments: mapped from what the engine was given to the recording, and corrected.

Where silence was cut away, the engine gets stretches of speech with a short silence between them,
as in whisper.cpp's ``whisper_vad``. Its times are mapped back stretch by stretch, by samples.

Segments may end after the recording, overlap by rounding, or have no duration, and timestamps may
run backwards: these are mended.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.toolkit.words import text_of
from whisperctl.transcript import Segment, Token, Word
from whisperctl.transcription.stages import Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.engine.protocol import SpeechSpan

GAP = SAMPLE_RATE // 10
"""Samples of silence between two stretches of speech; whisper.cpp has the same 0.1 s."""

_SNAP = SAMPLE_RATE // 5
"""Largest overlap, in samples, with a stretch that most of a word or segment does not lie in."""

_LONG_SILENCE = 2 * SAMPLE_RATE
"""Shortest silence, in samples, that no segment shows across once it is cut away."""

_UNSURE_S = 0.6
"""Error, in seconds, that the start or end of a segment may have where words have no times."""

LEAST_S = 0.02
"""Shortest segment, in seconds: one step of Whisper's timestamps."""

_LEAST_WORD_S = 0.01

_RESERVE_S = 0.5
"""A segment that ends this close to the end is held until it is known that none follows."""

_SENTENCE_ENDS = ".!?\u2026"
_NEARER = ((_SENTENCE_ENDS, 0.0), (",;:", 0.5))
_OTHERS = 1.5
"""Seconds by which a cut at the end of a sentence, of a clause or elsewhere seems farther away."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Range of samples, from ``start`` to before ``end``."""

    start: int
    end: int


class Timeline:
    """Mapping of the engine's times to the recording's.

    ``stretches`` are the samples of the recording that the engine was given: in order, apart and
    not empty. In the engine's input, ``GAP`` samples lie between one and the next.
    """

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = tuple(stretches)
        self._starts: list[int] = []  # in the engine's input
        at = 0
        for stretch in stretches:
            self._starts.append(at)
            at += stretch.end - stretch.start + GAP

    @property
    def engine_s(self) -> float:
        """Length of the engine's input in seconds."""
        return (self._starts[-1] + self._length(-1)) / SAMPLE_RATE if self._starts else 0.0

    def start_s(self, engine_s: float) -> float:
        """Time in the recording of something that begins at ``engine_s``."""
        at = round(engine_s * SAMPLE_RATE)
        i = max(0, bisect_right(self._starts, at) - 1)
        stretch = self._stretches[i]
        original = stretch.start + max(0, at - self._starts[i])
        if original >= stretch.end:  # in the silence after it, or after everything
            last = i + 1 == len(self._stretches)
            original = stretch.end if last else self._stretches[i + 1].start
        return original / SAMPLE_RATE

    def end_s(self, engine_s: float) -> float:
        """Time in the recording of something that ends at ``engine_s``."""
        at = round(engine_s * SAMPLE_RATE)
        i = max(0, bisect_left(self._starts, at) - 1)
        stretch = self._stretches[i]
        return min(stretch.end, stretch.start + max(0, at - self._starts[i])) / SAMPLE_RATE

    def cuts(self, start_s: float, end_s: float) -> list[Interval]:
        """Long silences that were cut away inside a span of the engine's time, by that time."""
        found = []
        for i in range(len(self._stretches) - 1):
            removed = self._stretches[i + 1].start - self._stretches[i].end
            before_s = (self._starts[i] + self._length(i)) / SAMPLE_RATE
            after_s = self._starts[i + 1] / SAMPLE_RATE
            if (
                removed >= _LONG_SILENCE
                and start_s < before_s - _SNAP / SAMPLE_RATE
                and end_s > after_s + _SNAP / SAMPLE_RATE
            ):
                found.append((before_s, after_s))
        return found

    def span(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Times in the recording of something from ``start_s`` to ``end_s`` of the engine's.

        A word or segment that only touches the stretch before it, or after it, is put where most
        of it is: an engine's times are not as exact as a cut.
        """
        start, end = round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
        i = max(0, bisect_right(self._starts, start) - 1)
        if i + 1 < len(self._starts):
            boundary = self._starts[i] + self._length(i)
            following = self._starts[i + 1]
            if boundary - start < _SNAP and end - following > boundary - start:
                start_s = following / SAMPLE_RATE
        j = max(0, bisect_left(self._starts, end) - 1)
        if j > 0 and 0 < end - self._starts[j] < _SNAP:
            boundary = self._starts[j - 1] + self._length(j - 1)
            if boundary - round(start_s * SAMPLE_RATE) > end - self._starts[j]:
                end_s = boundary / SAMPLE_RATE
        return self.start_s(start_s), self.end_s(end_s)

    def _length(self, i: int) -> int:
        return self._stretches[i].end - self._stretches[i].start


class RecordingTimes(Stage):
    """Map the times of segments, words and tokens to the recording's.

    A segment on both sides of a long silence that was cut away becomes one on each side.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._span = timeline.span
        self._cuts = timeline.cuts

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment, or its parts, in the recording's time."""
        for part in self._parts(segment):
            start_s, end_s = self._span(part.start_s, part.end_s)
            yield replace(
                part,
                start_s=start_s,
                end_s=end_s,
                words=tuple(self._word(word) for word in part.words),
                tokens=tuple(self._token(token) for token in part.tokens),
            )

    def _parts(self, segment: Segment) -> Iterable[Segment]:
        for before_s, after_s in self._cuts(segment.start_s, segment.end_s):
            at = _place(segment, (before_s + after_s) / 2)
            if not segment.text[:at].strip() or not segment.text[at:].strip():
                continue
            first_s, second_s = before_s - segment.start_s, segment.end_s - after_s
            if (
                segment.words
                or segment.text[at - 1] in _SENTENCE_ENDS
                or min(first_s, second_s) >= _UNSURE_S
            ):
                yield replace(_cut(segment, 0, at), end_s=before_s)
                segment = replace(_cut(segment, at, len(segment.text)), start_s=after_s)
            # A word or two of one sentence were said with the rest of it: the time is not exact.
            elif first_s < second_s:
                segment = replace(segment, start_s=after_s)
            else:
                segment = replace(segment, end_s=before_s)
        yield segment

    def _word(self, word: Word) -> Word:
        start_s, end_s = self._span(word.start_s, word.end_s)
        return replace(word, start_s=start_s, end_s=max(start_s, end_s))

    def _token(self, token: Token) -> Token:
        if token.start_s is None or token.end_s is None:
            return token
        start_s, end_s = self._span(token.start_s, token.end_s)
        return replace(token, start_s=start_s, end_s=max(start_s, end_s))


def _place(segment: Segment, time_s: float) -> int:
    """Number of characters of a segment that are spoken before a time.

    Where words have no times it is the place between two words that is nearest by its share of the
    text; the ends of sentences and clauses are nearer than others.
    """
    if segment.words and "".join(word.text for word in segment.words) == segment.text:
        spoken = (w for w in segment.words if w.start_s + w.end_s < 2 * time_s)
        return sum(len(word.text) for word in spoken)
    text = segment.text
    share = (time_s - segment.start_s) / max(segment.end_s - segment.start_s, 1e-9)
    places = [match.start() for match in re.finditer(r"(?<=\S)\s", text)]

    def distance(place: int) -> float:
        penalty = next((p for marks, p in _NEARER if text[place - 1] in marks), _OTHERS)
        return abs(place / len(text) - share) + penalty / max(segment.end_s - segment.start_s, 1)

    return min(places, key=distance, default=0)


def _cut(segment: Segment, begin: int, end: int) -> Segment:
    """Part of a segment by characters, with the words and tokens that begin in it."""
    words, at = [], 0
    for word in segment.words:
        if begin <= at < end:
            words.append(word)
        at += len(word.text)
    tokens: list[Token] = []
    if text_of(segment.tokens) == segment.text:
        first, last = (len(segment.text[:place].encode()) for place in (begin, end))
        is_last = end == len(segment.text)
        at = 0
        for token in segment.tokens:
            if first <= at < last or (is_last and at == last):
                tokens.append(token)
            at += len(token.data)
    return replace(segment, text=segment.text[begin:end], words=tuple(words), tokens=tuple(tokens))


def stretches(spans: Sequence[SpeechSpan], n_samples: int) -> list[Stretch]:
    """Spans of speech as samples, in order and apart, within ``n_samples``."""
    found: list[Stretch] = []
    for span in spans:
        start = max(0, round(span.start_s * SAMPLE_RATE))
        end = min(n_samples, round(span.end_s * SAMPLE_RATE))
        if found and start <= found[-1].end:
            found[-1] = Stretch(found[-1].start, max(end, found[-1].end))
        elif start < end:
            found.append(Stretch(start, end))
    return found


def joined(samples: NDArray[np.float32], parts: Sequence[Stretch]) -> NDArray[np.float32]:
    """Samples of the stretches, with ``GAP`` samples of silence between one and the next.

    Args:
        samples: float32, shape (n_samples,).
        parts: in samples of ``samples``.
    """
    import numpy as np

    if len(parts) == 1:  # usually everything, which need not be copied
        return samples[parts[0].start : parts[0].end]
    silence = np.zeros(GAP, np.float32)
    pieces: list[NDArray[np.float32]] = []
    for part in parts:
        if pieces:
            pieces.append(silence)
        pieces.append(samples[part.start : part.end])
    return np.concatenate(pieces) if pieces else np.empty(0, np.float32)


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
