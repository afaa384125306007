"""Detects text that repeats itself, while segments come in and before they are given out.

A decoder in a repetition loop writes the same text over and over, whatever is in the audio. People
repeat themselves too, and recordings hold copies of a sound, so that equal texts are only a
suspicion. It is certain where nobody can speak that fast, and wrong where the sound is the same
too. Otherwise the last copy is decoded alone, without previous text: if the text is the same
again, it is real.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.toolkit.words import text_of
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COPIES = 3
"""Number of copies, one after the other, that is suspicious."""

_LONGEST_CYCLE = 4
"""Largest number of segments that repeat together."""

_FASTEST = 60.0
"""Bytes of text a second that nobody can speak: fast English has 25, fast Russian twice as many."""

_SAME_TEXT = 0.5
"""Share of words in common from which two texts are the same, as ``difflib`` counts."""

_SAME_SOUND = 0.65
"""Correlation from which two stretches are one sound: copies have 0.95 and more, or 0.75 in
noise as loud as they are; different words up to 0.3, noise up to 0.15."""

_STEP = SAMPLE_RATE // 50
"""Samples in a frame, whose sound is the energy in ``_BANDS`` bands."""

_BANDS = 20
_SHIFT_S = 2.0
"""Largest error of a segment's start."""

_LONGEST_S = 30.0
"""Length of the later stretch that is compared, at most."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Text that may come from a repetition loop.

    ``copies`` are the segments that were held back: all but the first copy, or a single segment if
    the repetition is ``within`` it. ``cycle`` is the last copy, and ``earlier_s`` the start of the
    one before it. ``certain`` is true if it cannot be speech.
    """

    copies: tuple[Segment, ...]
    cycle: tuple[Segment, ...]
    certain: bool
    within: bool = False
    earlier_s: float | None = None

    @property
    def start_s(self) -> float:
        """Start of the segments held back."""
        return self.copies[0].start_s

    @property
    def end_s(self) -> float:
        """End of the segments held back."""
        return max(segment.end_s for segment in self.copies)

    @property
    def text(self) -> str:
        """The text that is repeated."""
        text = "".join(segment.text for segment in self.cycle).strip()
        return _repeated(text).strip() if self.within else text

    @property
    def check_s(self) -> tuple[float, float]:
        """Start and end of the audio to decode alone: the last copy, or half of the segment."""
        start_s, end_s = self.cycle[0].start_s, self.cycle[-1].end_s
        return ((start_s + end_s) / 2 if self.within else start_s), end_s

    def confirmed_by(self, text: str) -> bool:
        """True if ``text``, decoded from ``check_s`` alone, is the same."""
        repeated, alone = _words(self.text), _words(text)
        if self.within:
            return 2 * sum(word in repeated for word in alone) >= max(1, len(alone))
        return SequenceMatcher(None, repeated, alone, autojunk=False).ratio() >= _SAME_TEXT


@dataclass(frozen=True, slots=True)
class RepetitionOutcome:
    """Result of the retries for one repetition; times are seconds from the chunk's first sample.

    ``resolved`` is false if the text repeated itself at every temperature; one copy was kept then.
    """

    start_s: float
    end_s: float
    text: str
    resolved: bool = True


class RepetitionFilter:
    """Holds back segments that may be copies of those before.

    Args:
        ratio_threshold: compression ratio above which a single segment may repeat itself.
    """

    def __init__(self, ratio_threshold: float) -> None:
        self._ratio_threshold = ratio_threshold
        self._history: list[Segment] = []
        self._texts: list[str] = []
        self._held: list[Segment] = []
        self._limits: dict[frozenset[str], int] = {}

    def add(self, segment: Segment) -> tuple[list[Segment], Repetition | None]:
        """Take the next segment.

        Returns:
            The segments to give out now, and a repetition if there may be one. Its copies are no
            longer held here.
        """
        self._history.append(segment)
        self._texts.append(normalized(segment.text))
        if compression_ratio(segment.text) > self._ratio_threshold and _repeated(segment.text):
            ready, self._held = self._held, []
            return ready, Repetition(
                (segment,), (segment,), certain=_too_fast((segment,)), within=True
            )
        n_repeats, period = self._repeats()
        if not n_repeats:
            ready, self._held = [*self._held, segment], []
            return ready, None
        self._held.append(segment)
        n_copies = n_repeats // period + 1
        limit = self._limits.get(self._key(period), COPIES)
        if n_copies < limit:
            if limit == COPIES:
                return [], None
            ready, self._held = self._held, []  # known to be real so far
            return ready, None
        copies, self._held = tuple(self._held), []
        return [], Repetition(
            copies,
            tuple(self._history[-period:]),
            certain=_too_fast(copies),
            earlier_s=self._history[-2 * period].start_s,
        )

    def accept(self, repetition: Repetition) -> None:
        """Treat a repetition as real, until it is twice as long."""
        key = frozenset(normalized(segment.text) for segment in repetition.cycle)
        self._limits[key] = 2 * self._limits.get(key, COPIES)

    def forget(self) -> None:
        """Forget the segments so far: those to come do not follow them."""
        self._history.clear()
        self._texts.clear()

    def flush(self) -> list[Segment]:
        """Return the segments still held, at the end of the audio."""
        ready, self._held = self._held, []
        return ready

    def _repeats(self) -> tuple[int, int]:
        """Number of segments at the end that repeat the one a period before, and that period."""
        texts = self._texts
        best = (0, 1)
        for period in range(1, min(_LONGEST_CYCLE, len(texts) - 1) + 1):
            n = 0
            while n + period < len(texts) and texts[-1 - n] == texts[-1 - n - period]:
                n += 1
            if n // period > best[0] // best[1] or (n and not best[0]):
                best = (n, period)
        return best

    def _key(self, period: int) -> frozenset[str]:
        return frozenset(self._texts[-period:])


