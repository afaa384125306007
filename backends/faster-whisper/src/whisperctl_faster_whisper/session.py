"""A session: one model held by faster-whisper in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from whisperctl import languages
from whisperctl.engine.protocol import Model, OnLanguage, OnProgress, OnSegment, SessionResult
from whisperctl.engine.stall import Stalled
from whisperctl.engine.toolkit import worker_thread
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.whisper_params import whisper_params
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.text import quoted
from whisperctl.transcript import PHASES, Phase, Segment, SpokenLanguage
from whisperctl_faster_whisper import cache, convert, suppression, vocabulary, windows
from whisperctl_faster_whisper.listening import Event, Listening
from whisperctl_faster_whisper.loaded_model import LoadedModel, StoppedError
from whisperctl_faster_whisper.weights import GgmlWeights

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.models.ggml.layout import Hyperparameters
    from whisperctl.options import DecodeOptions


_BATCH_SIZE = 8
"""Default number of windows to decode at once; more take more memory and hardly less time."""

_BATCH_BYTES = 1 << 30
"""Memory that the decoder's keys and values of a default batch may take."""


class FasterWhisperSession(Handle):
    """One loaded model; see ``whisperctl.engine.protocol.Session``.

    Args:
        model: a ggml model file, converted if it is not yet in the cache.
        compute_type: what CTranslate2 computes with, such as float32 or int8.
        threads: how many threads compute.

    Raises:
        BackendError: the cache cannot be used.
        ModelError: the model cannot be converted, or CTranslate2 refused it.
    """

    def __init__(self, model: Model, *, compute_type: str, threads: int) -> None:
        super().__init__("session")
        self._model = model.path
        self._compute_type = compute_type
        self._threads = threads
        weights = GgmlWeights.open(model.path)
        self._parameters = weights.parameters
        self._text = vocabulary.text_of(weights.tokens)
        self._directory = (
            cache.converted(model.path, f"{convert.VERSION}-int8", convert.convert_int8)
            if compute_type == "int8"
            else cache.converted(model.path, convert.VERSION, convert.convert)
        )
        self._stop = threading.Event()
        started = time.perf_counter()
        self._loaded: LoadedModel | None = None
        self._ready(workers=1)
        self._load_ms = (time.perf_counter() - started) * 1000

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        """See ``whisperctl.engine.protocol.Session.transcribe``.

        A token's probability is the mean of its window's, or with word timestamps its word's.
        """
        with self.use():
            return self._transcribe(audio, options, on_segment, on_progress, on_language)

    def _request_stop(self) -> None:
        self._stop.set()

    def _free(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
        self._loaded = None

    def _transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        on_segment: OnSegment | None,
        on_progress: OnProgress | None,
        on_language: OnLanguage | None,
    ) -> SessionResult:
        language = languages.resolve(
            options.language,
            self._parameters.multilingual,
            options.task,
            cantonese=self._parameters.n_vocab >= languages.CANTONESE_VOCABULARY,
        )
        params = whisper_params(options, language, batches=True)
        pattern = options.suppress_regex
        suppressed = suppression.matching(pattern, self._text) if pattern else []
        samples = np.ascontiguousarray(audio.samples, dtype=np.float32)
        batch_size = _batch_size(options, self._parameters)
        started = time.perf_counter()
        loaded = self._ready(
            min(self._threads, batch_size) if len(samples) > windows.LONGEST else 1
        )
        self._stop.clear()
        listening = Listening(
            loaded,
            self._text,
            params,
            word_timestamps=options.word_timestamps,
            suppressed=suppressed,
            batch_size=batch_size,
            stop=self._stop,
        )
        segments: list[Segment] = []
        progress = -1.0

        def on_event(event: Event) -> None:
            nonlocal progress
            if isinstance(event, SpokenLanguage):
                if on_language is not None:
                    on_language(event)
            elif isinstance(event, Segment):
                segments.append(event)
                if on_segment is not None:
                    on_segment(event)
            elif event > progress:
                progress = event
                if on_progress is not None:
                    on_progress(event)
            listening.handled.set()

        def work(emit: Callable[[Event], None]) -> SpokenLanguage:
            return listening.listen(samples, emit)

        try:
            spoken = worker_thread.run(work, on_event=on_event, cancel=self._stop.set)
        except StoppedError as error:
            raise BackendError("the session was closed while it was transcribing") from error
        except Stalled:
            # What CTranslate2 has begun may never end, and all else that it is asked would wait.
            self._free()
            raise
        finally:
            if listening.run.drew:
                # CTranslate2's random numbers would go on where they are.
                loaded.close()
        total_ms = (time.perf_counter() - started) * 1000
        if on_progress is not None and progress < 1.0:
            on_progress(1.0)
        phases = {
            "load": Phase(self._load_ms),
            "total": Phase(total_ms),
            **listening.run.phases(),
        }
        return SessionResult(
            segments=tuple(segments),
            language=spoken.code,
            language_probability=spoken.probability,
            phases={name: phases[name] for name in PHASES if name in phases},
            system_info=f"CTranslate2 {version('ctranslate2')}, {self._compute_type}",
        )

    def _ready(self, workers: int) -> LoadedModel:
        """The model, with so many workers."""
        loaded, self._loaded = self._loaded, None  # not to be used if this fails
        try:
            loaded = loaded or LoadedModel(
                self._directory, self._compute_type, self._threads, self._parameters.n_text_ctx
            )
            loaded.work_with(workers)
        except MemoryError as error:
            raise ModelError(f"{quoted(self._model)} needs more memory than there is") from error
        # CTranslate2 raises RuntimeError and ValueError, the tokenizer's library plain Exception.
        except Exception as error:
            raise ModelError(
                f"{quoted(self._model)}: faster-whisper refused what it was converted to "
                f"({error}); remove {quoted(self._directory)} and try again"
            ) from error
        self._loaded = loaded
        return loaded


def _batch_size(options: DecodeOptions, model: Hyperparameters) -> int:
    """Number of windows to decode at once.

    By default several, where no window is to get the text before it and memory allows.
    """
    if options.batch_size is not None:
        if options.batch_size > 1 and options.temperature > 0:
            raise UsageError(
                "a batch size above 1 needs temperature 0: leave out --batch-size or --temperature"
            )
        if options.batch_size > 1 and options.carry_initial_prompt:
            raise UsageError(
                "with a batch size above 1 no prompt can be carried: leave out --batch-size or "
                "--carry-initial-prompt"
            )
        return options.batch_size
    conditioned = options.condition_on_previous_text and options.max_context != 0
    if conditioned or options.temperature > 0 or options.carry_initial_prompt:
        return 1
    values = 2 * model.n_text_layer * model.n_text_state * model.n_text_ctx
    window_bytes = 4 * values * options.beam_size
    return max(1, min(_BATCH_SIZE, _BATCH_BYTES // window_bytes))
