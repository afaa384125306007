"""Which language a recording is in, decided from where somebody speaks.

An engine detects the language of the first 30 seconds that it is given, whatever they hold. Here
the windows that are looked at hold speech, and several of them vote when the first is unsure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.transcript import SpokenLanguage
from whisperctl.transcription.stages.timeline import Stretch, joined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SURE = 0.5
"""From this probability one window decides, as in faster-whisper."""

_WINDOW = 30 * SAMPLE_RATE
"""Samples that an engine takes to detect a language."""

_MOST_WINDOWS = 5

_ENOUGH = 1 / 3
"""An engine's own detection is relied on where this share of its window is speech."""

_PAUSE = SAMPLE_RATE
"""Pauses up to this many samples stay in the windows, so that speech keeps its rhythm."""


def is_sure(spoken: SpokenLanguage) -> bool:
    """Whether one detection decides; what was not detected is certain."""
    return spoken.probability is None or spoken.probability >= SURE


class SpeechWindows:
    """The windows of a chunk that hold speech.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono: what the engine is given.
        speech: where in them somebody speaks, in order and apart.
    """

    def __init__(self, samples: Samples, speech: Sequence[Stretch]) -> None:
        self._samples = samples
        self._speech = _with_pauses(speech)
        self._n_samples = sum(stretch.end - stretch.start for stretch in self._speech)

    def lead(self) -> bool:
        """Whether the first window of the samples holds enough speech to detect a language by."""
        end = min(_WINDOW, len(self._samples))
        heard = sum(max(0, min(s.end, end) - s.start) for s in self._speech)
        return not self._speech or heard >= _ENOUGH * end

    def several(self) -> bool:
        """Whether there is so much speech that other windows may tell more."""
        return self._n_samples > _WINDOW

    def spread(self) -> list[Samples]:
        """A few windows of nothing but speech, evenly spread over all of it."""
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
    """The language of the first window that is sure, else the one with the most probability.

    Args:
        windows: samples to detect by, at least one unless votes are cast; those after a sure one
            are not looked at.
        detect: gives the language of a window.
        cast: unsure votes from before.

    Returns:
        The winner; of several votes for it, the probability is the highest.
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
