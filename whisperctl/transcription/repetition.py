"""Text that repeats itself: seen while segments come, before anybody is shown them.

A decoder that loops says the same over and over, whatever is in the audio. People repeat
themselves too, and recordings are repeated, so that equal texts are a suspicion only. It is
certain where nobody can speak so fast, and refuted where the sound is the same too. Else the last
copy is decoded by itself, without any text before it: if the audio says the same without being led
there, it is no loop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from whisperctl.engine.toolkit.words import text_of
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment

COPIES = 3
"""So many times the same, one after the other, is suspicious."""

_LONGEST_CYCLE = 4
"""Segments after which the text may begin again."""

_FASTEST = 60.0
"""Bytes of text a second that nobody says: fast English has 25, fast Russian twice as many."""

_ALIKE = 0.5
"""Share of words in common from which two texts say the same, as ``difflib`` counts."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """A suspicion.

    ``copies`` are the segments that were held back: all but the first copy, or, if the repetition
    is ``within`` it, a single segment. ``cycle`` is the last copy, and ``earlier_s`` where the one
    before it began. ``certain`` says that it cannot be speech.
    """

    copies: tuple[Segment, ...]
    cycle: tuple[Segment, ...]
    certain: bool
    within: bool = False
    earlier_s: float | None = None

    @property
    def start_s(self) -> float:
        """Where what was held back begins."""
        return self.copies[0].start_s

    @property
    def end_s(self) -> float:
        """Where what was held back ends."""
        return max(segment.end_s for segment in self.copies)

    @property
    def text(self) -> str:
        """What is repeated."""
        text = "".join(segment.text for segment in self.cycle).strip()
        return _repeated(text).strip() if self.within else text

    @property
    def proof_s(self) -> tuple[float, float]:
        """What to decode by itself: the last copy, or the second half of what repeats itself."""
        start_s, end_s = self.cycle[0].start_s, self.cycle[-1].end_s
        return ((start_s + end_s) / 2 if self.within else start_s), end_s

    def confirmed_by(self, text: str) -> bool:
        """Whether ``text``, decoded from ``proof_s`` alone, says the same."""
        said, heard = _words(self.text), _words(text)
        if self.within:
            return 2 * sum(word in said for word in heard) >= max(1, len(heard))
        return SequenceMatcher(None, said, heard, autojunk=False).ratio() >= _ALIKE


class RepetitionFilter:
    """Watches segments as they come, and holds back those that may be copies."""

    def __init__(self, ratio_threshold: float) -> None:
        self._ratio_threshold = ratio_threshold
        self._history: list[Segment] = []
        self._texts: list[str] = []
        self._held: list[Segment] = []
        self._limits: dict[frozenset[str], int] = {}
        self._n_counted = 0

    def add(self, segment: Segment) -> tuple[list[Segment], Repetition | None]:
        """Take one more segment.

        Returns:
            The segments that may be shown now, and what is suspicious. With a suspicion, its
            copies are out of the guard's hands.
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

    def trust(self, loop: Repetition) -> None:
        """This one is real: suspect it again only when it goes on for twice as long."""
        key = frozenset(normalized(segment.text) for segment in loop.cycle)
        self._limits[key] = 2 * self._limits.get(key, COPIES)

    def forget(self) -> None:
        """What comes next does not follow what came before."""
        self._history.clear()
        self._texts.clear()

    def flush(self) -> list[Segment]:
        """No more segments come: gives those still held."""
        ready, self._held = self._held, []
        return ready

    def _repeats(self) -> tuple[int, int]:
        """How many segments at the end repeat the one a period before, and that period."""
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
    """What two texts that say the same have in common: their words, or else their marks."""
    return " ".join(_words(text)) or text.strip()


def once(segment: Segment) -> Segment:
    """A segment whose text ends in repetitions, with one copy of what is repeated."""
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
    """How many items there are up to the first copy's end, where the end repeats thrice or more."""
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
    """What half of a text or more repeats thrice or more, one after the other; else nothing."""
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
