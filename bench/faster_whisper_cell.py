"""The process of one run of faster-whisper: ``python -m bench.faster_whisper_cell``.

It speaks as ``whisperctl.compare.cell`` does. Phases are measured around the calls that do the same
work as whisper.cpp's; a run of decode is a token.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisperctl.backend import Closing, OnProgress, OnSegment
from whisperctl.compare import cell
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.memory import peak_memory_bytes
from whisperctl.transcript import Phase, Segment, Timings, Transcript

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.decoding import DecodeOptions
    from whisperctl.engines import Engine


class FasterWhisperSession(Closing):
    """One loaded model; see ``whisperctl.backend.Session``.

    Args:
        model: the directory of a CTranslate2 model, with its tokenizer.
        compute_type: what CTranslate2 computes with, such as float32 or int8.
        threads: how many threads compute.
    """

    def __init__(self, model: Path, compute_type: str, threads: int) -> None:
        from faster_whisper import WhisperModel

        started = time.perf_counter()
        try:
            self._model: Any = WhisperModel(
                str(model),
                device="cpu",
                compute_type=compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"faster-whisper refused {model}: {error}") from error
        self._load_ms = (time.perf_counter() - started) * 1000
        self._compute_type = compute_type
        self._phases: dict[str, tuple[float, int]] = {}
        engine = self._model
        engine.feature_extractor = self._timed("mel", engine.feature_extractor)
        engine.encode = self._timed("encode", engine.encode)
        engine.generate_with_fallback = self._timed(
            "decode", engine.generate_with_fallback, lambda result: len(result[0].sequences_ids[0])
        )

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
    ) -> Transcript:
        """Transcribe greedily; see ``whisperctl.backend.Session.transcribe``."""
        if options.temperature_increment or options.beam_size > 1 or options.language == "auto":
            raise UsageError("faster-whisper is measured with greedy decoding and a language only")
        self._phases.clear()
        started = time.perf_counter()
        try:
            found, info = self._model.transcribe(
                audio.samples,
                language=options.language,
                beam_size=1,
                temperature=options.temperature,
                no_speech_threshold=options.no_speech_threshold,
                condition_on_previous_text=options.condition_on_previous_text,
            )
            segments = []
            for one in found:
                segments.append(Segment(one.start, one.end, one.text))
                if on_segment is not None:
                    on_segment(segments[-1])
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"faster-whisper failed: {error}") from error
        wall_ms = (time.perf_counter() - started) * 1000
        phases = {name: Phase(*measured) for name, measured in self._phases.items()}
        return Transcript(
            tuple(segments),
            info.language,
            audio.duration_s,
            Timings(
                phases={"load": Phase(self._load_ms), **phases, "total": Phase(wall_ms)},
                wall_ms=wall_ms,
                audio_decode_ms=audio.decode_ms,
                peak_memory_bytes=peak_memory_bytes(),
            ),
            system_info=f"CTranslate2 {version('ctranslate2')}, {self._compute_type}",
        )

    def close(self) -> None:
        """Release the model."""
        self._model = None

    def _timed(
        self,
        phase: str,
        function: Callable[..., Any],
        count: Callable[[Any], int] = lambda result: 1,
    ) -> _Timed:
        return _Timed(self._phases, phase, function, count)


class _Timed:
    """A function, or an object that is called, which adds the time of its calls to a phase."""

    def __init__(
        self,
        phases: dict[str, tuple[float, int]],
        phase: str,
        function: Callable[..., Any],
        count: Callable[[Any], int],
    ) -> None:
        self._phases = phases
        self._phase = phase
        self._function = function
        self._count = count

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = self._function(*arguments, **named)
        elapsed_ms = (time.perf_counter() - started) * 1000
        total_ms, runs = self._phases.get(self._phase, (0.0, 0))
        self._phases[self._phase] = total_ms + elapsed_ms, runs + self._count(result)
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def _open_session(engine: Engine, model: Path, threads: int) -> FasterWhisperSession:
    return FasterWhisperSession(model, engine.runtime or "default", threads)


if __name__ == "__main__":
    sys.exit(cell.main(_open_session))
