"""Voice activity detection by a Silero model, with whisper.cpp's rules of what is speech."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisperctl.engine.protocol import Detection
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.whisper_params import VadParams, detection, vad_params
from whisperctl.errors import BackendError
from whisperctl.options import VadOptions
from whisperctl.text import quoted
from whisperctl_faster_whisper.silero import FRAME, Silero

_RATE = 16_000
_HYSTERESIS = np.float32(0.15)
_LEAST = np.float32(0.01)
"""Speech ends below its threshold less the hysteresis, but at no less than this probability."""

_CUT_MS = 98
"""Silence longer than this is where speech that is too long is cut."""

_GAP_MS = 200
"""Spans of speech with less between them are one."""

_UNLIMITED_S = 100_000


class FasterWhisperDetector(Handle):
    """One loaded Silero model; see ``whisperctl.engine.protocol.Detector``.

    Raises:
        ModelError: the model cannot be read, or is not a whole one.
    """

    def __init__(self, model: Path) -> None:
        super().__init__("detector")
        self._model = model
        self._network: Silero | None = Silero.open(model)

    def detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        """See ``whisperctl.engine.protocol.Detector.detect``."""
        with self.use():
            assert self._network is not None
            samples = np.ascontiguousarray(samples, dtype=np.float32)
            found = self._network.probabilities(samples, self._check_open)
            if not np.isfinite(found).all():
                raise BackendError(
                    f"{quoted(self._model)} gives probabilities that are not numbers: pull or copy "
                    "the model again"
                )
            return detection(spans(found, vad_params(options)), found, len(samples), options)

    def _request_stop(self) -> None:
        """Nothing to do: a run looks now and then whether the detector was closed."""

    def _free(self) -> None:
        self._network = None


def spans(probabilities: npt.NDArray[np.float32], params: VadParams) -> list[tuple[float, float]]:
    """Start and end of each span of speech in hundredths of a second.

    As ``whisper_vad_segments_from_probs`` in whisper.cpp finds them.

    Args:
        probabilities: float32, shape (n_frames,).
        params: what counts as speech.
    """
    joined: list[list[int]] = []
    for start, end in _spoken(probabilities, params):
        if joined and start - joined[-1][1] < _samples(_GAP_MS):
            joined[-1][1] = end
        else:
            joined.append([start, end])
    shortest = _samples(params["min_speech_duration_ms"])
    found = [span for span in joined if span[1] - span[0] >= shortest]
    padding = _samples(params["speech_pad_ms"])
    for before, after in pairwise(found):
        half = min(padding, (after[0] - before[1]) // 2)
        before[1] += half
        after[0] -= half
    if found:
        found[0][0] = max(0, found[0][0] - padding)
        found[-1][1] = min(len(probabilities) * FRAME, found[-1][1] + padding)
    return [(_hundredths(start), _hundredths(end)) for start, end in found]


def _spoken(probabilities: npt.NDArray[np.float32], params: VadParams) -> Iterator[tuple[int, int]]:
    """First sample of each span of speech and the one after its last, neither joined nor padded."""
    threshold = np.float32(params["threshold"])
    lower = float(max(threshold - _HYSTERESIS, _LEAST))
    upper = float(threshold)
    shortest = _samples(params["min_speech_duration_ms"])
    silence = _samples(params["min_silence_duration_ms"])
    longest = _longest(params)
    start: int | None = None
    # Where the silence under way began, the last long one before it, and what came after that.
    quiet = cut = resumed = 0
    for i, probability in enumerate(probabilities.tolist()):
        at = i * FRAME
        if probability >= upper:
            if quiet and resumed < cut:
                resumed = at
            quiet = 0
            if start is None:
                start = at
                continue
        if start is not None and at - start > longest:
            yield start, cut or at
            start = resumed if cut and resumed >= cut else None
            quiet = cut = resumed = 0
        if probability < lower and start is not None:
            quiet = quiet or at
            if at - quiet > _samples(_CUT_MS):
                cut = quiet
            if at - quiet >= silence:
                if quiet - start > shortest:
                    yield start, quiet
                start = None
                quiet = cut = resumed = 0
    if start is not None and len(probabilities) * FRAME - start > shortest:
        yield start, len(probabilities) * FRAME


def _longest(params: VadParams) -> float:
    """Samples after which speech is cut."""
    limit_s = params["max_speech_duration_s"]
    longest = _RATE * int(limit_s) - FRAME - 2 * _samples(params["speech_pad_ms"])
    return math.inf if limit_s > _UNLIMITED_S or longest < 0 else longest


def _samples(duration_ms: int) -> int:
    return _RATE * duration_ms // 1000


def _hundredths(sample: int) -> int:
    return int(sample / _RATE * 100 + 0.5)
