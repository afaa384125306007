"""What one text has other than another: the results of ``score``, plain data.

Words are what stands between white space, case and punctuation included, but for ``normalized``;
in scripts without spaces each character is one (``splitting.split``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpanKind = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Errors:
    """Counts of an alignment. ``rate`` is (S + D + I) / ``n_reference``, 1 if that is 0 and I not.

    ``n_reference`` counts the reference's words (WER) or characters (CER).
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    n_reference: int


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Words that belong together: ``[start, end)`` of the reference's and of the text's."""

    kind: SpanKind
    reference_start: int
    reference_end: int
    text_start: int
    text_end: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a text is from a reference.

    ``identical`` texts have the same characters; white space of any kind and length is the same.
    ``spans`` align the words of both from beginning to end. ``normalized_*`` are of both after
    Whisper's normalizer (English: spelling, numbers, contractions; others: case and punctuation);
    the English one is used when the text is English.
    """

    identical: bool
    wer: Errors
    cer: Errors
    normalized_wer: Errors
    normalized_cer: Errors
    spans: tuple[WordSpan, ...]


@dataclass(frozen=True, slots=True)
class TokenAgreement:
    """Tokens of text that two engines have in common, aligned; ``n`` is of the longer of the two.

    ``rate`` is ``n_equal / n``, 1 when neither has any.
    """

    rate: float
    n_equal: int
    n: int


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two token sequences part first: after ``n_tokens`` that are the same.

    ``time_s`` is where that is in the recording, by the baseline's times. The texts are what each
    says from there on, a few words; empty where it ends. A word that either is in the middle of is
    whole in both.
    """

    n_tokens: int
    time_s: float
    baseline: str
    text: str


@dataclass(frozen=True, slots=True)
class TimeDeltas:
    """How far apart the times of matched words are, in seconds, without sign but for ``bias_s``.

    ``n_words`` is how many words match. ``bias_s`` is the mean of start minus the baseline's start.
    """

    n_words: int
    start_mean_s: float
    start_p95_s: float
    end_mean_s: float
    end_p95_s: float
    bias_s: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far an engine says the same as the baseline.

    ``tokens`` is ``None`` where an engine gives no tokens or the vocabularies differ,
    ``divergence`` also where the tokens are the same; ``times`` where no word times are known.
    """

    difference: Difference
    tokens: TokenAgreement | None
    divergence: Divergence | None
    times: TimeDeltas | None
