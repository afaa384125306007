"""Real speech with its words, which comes along in the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE, Audio

BEGINNING = "And so, my fellow Americans"
BEGINNING_S = 3.5
"""What is said first, and when that has been said."""


def sample(name: str) -> Path:
    """A file of ``samples``, as installed with the package or as it is in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "samples" / name
    return installed if installed.exists() else here.parents[1] / "samples" / name


def recording() -> Audio:
    """Eleven seconds of clear English."""
    return audio.load(sample("jfk.wav"))


def reference() -> str:
    """What is said in it."""
    return sample("jfk.txt").read_text(encoding="utf-8")


def beginning(whole: Audio, seconds: float) -> Audio:
    """The first seconds of a recording."""
    return Audio(whole.samples[: round(seconds * SAMPLE_RATE)], f"the first {seconds} s")


def repeated(whole: Audio, times: int) -> Audio:
    """A recording several times over."""
    return Audio(np.tile(whole.samples, times), f"{times} times over")


def word_error_rate(expected: str, text: str) -> float:
    """How many words are wrong, once spelling and punctuation are what Whisper's own tests make."""
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize = EnglishTextNormalizer()
    return float(jiwer.wer(normalize(expected), normalize(text)))
