"""Whether somebody speaks where text was decoded.

A Whisper model makes text of anything: "Thank you." of silence, lyrics of a chord. A voice activity
detector is asked where there is one. Without one, what is digitally silent is no speech, and
neither is text that the model itself does not believe in. What the model itself calls a sound,
"[Music]", never is.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.speech import FRAME_S
from whisperctl.transcript import Segment
from whisperctl.transcription.stages.timeline import Stretch, stretches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.engine.speech import Detection

HEARD = 0.25
"""Silero's probability from which a frame may be speech: half of what makes it speech."""

_FRAMES = 5
_WITHIN = 31
"""So many such frames within a second are somebody speaking. Silence, noise and hum have none,
chords and arpeggios up to two in twenty seconds; speech at -46 dB, or under noise or music as loud
as itself, has twenty and more in most seconds."""

_MARGIN_S = 0.3
"""A segment's times are this inexact."""

_SILENT = 1e-4
"""The largest sample of what nobody can hear: three steps of 16 bits."""

_ASIDE = re.compile(r"\s*(?:[\[(*♪♫].*[\])*♪♫]|[♪♫]+)\s*", re.DOTALL)
"""What a model writes of what is no speech: "[Music]", "(water running)", "*sighs*"."""

_UNHEARD = 0.6
_DOUBTFUL = -0.7
"""From the model's own no-speech probability, and below this mean log probability of tokens, text
is not believed. whisper.cpp's bound is -1.0, which most of what it makes of noise passes."""


class SpeechCheck:
    """What is heard in one chunk; times are seconds of the recording."""

    def __init__(
        self, start: int, samples: NDArray[np.float32], detection: Detection | None
    ) -> None:
        """Look at a chunk.

        Args:
            start: the sample of the recording at which it begins.
            samples: float32, shape (n_samples,), 16 kHz mono.
            detection: what the detector found in it, where there is one.
        """
        self._start = start
        self._samples = samples
        self._detection = detection

    def anything(self) -> bool:
        """Whether there may be speech anywhere in the chunk."""
        if self._detection is not None:
            return _speech_in(self._detection.probabilities)
        return self._loudest(0, len(self._samples)) > _SILENT

    def speech(self) -> list[Stretch]:
        """Where somebody may speak, in samples of the chunk; without a detector, what is audible.

        Empty where nothing is, and never where ``anything`` is true.
        """
        import numpy as np

        n_samples = len(self._samples)
        if self._detection is not None and self._detection.spans:
            return stretches(self._detection.spans, n_samples)
        frame = round(FRAME_S * SAMPLE_RATE)
        if self._detection is not None:
            frames = self._detection.probabilities > HEARD
        else:
            levels = np.abs(self._samples)
            frames = np.maximum.reduceat(levels, np.arange(0, n_samples, frame)) > _SILENT
        edges = np.flatnonzero(np.diff(frames, prepend=False, append=False))
        return [
            Stretch(int(begin) * frame, min(n_samples, int(end) * frame))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
            if begin * frame < n_samples
        ]

    def speech_is_detected(self) -> bool:
        """Whether a detector heard speech; without one, nobody knows."""
        return self._detection is not None and self.anything()

    def supports(self, segment: Segment) -> bool:
        """Whether a segment of the chunk can be something that was said."""
        if _ASIDE.fullmatch(segment.text):
            return False
        start_s = segment.start_s - _MARGIN_S - self._start / SAMPLE_RATE
        end_s = segment.end_s + _MARGIN_S - self._start / SAMPLE_RATE
        if self._detection is not None:
            first = max(0, math.floor(start_s / FRAME_S))
            frames = self._detection.probabilities[first : max(0, math.ceil(end_s / FRAME_S))]
            return not len(frames) or _speech_in(frames)  # without frames, nobody knows
        first = max(0, math.floor(start_s * SAMPLE_RATE))
        if self._loudest(first, max(first, math.ceil(end_s * SAMPLE_RATE))) <= _SILENT:
            return False
        unheard = (segment.no_speech_probability or 0.0) > _UNHEARD
        return not (unheard and _log_probability(segment) < _DOUBTFUL)

    def _loudest(self, start: int, end: int) -> float:
        part = self._samples[start:end]
        return max(float(part.max()), -float(part.min())) if len(part) else math.inf


def _speech_in(probabilities: NDArray[np.float32]) -> bool:
    """Whether enough frames of any second may be speech; of fewer frames, as many as there are."""
    import numpy as np

    n = len(probabilities)
    sums = np.cumsum(np.concatenate([np.zeros(1), probabilities > HEARD]))
    width = min(n, _WITHIN)
    return n > 0 and bool((sums[width:] - sums[: n + 1 - width] >= min(_FRAMES, n)).any())


def _log_probability(segment: Segment) -> float:
    """Mean of the tokens' log probabilities; 0 without tokens."""
    logs = [math.log(max(token.probability, 1e-10)) for token in segment.tokens]
    return sum(logs) / len(logs) if logs else 0.0
