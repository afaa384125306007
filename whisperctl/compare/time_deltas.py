"""How far apart two engines' times of the same words are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np

from whisperctl.compare.comparison import WordInfo
from whisperctl.compare.differences import TimeDeltas
from whisperctl.compare.timed_words import segments
from whisperctl.transcript import Transcript


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
