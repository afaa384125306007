"""When each word of a text is said."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from whisperctl.compare.comparison import SegmentInfo, WordInfo
from whisperctl.compare.splitting import spans
from whisperctl.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters of the whole text whose time is known; within it they take the same time each."""

    start: int
    end: int
    start_s: float
    end_s: float
    exact: bool

    def at(self, offset: int) -> float:
        """The time of a place in the text, in seconds."""
        share = (offset - self.start) / (self.end - self.start)
        return self.start_s + (self.end_s - self.start_s) * min(1.0, max(0.0, share))


def segments(transcript: Transcript) -> tuple[SegmentInfo, ...]:
    """The segments of a transcript with their words.

    The words of all segments are, in order, those of ``splitting.split(transcript.text)``. A word
    that the model cut in two belongs to the segment in which it begins, and ends in the other.
    """
    text = "".join(segment.text for segment in transcript.segments)
    starts: list[int] = []
    pieces: list[_Piece] = []
    n = 0
    for segment in transcript.segments:
        starts.append(n)
        pieces += _pieces(segment, n)
        n += len(segment.text)
    words: list[list[WordInfo]] = [[] for _ in transcript.segments]
    begins = [piece.start for piece in pieces]
    for start, end in spans(text):
        first = pieces[bisect_right(begins, start) - 1]
        last = pieces[bisect_right(begins, end - 1) - 1]
        start_s = round(first.at(start), 3)
        word = WordInfo(
            start_s=start_s,
            end_s=max(start_s, round(last.at(end), 3)),
            text=text[start:end],
            exact=first.exact and last.exact,
        )
        words[bisect_right(starts, start) - 1].append(word)
    return tuple(
        SegmentInfo(segment.start_s, segment.end_s, segment.text, tuple(found))
        for segment, found in zip(transcript.segments, words, strict=True)
    )


def _pieces(segment: Segment, offset: int) -> Iterator[_Piece]:
    """The parts of a segment, without white space at their ends, that have a time of their own.

    Args:
        segment: its words are used if they are in its text, in order.
        offset: where the segment begins in the whole text.
    """
    found: list[_Piece] = []
    at = 0
    for word in segment.words:
        bare = word.text.strip()
        if not bare:
            continue
        start = segment.text.find(bare, at)
        if start < 0 or segment.text[at:start].strip():
            found = []
            break
        at = start + len(bare)
        found.append(_Piece(offset + start, offset + at, word.start_s, word.end_s, exact=True))
    bare = segment.text.strip()
    if found and not segment.text[at:].strip():
        yield from found
    elif bare:
        start = offset + segment.text.index(bare)
        yield _Piece(start, start + len(bare), segment.start_s, segment.end_s, exact=False)
