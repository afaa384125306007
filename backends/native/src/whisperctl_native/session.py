"""A session: one model held by whisper.cpp in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import _pywhispercpp as pw
from whisperctl import languages
from whisperctl.engine.protocol import (
    Model,
    OnLanguage,
    OnProgress,
    OnSegment,
    OpenOptions,
    SessionResult,
)
from whisperctl.engine.toolkit import worker_thread
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.token_times import TokenTimes
from whisperctl.engine.toolkit.whisper_params import (
    parse_fallbacks,
    parse_language,
    parse_timings,
    refused_regex,
    whisper_params,
)
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import alignment
from whisperctl.text import quoted
from whisperctl.transcript import Segment, SpokenLanguage
from whisperctl_native import library, log, objects
from whisperctl_native.run import Event, Run, StateFreedError
from whisperctl_native.stop import Stop

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.options import DecodeOptions

_LOADED = "compute buffer (decode)"
"""In the last line that whisper.cpp logs when it loads a model, and only if that went well."""

_EMPTY = "no tensors loaded"
"""In a warning only, because whisper.cpp's own tests use such models; they hear nothing."""

_MIN_SAMPLES = 400
"""Below one window of its Fourier transform whisper.cpp reads beyond the samples it was given, and
without any sample it transcribes the recording before once more."""


class NativeSession(Handle):
    """One loaded model; see ``whisperctl.engine.protocol.Session``.

    Raises:
        ModelError: whisper.cpp refused the model.
    """

    def __init__(self, model: Model, options: OpenOptions) -> None:
        super().__init__("session")
        self._model = model.path
        self._threads = options.threads
        self._alignment = _alignment(model) if options.word_timestamps else None
        self._stop = Stop(aligning=self._alignment is not None)
        self._context: pw.whisper_context | None = None
        self._used = False
        self._decoded = False
        self._load()

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

        Segments' times are whisper.cpp's: the last one may end a little after the recording does.
        """
        with self.use():
            return self._transcribe(audio, options, on_segment, on_progress, on_language)

    def _request_stop(self) -> None:
        self._stop.request()

    def _transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        on_segment: OnSegment | None,
        on_progress: OnProgress | None,
        on_language: OnLanguage | None,
    ) -> SessionResult:
        context = self._fresh_context(prompted=bool(options.initial_prompt))
        language = languages.resolve(
            options.language,
            bool(pw.whisper_is_multilingual(context)),
            options.task,
            cantonese=pw.whisper_model_n_vocab(context) >= languages.CANTONESE_VOCABULARY,
        )
        aligning = self._alignment is not None
        params = whisper_params(options, language, aligning=aligning)
        samples = np.ascontiguousarray(audio.samples, dtype=np.float32)
        if len(samples) < _MIN_SAMPLES:
            samples = np.pad(samples, (0, _MIN_SAMPLES - len(samples)))
        times = TokenTimes(samples, aligned=aligning) if options.word_timestamps else None
        segments: list[Segment] = []
        progress = 0.0
        told = False

        def tell(spoken: SpokenLanguage) -> None:
            nonlocal told
            told = True
            if on_language is not None:
                on_language(spoken)

        def on_event(event: Event) -> None:
            nonlocal progress
            if isinstance(event, SpokenLanguage):
                tell(event)
            elif isinstance(event, Segment):
                segments.append(event)
                if on_segment is not None:
                    on_segment(event)
            else:
                progress = event
                if on_progress is not None:
                    on_progress(event)

        def work(emit: Callable[[Event], None]) -> log.Log:
            return Run(
                context,
                params,
                threads=self._threads,
                stop=self._stop,
                emit=emit,
                times=times,
                aligning=aligning,
            ).run(samples)

        if language != languages.AUTO:
            tell(SpokenLanguage(language))
        # Until it is known that nothing was drawn; a run that is cut short may have drawn.
        self._used = self._decoded = True
        self._stop.clear()
        try:
            said = worker_thread.run(work, on_event=on_event, cancel=self._stop.request)
        except StateFreedError:
            self._context = None
            raise
        except BackendError as error:
            if refused := refused_regex(options, str(error)):
                raise refused from error
            raise
        self._used = (
            options.beam_size > 1 or options.temperature > 0 or parse_fallbacks(said.lines) != 0
        )
        if on_progress is not None and progress < 1.0:
            on_progress(1.0)

        detected = parse_language(said.lines) if language == languages.AUTO else None
        spoken = SpokenLanguage(*detected) if detected else SpokenLanguage(language)
        if not told:  # of a recording that is too short for any window
            tell(spoken)
        return SessionResult(
            segments=tuple(segments),
            language=spoken.code,
            language_probability=spoken.probability,
            phases=parse_timings(said.lines),
            system_info=library.system_info(),
        )

    def _fresh_context(self, *, prompted: bool) -> pw.whisper_context:
        """A context in which nothing lingers from the recording before.

        ``no_context`` makes whisper.cpp forget the text of the recording before, but the random
        numbers of its first decoder go on where they were, and beam search draws by them as does
        sampling at a temperature above zero. It starts them anew only with a new state, and the
        bindings make one only with a new context.

        Neither does it forget its logits. It takes the probability that nobody speaks from those of
        the prompt's first token, which it has not computed when the prompt has several.
        """
        context = self._context
        several = prompted or (context is not None and bool(pw.whisper_is_multilingual(context)))
        if self._used or (self._decoded and several):
            self._free()
        return self._context or self._load()

    def _load(self) -> pw.whisper_context:
        params = pw.whisper_context_default_params()
        params.use_gpu = False  # both backends compute with the CPU, or they could not be compared
        if self._alignment is not None:
            name = self._alignment.preset.upper().replace(".", "_").replace("-", "_")
            params.flash_attn = False  # which keeps nothing of what the heads say
            params.dtw_token_timestamps = True
            params.dtw_aheads_preset = getattr(
                pw.whisper_alignment_heads_preset, f"WHISPER_AHEADS_{name}"
            )
            params.dtw_mem_size = self._alignment.memory_bytes
        with (
            library.utf8_path(self._model) as path,
            log.capture() as said,
            library.stoppable(self._stop.flag),
        ):
            try:
                context = pw.whisper_init_from_file_with_params(path, params)
            except MemoryError as error:
                raise ModelError(
                    f"{quoted(self._model)} needs more memory than there is"
                ) from error
            except Exception as error:  # a C++ exception, from sizes that make no sense
                raise ModelError(f"{quoted(self._model)} is damaged ({error})") from error
        # On failure the context holds a null pointer that the bindings neither show nor check.
        if not any(_LOADED in line for line in said.lines):
            raise ModelError(f"{quoted(self._model)}: whisper.cpp refused it: {said.reason()}")
        if any(_EMPTY in line for line in said.lines):
            pw.whisper_free(context)
            raise ModelError(f"{quoted(self._model)} contains no weights: it is cut short")
        self._context = context
        self._used = False
        self._decoded = False
        return context

    def _free(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            pw.whisper_free(context)


def _alignment(model: Model) -> alignment.Alignment | None:
    """Alignment settings, if whisper.cpp can be kept from aborting over short windows."""
    if not library.can_stop() or objects.filter_slot() is None:
        return None
    return alignment.find(model.info)
