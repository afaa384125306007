"""Detects the language of a recording where somebody speaks.

An engine detects the language of the first 30 seconds that it is given, whatever they hold. Here it
is detected in windows that hold speech, and several of them vote if the first is unsure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.transcript import SpokenLanguage
from whisperctl.transcription.stages.timestamps import Stretch, joined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SURE = 0.5
"""From this probability one window decides, as in faster-whisper."""

_WINDOW = 30 * SAMPLE_RATE
"""Samples that an engine detects a language from."""

_MOST_WINDOWS = 5

_ENOUGH = 1 / 3
"""Share of speech in an engine's own window, from which its detection is used."""

_PAUSE = SAMPLE_RATE
"""Longest pause, in samples, that stays in the windows, so that speech keeps its rhythm."""


def is_sure(spoken: SpokenLanguage) -> bool:
    """True if one detection decides; a language that was not detected is certain."""
    return spoken.probability is None or spoken.probability >= SURE


class SpeechWindows:
    """Windows of speech in a chunk, to detect the language in.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono: the engine's input.
        speech: stretches of speech in ``samples``, in order and apart.
    """

    def __init__(self, samples: Samples, speech: Sequence[Stretch]) -> None:
        self._samples = samples
        self._speech = _with_pauses(speech)
        self._n_samples = sum(stretch.end - stretch.start for stretch in self._speech)

    def first_holds_speech(self) -> bool:
        """True if the first window of the samples holds enough speech to detect the language."""
        end = min(_WINDOW, len(self._samples))
        n_speech = sum(max(0, min(s.end, end) - s.start) for s in self._speech)
        return not self._speech or n_speech >= _ENOUGH * end

    def are_several(self) -> bool:
        """True if the speech fills more than one window."""
        return self._n_samples > _WINDOW

    def spread(self) -> list[Samples]:
        """Up to five windows of speech alone, evenly spread over all of it."""
        speech = joined(self._samples, self._speech)
        n = max(1, len(speech) // _WINDOW)
        chosen = min(n, _MOST_WINDOWS)
        starts = [i * (n - 1) // max(1, chosen - 1) * _WINDOW for i in range(chosen)]
        return [speech[start : start + _WINDOW] for start in starts]


def vote(
    windows: Iterable[Samples],
    detect: Callable[[Samples], SpokenLanguage],
    cast: Sequence[SpokenLanguage] = (),
) -> SpokenLanguage:
    """Language of the first window that is sure, or else the one with the highest sum.

    Args:
        windows: samples to detect the language in, at least one unless votes are cast; those after
            a sure one are not used.
        detect: returns the language of a window.
        cast: unsure votes so far.

    Returns:
        The winner, with the highest probability of the votes for it.
    """
    votes = list(cast)
    for window in windows:
        spoken = detect(window)
        if is_sure(spoken):
            return spoken
        votes.append(spoken)
    sums: defaultdict[str, float] = defaultdict(float)
    for spoken in votes:
        sums[spoken.code] += spoken.probability or 0.0
    winner = max(sums, key=lambda code: sums[code])
    return max(
        (spoken for spoken in votes if spoken.code == winner),
        key=lambda spoken: spoken.probability or 0.0,
    )


def _with_pauses(speech: Sequence[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for stretch in speech:
        if found and stretch.start - found[-1].end <= _PAUSE:
            found[-1] = replace(found[-1], end=stretch.end)
        else:
            found.append(stretch)
    return found
