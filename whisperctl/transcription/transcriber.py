"""Transcribes recordings with one open session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whisperctl.backend import Detector, OnSegment, Session
from whisperctl.transcript import Transcript
from whisperctl.transcription.checkpoint import Checkpoint, OnCheckpoint
from whisperctl.transcription.options import TranscriptionOptions


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in seconds of audio; ``total_s`` is ``None`` when nobody knows."""

    done_s: float
    total_s: float | None


OnProgress = Callable[[Progress], None]
OnNote = Callable[[str], None]


class Transcriber:
    """A session, and a detector where there is one; neither is closed here."""

    def __init__(
        self, session: Session, *, model: Path | None = None, detector: Detector | None = None
    ) -> None:
        self._session = session
        self._model = model
        self._detector = detector

    def transcribe(
        self,
        source: str | Path,
        options: TranscriptionOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_note: OnNote | None = None,
        on_checkpoint: OnCheckpoint | None = None,
        resume_from: Checkpoint | None = None,
    ) -> Transcript:
        """Transcribe a recording of any length in bounded memory.

        Callbacks run in the caller's thread; an exception raised in one, or KeyboardInterrupt,
        stops the run and propagates. ``on_note`` gets one-line remarks about the recording and what
        was done about it (cut short, loops decoded again), without the program's name in front.

        Args:
            source: a media file, or ``"-"`` for standard input.
            options: what to do; nothing lingers from earlier calls.
            on_segment: gets each segment once it is certain, in the order of time.
            on_progress: gets how far the run is.
            on_note: gets remarks.
            on_checkpoint: gets what a later run needs to go on from here, after each piece, and
                once more with ``done`` at the end.
            resume_from: where an earlier run of the same recording and options stood; its segments
                are part of the result and are not given to ``on_segment`` again.

        Raises:
            AudioError: the recording cannot be read.
            BackendError: the engine failed.
            UsageError: an option fits neither the model nor the recording.
        """
        raise NotImplementedError
