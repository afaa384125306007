"""Agreement of two transcripts of one recording: text, tokens, and times of words."""

from __future__ import annotations

import codecs
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from whisperctl.compare.result import (
    Agreement,
    Divergence,
    SegmentInfo,
    TimeDeltas,
    TokenAgreement,
    WordInfo,
)
from whisperctl.compare.scoring import wer
from whisperctl.transcript import Segment, Token, Transcript

_CONTEXT_WORDS = 5
"""Words shown of each text at a divergence."""


def agreement(baseline: Transcript, other: Transcript) -> Agreement:
    """Compare a transcript with the baseline's: text, tokens and times of words."""
    return Agreement(
        difference=wer.difference(baseline.text, other.text, language=wer.text_language(baseline)),
        tokens=token_agreement(baseline, other),
        divergence=divergence(baseline, other),
        times=time_deltas(baseline, other),
    )


@dataclass(frozen=True, slots=True)
class _TimedToken:
    """Token with its start time, which is interpolated if the engine gave none."""

    token: Token
    start_s: float


def token_ids(transcript: Transcript) -> tuple[int, ...]:
    """IDs of all text tokens, as the engine gave them."""
    return tuple(timed.token.id for timed in _timed_tokens(transcript.segments))


def comparable(baseline: Transcript, other: Transcript) -> bool:
    """True if the tokens of two transcripts can be compared.

    They cannot if an engine gave text without tokens, or if the vocabularies differ: an ID stands
    for different bytes, or the same bytes have different IDs.
    """
    by_id: dict[int, bytes] = {}
    by_data: dict[bytes, int] = {}
    for transcript in (baseline, other):
        if any(segment.text.strip() and not segment.tokens for segment in transcript.segments):
            return False
        for token in (timed.token for timed in _timed_tokens(transcript.segments)):
            if not _same_token(by_id.setdefault(token.id, token.data), token.data):
                return False
            if by_data.setdefault(token.data, token.id) != token.id:
                return False
    return True


def _same_token(one: bytes, other: bytes) -> bool:
    """True if two engines' bytes can be those of one token.

    At the end of a text a token may lack its last bytes if they begin a character that was never
    completed (``words.Utf8Joiner``).
    """
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    return long.startswith(short) and "\ufffd" in long.decode("utf-8", errors="replace")


def token_agreement(baseline: Transcript, other: Transcript) -> TokenAgreement | None:
    """Number of equal tokens in the alignment with the fewest edits; ``None`` if not comparable."""
    if not comparable(baseline, other):
        return None
    from rapidfuzz.distance import Levenshtein

    baseline_ids, other_ids = token_ids(baseline), token_ids(other)
    n = max(len(baseline_ids), len(other_ids))
    n_equal = sum(
        opcode.src_end - opcode.src_start
        for opcode in Levenshtein.opcodes(baseline_ids, other_ids)
        if opcode.tag == "equal"
    )
    return TokenAgreement(rate=n_equal / n if n else 1.0, n_equal=n_equal, n=n)


def divergence(baseline: Transcript, other: Transcript) -> Divergence | None:
    """First point at which the tokens differ; ``None`` if they do not, or are not comparable."""
    if not comparable(baseline, other):
        return None
    ours = list(_timed_tokens(baseline.segments))
    theirs = list(_timed_tokens(other.segments))
    n_same = 0
    for one, two in zip(ours, theirs, strict=False):
        if one.token.id != two.token.id:
            break
        n_same += 1
    if n_same == len(ours) == len(theirs):
        return None
    if n_same < len(ours):
        time_s = ours[n_same].start_s
    else:
        time_s = max((segment.end_s for segment in baseline.segments), default=0.0)
    before, after = _words_from(
        [timed.token for timed in ours], [timed.token for timed in theirs], n_same
    )
    return Divergence(n_same, round(time_s, 3), baseline=before, text=after)


def _timed_tokens(segments: Sequence[Segment]) -> Iterator[_TimedToken]:
    """All tokens in order, rejoined where they were split to give segments whole characters."""
    last: _TimedToken | None = None
    for segment in segments:
        n_bytes = sum(len(token.data) for token in segment.tokens) or 1
        n_before = 0
        for i, token in enumerate(segment.tokens):
            share = (segment.end_s - segment.start_s) * n_before / n_bytes
            start_s = segment.start_s + share if token.start_s is None else token.start_s
            n_before += len(token.data)
            if last is not None:
                # The same ID with other bytes is the rest of a token, see ``words.Utf8Joiner``.
                if i == 0 and last.token.id == token.id and last.token.data != token.data:
                    whole = replace(last.token, data=last.token.data + token.data)
                    last = replace(last, token=whole)
                    continue
                yield last
            last = _TimedToken(token, start_s)
    if last is not None:
        yield last