def normalized(text: str) -> str:
    """``text`` without case, spacing and punctuation; punctuation alone is kept."""
    return " ".join(_words(text)) or text.strip()


def once(segment: Segment) -> Segment:
    """A segment with one copy of what its text repeats at the end."""
    ids = [token.id for token in segment.tokens]
    kept = _without_copies(ids)
    if kept < len(ids):
        tokens = segment.tokens[:kept]
        return replace(segment, tokens=tokens, text=text_of(tokens), words=())
    kept = _without_copies(segment.text)
    if kept < len(segment.text):
        return replace(segment, text=segment.text[:kept], tokens=(), words=())
    return segment


def _without_copies(items: Sequence[object]) -> int:
    """Number of items up to the end of the first copy, if the items end in three copies or more."""
    n = len(items)
    best = n
    for period in range(1, n // COPIES + 1):
        repeats = 0
        # The last copy may be cut short by the limit on tokens, and that part counts too.
        while repeats + period < n and items[n - 1 - repeats] == items[n - 1 - repeats - period]:
            repeats += 1
        if repeats >= (COPIES - 1) * period:
            best = min(best, n - repeats)
    return best


def _repeated(text: str) -> str:
    """Text that fills half of ``text`` or more by three or more copies in a row; else empty."""
    text = normalized(text)
    n = len(text)
    for period in range(1, n // COPIES + 1):
        run = 0
        for i in range(n - period):
            run = run + 1 if text[i] == text[i + period] else 0
            if run >= (COPIES - 1) * period and 2 * (run + period) >= n:
                return text[i + 1 - run : i + 1 - run + period]
    return ""


def _too_fast(segments: Sequence[Segment]) -> bool:
    n_bytes = sum(len(segment.text.encode("utf-8", errors="replace")) for segment in segments)
    return n_bytes > _FASTEST * sum(max(0.0, s.end_s - s.start_s) for s in segments)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def sounds_alike(
    samples: NDArray[np.float32], first_s: float, second_s: float, length_s: float
) -> bool:
    """Compare the sound of two stretches, such as two plays of a jingle.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono.
        first_s: start of the earlier stretch, not exactly.
        second_s: start of the later stretch.
        length_s: length of the later stretch.
    """
    import numpy as np

    length_s = min(length_s, _LONGEST_S)
    later = _bands(samples, second_s, second_s + length_s)
    begin_s = max(0.0, first_s - _SHIFT_S)
    # Not into the later stretch itself, which is like itself.
    end_s = min(first_s + length_s + _SHIFT_S, second_s + length_s - 2 * _SHIFT_S)
    earlier = _bands(samples, begin_s, end_s)
    n = len(later)
    if n < SAMPLE_RATE // _STEP // 2 or len(earlier) < n:
        return False
    later = _unit(later)
    return any(
        float(np.sum(_unit(earlier[shift : shift + n]) * later)) >= _SAME_SOUND
        for shift in range(len(earlier) - n + 1)
    )


def _bands(samples: NDArray[np.float32], start_s: float, end_s: float) -> NDArray[np.float64]:
    """Logarithmic energy in bands of equal width up to 8 kHz: shape (n_frames, _BANDS)."""
    import numpy as np

    part = samples[round(start_s * SAMPLE_RATE) : max(0, round(end_s * SAMPLE_RATE))]
    frames = part[: len(part) // _STEP * _STEP].reshape(-1, _STEP)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))[:, : _STEP // 2]
    bands = power.reshape(len(frames), _BANDS, _STEP // 2 // _BANDS).sum(axis=2)
    logs: NDArray[np.float64] = np.log10(bands + 1e-6)
    return logs


def _unit(bands: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bands minus their means over time, scaled to length 1; silence and steady tones are 0."""
    import numpy as np

    varying = bands - bands.mean(axis=0)
    length = float(np.sqrt(np.square(varying).sum()))
    return varying / length if length > 1e-3 * bands.size**0.5 else np.zeros_like(varying)
