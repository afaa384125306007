"""Maps times in the samples that an engine was given to times in the recording.

Where silence was cut away, the engine gets stretches of speech with a short silence between them,
as in whisper.cpp's ``whisper_vad``. Its times are mapped back stretch by stretch, by samples.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
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
    """Map the times of segments, words and tokens to the recording's."""

    def __init__(self, timeline: Timeline) -> None:
        self._span = timeline.span

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment in the recording's time."""
        start_s, end_s = self._span(segment.start_s, segment.end_s)
        yield replace(
            segment,
            start_s=start_s,
            end_s=end_s,
            words=tuple(self._word(word) for word in segment.words),
            tokens=tuple(self._token(token) for token in segment.tokens),
        )

    def _word(self, word: Word) -> Word:
        start_s, end_s = self._span(word.start_s, word.end_s)
        return replace(word, start_s=start_s, end_s=max(start_s, end_s))

    def _token(self, token: Token) -> Token:
        if token.start_s is None or token.end_s is None:
            return token
        start_s, end_s = self._span(token.start_s, token.end_s)
        return replace(token, start_s=start_s, end_s=max(start_s, end_s))


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
