"""When each word of a text is said, and how far two engines' times are apart."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whisperctl.compare.result import SegmentInfo, WordInfo
from whisperctl.compare.scoring.differences import TimeDeltas
from whisperctl.compare.scoring.splitting import spans
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


def time_deltas(baseline: Transcript, other: Transcript) -> TimeDeltas | None:
    """Compare the times of words that match but for case and punctuation.

    Returns:
        ``None`` if an engine gave no times of words, or no word matches.
    """
    pairs = list(_matched(baseline, other))
    if not pairs:
        return None
    starts = np.array([theirs.start_s - ours.start_s for ours, theirs in pairs])
    ends = np.abs([theirs.end_s - ours.end_s for ours, theirs in pairs])
    return TimeDeltas(
        n_words=len(pairs),
        start_mean_s=float(np.abs(starts).mean()),
        start_p95_s=float(np.percentile(np.abs(starts), 95)),
        end_mean_s=float(ends.mean()),
        end_p95_s=float(np.percentile(ends, 95)),
        bias_s=float(starts.mean()),
    )


def _matched(baseline: Transcript, other: Transcript) -> Iterator[tuple[WordInfo, WordInfo]]:
    """Words of both that are the same and have times of the engine's own."""
    if not all(any(s.words for s in transcript.segments) for transcript in (baseline, other)):
        return
    from rapidfuzz.distance import Levenshtein

    ours, theirs = (
        [word for segment in segments(transcript) for word in segment.words]
        for transcript in (baseline, other)
    )
    keys = [_key(word.text) for word in ours], [_key(word.text) for word in theirs]
    for opcode in Levenshtein.opcodes(*keys):
        if opcode.tag != "equal":
            continue
        alike = range(opcode.src_start, opcode.src_end)
        for i, j in zip(alike, range(opcode.dest_start, opcode.dest_end), strict=True):
            if keys[0][i] and ours[i].exact and theirs[j].exact:
                yield ours[i], theirs[j]


def _key(word: str) -> str:
    """What of a word is compared: letters, marks and digits, without case."""
    return "".join(c for c in word.casefold() if unicodedata.category(c)[0] in "LMN")
