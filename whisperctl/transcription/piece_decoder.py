"""One piece of audio through the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from whisperctl.audio import Audio
from whisperctl.backend import OnSegment, Session
from whisperctl.decoding import DecodeOptions
from whisperctl.transcript import Transcript
from whisperctl.transcription.timings import TimingsSum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PieceDecoder:
    """Decodes pieces one after the other; what they took is counted in ``timings``.

    ``language`` and ``language_probability`` are those of the run before; empty and ``None`` before
    any. ``system_info`` is the engine's.
    """

    def __init__(self, session: Session, source: str) -> None:
        self.timings = TimingsSum()
        self.language = ""
        self.language_probability: float | None = None
        self.system_info = ""
        self._session = session
        self._source = source

    def decode(
        self,
        samples: NDArray[np.float32],
        options: DecodeOptions,
        *,
        on_segment: OnSegment,
        on_progress: Callable[[float], None],
    ) -> None:
        """Decode one piece.

        Args:
            samples: float32, shape (n_samples,), [-1, 1], 16 kHz mono.
            options: how to, for this piece.
            on_segment: gets segments once they are certain, in seconds from the first sample.
            on_progress: gets the share of the samples that is done; it may fall back.
        """
        self._run(samples, options, on_segment, on_progress)

    def _run(
        self,
        samples: NDArray[np.float32],
        options: DecodeOptions,
        on_segment: OnSegment,
        on_progress: Callable[[float], None],
    ) -> Transcript:
        transcript = self._session.transcribe(
            Audio(samples, self._source), options, on_segment=on_segment, on_progress=on_progress
        )
        self.timings.add(replace(transcript.timings, audio_decode_ms=None))
        self.system_info = transcript.system_info
        self.language = transcript.language
        self.language_probability = transcript.language_probability
        return transcript
