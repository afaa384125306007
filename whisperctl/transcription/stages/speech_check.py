"""Drops text where nobody speaks.

A Whisper model makes text of anything: "Thank you." of silence, lyrics of a chord. With a voice
activity detector, text needs frames that may be speech. Without one, text over digital silence is
dropped, and text that the model itself gives a low probability. Descriptions of sounds, such as
"[Music]", are always dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.protocol import FRAME_S
from whisperctl.transcript import Segment
from whisperctl.transcription.quality import Tally
from whisperctl.transcription.stages import Stage
from whisperctl.transcription.stages.timestamps import Stretch, stretches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.engine.protocol import Detection

POSSIBLE_SPEECH = 0.25
"""Silero's probability from which a frame may be speech: half of what makes it speech."""

_FRAMES = 5
_WITHIN = 31
"""Somebody speaks where so many frames within a second may be speech. Silence, noise and hum have
none, chords and arpeggios up to two in twenty seconds; speech at -46 dB, or under noise or music as
loud as itself, has twenty and more in most seconds."""

_MARGIN_S = 0.3
"""Error of a segment's times."""

_SILENT = 1e-4
"""Largest absolute sample of digital silence: three steps of 16 bits."""

_SOUND = re.compile(r"\s*(?:[\[(*♪♫].*[\])*♪♫]|[♪♫]+)\s*", re.DOTALL)
"""Text that describes a sound: "[Music]", "(water running)", "*sighs*"."""

_NO_SPEECH = 0.6
_LOG_PROBABILITY = -0.7
"""Above this no-speech probability and below this mean log probability of tokens, text is dropped
without a detector. whisper.cpp's bound is -1.0, which most of its text over noise passes."""


class ChunkSpeech:
    """Speech in one chunk, as far as a detector or the samples tell.

    Args:
        start: first sample of the chunk in the recording.
        samples: float32, shape (n_samples,), 16 kHz mono.
        detection: the detector's result for ``samples``, if there is a detector.
    """

    def __init__(
        self, start: int, samples: NDArray[np.float32], detection: Detection | None
    ) -> None:
        self._start = start
        self._samples = samples
        self._detection = detection

    def is_possible(self) -> bool:
        """True unless the chunk contains no speech for certain."""
        if self._detection is not None:
            return _holds_speech(self._detection.probabilities)
        return self._peak(0, len(self._samples)) > _SILENT

    def is_detected(self) -> bool:
        """True if there is a detector and it found speech."""
        return self._detection is not None and self.is_possible()

    def stretches(self) -> list[Stretch]:
        """Stretches of possible speech in samples of the chunk; audible ones without a detector.

        Empty only if ``is_possible`` is false.
        """
        import numpy as np

        n_samples = len(self._samples)
        if self._detection is not None and self._detection.spans:
            return stretches(self._detection.spans, n_samples)
        frame = round(FRAME_S * SAMPLE_RATE)
        if self._detection is not None:
            frames = self._detection.probabilities > POSSIBLE_SPEECH
        else:
            levels = np.abs(self._samples)
            frames = np.maximum.reduceat(levels, np.arange(0, n_samples, frame)) > _SILENT
        edges = np.flatnonzero(np.diff(frames, prepend=False, append=False))
        return [
            Stretch(int(begin) * frame, min(n_samples, int(end) * frame))
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
            if begin * frame < n_samples
        ]

    def supports(self, segment: Segment) -> bool:
        """True if a segment, in the recording's time, may be speech."""
        if _SOUND.fullmatch(segment.text):
            return False
        start_s = segment.start_s - _MARGIN_S - self._start / SAMPLE_RATE
        end_s = segment.end_s + _MARGIN_S - self._start / SAMPLE_RATE
        if self._detection is not None:
            first = max(0, math.floor(start_s / FRAME_S))
            frames = self._detection.probabilities[first : max(0, math.ceil(end_s / FRAME_S))]
            return not len(frames) or _holds_speech(frames)  # without frames, nobody knows
        first = max(0, math.floor(start_s * SAMPLE_RATE))
        if self._peak(first, max(first, math.ceil(end_s * SAMPLE_RATE))) <= _SILENT:
            return False
        is_no_speech = (segment.no_speech_probability or 0.0) > _NO_SPEECH
        return not (is_no_speech and _log_probability(segment) < _LOG_PROBABILITY)

    def _peak(self, start: int, end: int) -> float:
        part = self._samples[start:end]
        return max(float(part.max()), -float(part.min())) if len(part) else math.inf


class SpeechCheck(Stage):
    """Drop segments where nobody speaks, and count them in ``tally``."""

    def __init__(self, speech: ChunkSpeech, tally: Tally) -> None:
        self._speech = speech
        self._tally = tally

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment if it may be speech."""
        if self._speech.supports(segment):
            yield segment
        else:
            self._tally.n_dropped += 1


def _holds_speech(probabilities: NDArray[np.float32]) -> bool:
    """True if enough frames of any second may be speech; fewer frames need as many as there are."""
    import numpy as np

    n = len(probabilities)
    sums = np.cumsum(np.concatenate([np.zeros(1), probabilities > POSSIBLE_SPEECH]))
    width = min(n, _WITHIN)
    return n > 0 and bool((sums[width:] - sums[: n + 1 - width] >= min(_FRAMES, n)).any())


def _log_probability(segment: Segment) -> float:
    """Mean of the tokens' log probabilities; 0 without tokens."""
    logs = [math.log(max(token.probability, 1e-10)) for token in segment.tokens]
    return sum(logs) / len(logs) if logs else 0.0