def _words_from(ours: Sequence[Token], theirs: Sequence[Token], n_same: int) -> tuple[str, str]:
    """First words of both texts after ``n_same`` tokens.

    A word that is split at this point in either text is given in full in both.
    """
    texts = []
    for tokens in (ours, theirs):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        before = decoder.decode(b"".join(token.data for token in tokens[:n_same]))
        after = b"".join(token.data for token in tokens[n_same:])
        texts.append(before + decoder.decode(after, final=True))
        n_before = len(before)  # without a character that is still incomplete
    start = min(next(_spans_after(text, n_before), (n_before, 0))[0] for text in texts)
    one, two = (
        wer.join_words(text[a:b] for a, b in islice(_spans_after(text, start), _CONTEXT_WORDS))
        for text in texts
    )
    return one, two


def _spans_after(text: str, offset: int) -> Iterator[tuple[int, int]]:
    return ((start, end) for start, end in wer.word_spans(text) if end > offset)


@dataclass(frozen=True, slots=True)
class _TimedSpan:
    """Characters of the whole text with a known time, which is spread evenly over them."""

    start: int
    end: int
    start_s: float
    end_s: float
    exact: bool

    def at(self, offset: int) -> float:
        """Time of a character offset, in seconds."""
        share = (offset - self.start) / (self.end - self.start)
        return self.start_s + (self.end_s - self.start_s) * min(1.0, max(0.0, share))


def timed_segments(transcript: Transcript) -> tuple[SegmentInfo, ...]:
    """Segments of a transcript with their words.

    The words of all segments, in order, are those of ``wer.split_words(transcript.text)``. A word
    that the model split between two segments belongs to the first and ends in the second.
    """
    text = "".join(segment.text for segment in transcript.segments)
    starts: list[int] = []
    timed: list[_TimedSpan] = []
    n = 0
    for segment in transcript.segments:
        starts.append(n)
        timed += _timed_spans(segment, n)
        n += len(segment.text)
    words: list[list[WordInfo]] = [[] for _ in transcript.segments]
    timed_starts = [span.start for span in timed]
    for start, end in wer.word_spans(text):
        first = timed[bisect_right(timed_starts, start) - 1]
        last = timed[bisect_right(timed_starts, end - 1) - 1]
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


def _timed_spans(segment: Segment, offset: int) -> Iterator[_TimedSpan]:
    """Parts of a segment with a known time: its words, or else its whole text.

    Args:
        segment: its words are used only if they occur in its text in order.
        offset: start of the segment in the whole text.
    """
    found: list[_TimedSpan] = []
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
        found.append(_TimedSpan(offset + start, offset + at, word.start_s, word.end_s, exact=True))
    bare = segment.text.strip()
    if found and not segment.text[at:].strip():
        yield from found
    elif bare:
        start = offset + segment.text.index(bare)
        end = start + len(bare)
        yield _TimedSpan(start, end, segment.start_s, segment.end_s, exact=False)


def time_deltas(baseline: Transcript, other: Transcript) -> TimeDeltas | None:
    """Compare the times of words that are equal but for case and punctuation.

    Returns:
        ``None`` if an engine gave no word times, or no words match.
    """
    pairs = list(_matching_words(baseline, other))
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


def _matching_words(baseline: Transcript, other: Transcript) -> Iterator[tuple[WordInfo, WordInfo]]:
    """Pairs of equal words that both have exact times."""
    if not all(any(s.words for s in transcript.segments) for transcript in (baseline, other)):
        return
    from rapidfuzz.distance import Levenshtein

    ours, theirs = (
        [word for segment in timed_segments(transcript) for word in segment.words]
        for transcript in (baseline, other)
    )
    keys = [_key(word.text) for word in ours], [_key(word.text) for word in theirs]
    for opcode in Levenshtein.opcodes(*keys):
        if opcode.tag != "equal":
            continue
        matched = range(opcode.src_start, opcode.src_end)
        for i, j in zip(matched, range(opcode.dest_start, opcode.dest_end), strict=True):
            if keys[0][i] and ours[i].exact and theirs[j].exact:
                yield ours[i], theirs[j]


def _key(word: str) -> str:
    """Letters, marks and digits of a word, in lower case, for comparison."""
    return "".join(c for c in word.casefold() if unicodedata.category(c)[0] in "LMN")
