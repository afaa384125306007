"""Sessions as the host runs them: measured in one way for all, watched, and made a transcript."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine import stall
from whisperctl.engine.protocol import (
    Closing,
    OnLanguage,
    OnProgress,
    OnSegment,
    Session,
    SessionResult,
)
from whisperctl.engine.resources import Measurement
from whisperctl.errors import BackendError
from whisperctl.text import quoted
from whisperctl.transcript import Timings, Transcript

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.options import DecodeOptions


class HostSession(Closing):
    """A session whose runs are measured, and end with an error if they make no progress.

    ``timings`` are those of the last run, also of one that was stopped by an exception; what only
    the engine knows is then missing.

    Args:
        session: the session to run; closed with this.
        model: the file it was opened with, named in transcripts.
        stall_timeout_s: seconds without progress after which a run fails; ``None`` is no limit.
    """

    def __init__(
        self,
        session: Session,
        *,
        model: Path | None = None,
        stall_timeout_s: float | None = stall.TIMEOUT_S,
    ) -> None:
        self.timings = Timings()
        self._session = session
        self._stall_timeout_s = stall_timeout_s
        self._model = model

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> Transcript:
        """Run the session; see ``whisperctl.engine.protocol.Session.transcribe``.

        Raises:
            BackendError: the engine failed, or made no progress.
            UsageError: an option does not fit.
        """
        measurement = Measurement()
        try:
            with measurement:
                result = self._watched(audio, options, on_segment, on_progress, on_language)
        except BaseException:
            self.timings = Timings(
                wall_ms=measurement.wall_ms,
                audio_decode_ms=audio.decode_ms,
                peak_memory_bytes=measurement.peak_memory_bytes,
                cpu_ms=measurement.cpu_ms,
            )
            raise
        self.timings = Timings(
            phases=result.phases,
            wall_ms=measurement.wall_ms,
            audio_decode_ms=audio.decode_ms,
            module_compile_ms=result.module_compile_ms,
            instantiate_ms=result.instantiate_ms,
            peak_memory_bytes=measurement.peak_memory_bytes,
            linear_memory_bytes=result.linear_memory_bytes,
            cpu_ms=measurement.cpu_ms,
        )
        return Transcript(
            segments=result.segments,
            language=result.language,
            duration_s=audio.duration_s,
            timings=self.timings,
            language_probability=result.language_probability,
            system_info=result.system_info,
            task=options.task,
            model=self._model,
        )

    def _watched(
        self,
        audio: Audio,
        options: DecodeOptions,
        on_segment: OnSegment | None,
        on_progress: OnProgress | None,
        on_language: OnLanguage | None,
    ) -> SessionResult:
        if self._stall_timeout_s is None:
            return self._session.transcribe(
                audio,
                options,
                on_segment=on_segment,
                on_progress=on_progress,
                on_language=on_language,
            )
        watch = stall.Watch(self._stall_timeout_s)
        try:
            with watch:
                return self._session.transcribe(
                    audio,
                    options,
                    on_segment=watch.segments(on_segment),
                    on_progress=watch.shares(on_progress),
                    on_language=on_language,
                )
        except stall.Stalled:
            raise BackendError(
                f"{quoted(audio.source)}: the engine made no progress for "
                f"{self._stall_timeout_s:g} s: try another model or backend, or allow it more time "
                "(--stall-timeout)"
            ) from None

    def close(self) -> None:
        """Close the session."""
        self._session.close()
