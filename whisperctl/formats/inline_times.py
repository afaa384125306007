"""Times inside a cue's text, such as YouTube's ``Hello<00:00:01.500><c> there</c>``, as words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

from whisperctl.formats import tags
from whisperctl.formats.times import seconds
from whisperctl.subtitles.markup import BREAK
from whisperctl.transcript import Word

_STAMP = re.compile(r"<((?:\d{1,9}+:)?\d{1,9}+:\d{1,9}+(?:[.,]\d*+)?)>", re.ASCII)
_PLACE = "\ufdee"
_SPACES = f" \t\n\u3000{BREAK}"
_WORD = re.compile(f"[{_SPACES}]*+[^{_SPACES}]++")


def held(text: str) -> tuple[str, list[float]]:
    """``text`` with a placeholder for each time in it, and the times."""
    times: list[float] = []

    def place(match: re.Match[str]) -> str:
        try:
            times.append(seconds(match[1]))
        except ValueError:
            return ""
        return _PLACE

    return _STAMP.sub(place, text), times


def any_in(text: str) -> bool:
    """Whether there is a time in ``text``."""
    return _STAMP.search(text) is not None


def parted(text: str, times: list[float], start_s: float, end_s: float) -> tuple[str, list[Word]]:
    """A text spaced and without its placeholders, and its words.

    A word begins at the time before it; one that shares its time with others has its part of it, by
    characters. Times that go back, or lie outside the cue, are left out.

    Args:
        text: as ``held`` gave it, whatever was done to the rest.
        times: as ``held`` gave them.
        start_s: of the cue, in seconds.
        end_s: of the cue, in seconds.

    Returns:
        The text, and the words, which joined are the text; none if no time is left.
    """
    parts = text.split(_PLACE)
    plain = "".join(parts)
    shown = tags.spaced(plain)
    if len(parts) == 1 or not shown:
        return shown, []
    # Where each part begins in the plain text, and when.
    places = list(accumulate(map(len, parts), initial=0))[:-1]
    anchors: list[tuple[int, float]] = [(0, start_s)]
    for place, time_s in zip(places[1:], times, strict=False):
        if anchors[-1][1] <= time_s <= end_s:
            anchors.append((place, time_s))
    if len(anchors) == 1:
        return shown, []
    line = _Line.through(plain, [*anchors, (len(plain), end_s)])
    words = []
    position = 0
    for match in _WORD.finditer(plain.rstrip(_SPACES)):
        begin = match.end() - len(match[0].lstrip(_SPACES))
        begin_s = line.starts_at(begin)
        # Only spaces differ between the two.
        until = shown.index(plain[begin : match.end()], position) + match.end() - begin
        text = shown[position:until]
        words.append(Word(begin_s, max(begin_s, line.ends_at(match.end())), text, 1.0))
        position = until
    return shown, words


@dataclass(frozen=True, slots=True)
class _Line:
    """When each character is said: parts from ``begins`` to ``ends``, each with two times."""

    begins: list[int]
    ends: list[int]
    times: list[tuple[float, float]]

    @classmethod
    def through(cls, plain: str, anchors: list[tuple[int, float]]) -> _Line:
        """Through points in the text with their times, the last at its end."""
        line = cls([], [], [])
        for (begin, start_s), (end, end_s) in pairwise(anchors):
            part = plain[begin:end]
            if part.strip(_SPACES):
                line.begins.append(end - len(part.lstrip(_SPACES)))
                line.ends.append(begin + len(part.rstrip(_SPACES)))
                line.times.append((start_s, end_s))
        return line

    def starts_at(self, place: int) -> float:
        """When what begins at ``place`` begins."""
        return self._time(max(0, bisect_right(self.begins, place) - 1), place)

    def ends_at(self, place: int) -> float:
        """When what ends before ``place`` ends."""
        return self._time(min(len(self.ends) - 1, bisect_left(self.ends, place)), place)

    def _time(self, part: int, place: int) -> float:
        start_s, end_s = self.times[part]
        length = self.ends[part] - self.begins[part]
        share = min(1.0, max(0.0, (place - self.begins[part]) / length))
        return round(start_s + (end_s - start_s) * share, 3)
