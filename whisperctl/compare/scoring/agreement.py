"""How far two engines say the same of one recording."""

from __future__ import annotations

from whisperctl.compare.scoring import tokens
from whisperctl.compare.scoring.differences import Agreement
from whisperctl.compare.scoring.texts import difference, text_language
from whisperctl.compare.scoring.timed_words import time_deltas
from whisperctl.transcript import Transcript


def agreement(baseline: Transcript, other: Transcript) -> Agreement:
    """Compare a transcript with the baseline's, as text, tokens and times of words."""
    return Agreement(
        difference=difference(baseline.text, other.text, language=text_language(baseline)),
        tokens=tokens.agreement(baseline, other),
        divergence=tokens.divergence(baseline, other),
        times=time_deltas(baseline, other),
    )
