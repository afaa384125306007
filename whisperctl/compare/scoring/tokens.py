"""What two engines' tokens have in common, and where they part."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from whisperctl.compare.scoring.differences import Divergence, TokenAgreement
from whisperctl.compare.scoring.splitting import join, spans
from whisperctl.transcript import Segment, Token, Transcript

_SHOWN_WORDS = 5


@dataclass(frozen=True, slots=True)
class _Placed:
    """A token, and when its segment's share of it begins."""

    token: Token
    start_s: float


def token_ids(transcript: Transcript) -> tuple[int, ...]:
    """The ids of all tokens of text, as the engine gave them."""
    return tuple(placed.token.id for placed in _placed(transcript.segments))


def comparable(baseline: Transcript, other: Transcript) -> bool:
    """Whether tokens of two transcripts can be compared.

    They cannot where an engine gave text without tokens, or where the vocabularies are seen to
    differ: an id stands for other bytes, or bytes have another id.
    """
    by_id: dict[int, bytes] = {}
    by_data: dict[bytes, int] = {}
    for transcript in (baseline, other):
        if any(segment.text.strip() and not segment.tokens for segment in transcript.segments):
            return False
        for token in (placed.token for placed in _placed(transcript.segments)):
            if not _alike(by_id.setdefault(token.id, token.data), token.data):
                return False
            if by_data.setdefault(token.data, token.id) != token.id:
                return False
    return True


def _alike(one: bytes, other: bytes) -> bool:
    """Whether two engines' bytes can be one token's.

    At the end of a text a token may lack its last bytes, where they begin a character that never
    came (``words.Utf8Joiner``).
    """
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    return long.startswith(short) and "\ufffd" in long.decode("utf-8", errors="replace")


def agreement(baseline: Transcript, other: Transcript) -> TokenAgreement | None:
    """How many tokens are the same, aligned with the fewest edits; ``None`` if not comparable."""
    if not comparable(baseline, other):
        return None
    from rapidfuzz.distance import Levenshtein

    ours, theirs = token_ids(baseline), token_ids(other)
    n = max(len(ours), len(theirs))
    n_equal = sum(
        opcode.src_end - opcode.src_start
        for opcode in Levenshtein.opcodes(ours, theirs)
        if opcode.tag == "equal"
    )
    return TokenAgreement(rate=n_equal / n if n else 1.0, n_equal=n_equal, n=n)


def divergence(baseline: Transcript, other: Transcript) -> Divergence | None:
    """Where the tokens part first; ``None`` if they do not, or are not comparable."""
    if not comparable(baseline, other):
        return None
    ours, theirs = list(_placed(baseline.segments)), list(_placed(other.segments))
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
        [placed.token for placed in ours], [placed.token for placed in theirs], n_same
    )
    return Divergence(n_same, round(time_s, 3), baseline=before, text=after)


def _placed(segments: Sequence[Segment]) -> Iterator[_Placed]:
    """All tokens in order, whole again where segments were made to hold whole characters."""
    last: _Placed | None = None
    for segment in segments:
        n_bytes = sum(len(token.data) for token in segment.tokens) or 1
        n_before = 0
        for i, token in enumerate(segment.tokens):
            share = (segment.end_s - segment.start_s) * n_before / n_bytes
            start_s = segment.start_s + share if token.start_s is None else token.start_s
            n_before += len(token.data)
            if last is not None:
                # One id with other bytes is the rest of a token, see ``words.Utf8Joiner``.
                if i == 0 and last.token.id == token.id and last.token.data != token.data:
                    whole = replace(last.token, data=last.token.data + token.data)
                    last = replace(last, token=whole)
                    continue
                yield last
            last = _Placed(token, start_s)
    if last is not None:
        yield last


def _words_from(ours: Sequence[Token], theirs: Sequence[Token], n_same: int) -> tuple[str, str]:
    """The first words of both after the tokens that are the same.

    A word that either is in the middle of is shown whole, and in both.
    """
    texts = []
    for tokens in (ours, theirs):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        before = decoder.decode(b"".join(token.data for token in tokens[:n_same]))
        after = b"".join(token.data for token in tokens[n_same:])
        texts.append(before + decoder.decode(after, final=True))
        n_before = len(before)  # without a character that is not whole yet
    start = min(next(_spans_after(text, n_before), (n_before, 0))[0] for text in texts)
    one, two = (
        join(text[a:b] for a, b in islice(_spans_after(text, start), _SHOWN_WORDS))
        for text in texts
    )
    return one, two


def _spans_after(text: str, offset: int) -> Iterator[tuple[int, int]]:
    return ((start, end) for start, end in spans(text) if end > offset)
