"""Start and end times of a segment's tokens, from whisper.cpp's times for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from whisperctl.transcript import Segment

_RATE = 16_000
_FRAME = 160
_FRAME_S = _FRAME / _RATE
_LOUD_PERCENTILE = 90
_SILENT = 0.1
"""A frame is silent whose energy (root mean square) is below this share of a loud one's."""
_PAUSE_FRAMES = 10
"""Silence shorter than this is part of speech, such as the closure of a t."""
_PUNCTUATION = frozenset(
    "\"'\u201c\u201d\u2018\u2019\u00bf\u00a1([{-.,!?:;)]}\u3002\uff0c\uff01\uff1f\uff1a\u3001\u2026"
)


@dataclass(frozen=True, slots=True)
class RawTimes:
    """whisper.cpp's times of one token, in hundredths of a second; -1 is unknown.

    ``t0`` and ``t1`` are guessed from timestamps and loudness (``token_timestamps``). ``t_dtw`` is
    where the alignment leaves the token for the next one: a row of it stands for what a token
    predicts, so the time at which the row of a token begins is the end of that very token, as in
    openai-whisper's ``find_alignment``.
    """

    t0: int
    t1: int
    t_dtw: int


class TokenTimes:
    """Gives times to the tokens of one recording's segments.

    In either way they keep within the segment, and none begins before the one before it ends. With
    an alignment a pause belongs to the token behind it; it is taken away from there by loudness.

    Args:
        samples: float32, shape (n_samples,), 16 kHz: the recording.
        aligned: whether the session aligns; else the times are guesses.
    """

    def __init__(self, samples: npt.NDArray[np.float32], *, aligned: bool) -> None:
        self._aligned = aligned
        self._paused = _pauses(samples) if aligned else np.zeros(0, bool)

    def timed(self, segment: Segment, raw: Sequence[RawTimes]) -> Segment:
        """The segment, its tokens with times.

        Args:
            segment: its ``tokens`` are those that are text.
            raw: whisper.cpp's times of each of these tokens.
        """
        ends = self._ends(segment, [t.t_dtw if self._aligned else t.t1 for t in raw])
        spans: list[tuple[float, float]] = []
        free_s = segment.start_s  # where the last token that is spoken ended
        for token, times, until_s in zip(segment.tokens, raw, ends, strict=True):
            if not self._aligned:
                start_s = times.t0 / 100 if times.t0 >= 0 else free_s
                spans.append((min(max(start_s, free_s), until_s), until_s))
                free_s = until_s
            elif _is_punctuation(token.data):
                # It is not spoken; what the alignment gives it is a pause or the next word's.
                end_s = spans[-1][1] if spans else free_s
                spans.append((end_s, end_s))
            else:
                spans.append(self.without_pauses(free_s, until_s))
                free_s = until_s
        if self._aligned:
            for i in reversed(range(len(spans) - 1)):
                data = segment.tokens[i].data
                if data[:1] == b" " and _is_punctuation(data):  # such as an opening bracket
                    spans[i] = (spans[i + 1][0],) * 2
        tokens = (
            replace(token, start_s=round(start_s, 3), end_s=round(end_s, 3))
            for token, (start_s, end_s) in zip(segment.tokens, spans, strict=True)
        )
        return replace(segment, tokens=tuple(tokens))

    def _ends(self, segment: Segment, hundredths: Sequence[int]) -> list[float]:
        """Ends in seconds: within the segment, never going back, the unknown evenly between."""
        n = len(hundredths)
        if not n:
            return []
        end_s = max(segment.start_s, segment.end_s)
        known = [i for i in range(n) if hundredths[i] >= 0]
        values = [min(max(hundredths[i] / 100, segment.start_s), end_s) for i in known]
        if n - 1 not in known:
            known, values = [*known, n - 1], [*values, end_s]
        spread = np.interp(range(n), [-1, *known], [segment.start_s, *values])
        return [float(value) for value in np.maximum.accumulate(spread)]

    def without_pauses(self, start_s: float, end_s: float) -> tuple[float, float]:
        """The longest part of a stretch without a pause; all of it where it is one pause.

        Of parts of a length it is the last, as an alignment is surer of where a token ends.
        """
        first = round(start_s / _FRAME_S)
        heard = ~self._paused[first : round(end_s / _FRAME_S)]
        edges = np.flatnonzero(np.diff(heard, prepend=False, append=False))
        begins, ends = edges[::2], edges[1::2]
        if not len(begins):
            return start_s, end_s
        best = len(begins) - 1 - int((ends - begins)[::-1].argmax())
        return (
            max(start_s, (first + int(begins[best])) * _FRAME_S),
            min(end_s, max(start_s, (first + int(ends[best])) * _FRAME_S)),
        )


def _is_punctuation(data: bytes) -> bool:
    text = data.decode("utf-8", "replace").strip()
    return bool(text) and all(character in _PUNCTUATION for character in text)


def _pauses(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """True for each frame of 10 ms that lies in a pause: bool, shape (n_frames,)."""
    n = len(samples) // _FRAME
    if n == 0:
        return np.zeros(0, bool)
    frames = samples[: n * _FRAME].reshape(n, _FRAME)
    energy = np.sqrt(np.einsum("ij,ij->i", frames, frames) / _FRAME)
    silent = energy < _SILENT * np.percentile(energy, _LOUD_PERCENTILE)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False))
    paused = np.zeros(n, bool)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin >= _PAUSE_FRAMES:
            paused[begin:end] = True
    return paused
