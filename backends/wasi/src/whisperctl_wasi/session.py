"""A session with the guest: a loaded model, and the pump between its events and our callbacks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from whisperctl import languages
from whisperctl.engine.protocol import (
    Model,
    OnLanguage,
    OnProgress,
    OnSegment,
    OpenOptions,
    SessionResult,
)
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.token_times import TokenTimes
from whisperctl.engine.toolkit.whisper_params import (
    is_timing,
    parse_language,
    parse_timings,
    refused_regex,
    whisper_params,
)
from whisperctl.engine.toolkit.words import Utf8Joiner
from whisperctl.errors import BackendError, GuestError, ModelError
from whisperctl.models import alignment
from whisperctl.text import quoted
from whisperctl.transcript import Segment, SpokenLanguage
from whisperctl_wasi import conversation, protocol, runtimes
from whisperctl_wasi.host.conversation import Event, ask, broken
from whisperctl_wasi.host.guest import Guest
from whisperctl_wasi.host.limits import limits_for
from whisperctl_wasi.modules import Module
from whisperctl_wasi.protocol import (
    Cancelled,
    Failed,
    Log,
    ProgressEvent,
    Ready,
    Result,
    SegmentEvent,
)

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.models.ggml import ModelInfo
    from whisperctl.options import DecodeOptions

_LOGGER = logging.getLogger("whisperctl.engine")
_CANCEL_TIMEOUT_S = 0.7
_POLL_S = 0.1
_CHUNK_BYTES = 1 << 20
_WORK_MEMORY = 5 << 29
"""Memory for a guest beside twice its model: enough for hours of audio in one run."""
_MOST_MEMORY = 4 << 30
_MIB = 1 << 20
_OTHER_MEMORY = 48 << 20
"""The vocabulary, tables, stacks and the module's own data."""


class WasiSession(Handle):
    """One model in one sandbox; see ``whisperctl.engine.protocol.Session``.

    A guest that does not stop when it is asked to is killed, and the next run starts another.
    """

    def __init__(self, module: Module, model: Model, options: OpenOptions) -> None:
        super().__init__("session")
        self._alignment = alignment.find(model.info) if options.word_timestamps else None
        self._runtime = options.runtime
        self._module = module
        self._model = model.path
        self._info = model.info
        self._guest: Guest | None = None
        self._log: list[str] = []
        self._threads = options.threads
        self._start()

    @property
    def guest(self) -> Guest:
        """The guest that has the model, started if there is none.

        Raises:
            BackendError: the session is closed.
        """
        self._check_open()
        return self._guest or self._start()

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        """See ``whisperctl.engine.protocol.Session.transcribe``."""
        with self.use():
            return self._transcribe(audio, options, on_segment, on_progress, on_language)

    def _request_stop(self) -> None:
        """Nothing to do: a run looks between two waits whether the session was closed."""

    def _free(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.finish()

    def _transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        on_segment: OnSegment | None,
        on_progress: OnProgress | None,
        on_language: OnLanguage | None,
    ) -> SessionResult:
        tried = options.temperature > 0 or options.temperature_increment > 0
        self._check_memory(max(options.beam_size, options.best_of if tried else 1))
        guest = self.guest
        language = languages.resolve(
            options.language, self._multilingual, options.task, cantonese=self._cantonese
        )
        aligning = self._alignment is not None
        params = whisper_params(options, language, aligning=aligning)
        times = None
        if options.word_timestamps:
            times = TokenTimes(np.asarray(audio.samples, np.float32), aligned=aligning)
        self._log.clear()
        segments: list[Segment] = []
        joiner = Utf8Joiner()
        progress = 0.0
        asked = False
        spoken = None if language == languages.AUTO else SpokenLanguage(language)
        if spoken is not None and on_language is not None:
            on_language(spoken)
        try:
            samples = np.ascontiguousarray(audio.samples, dtype="<f4").view(np.uint8).data
            request = protocol.request(
                "transcribe", samples=len(audio.samples), threads=self._threads, **params
            )
            ask(guest, request)
            guest.send(samples)
            asked = True
            while True:
                # The host of every engine watches its progress, see whisperctl.engine.stall.
                event = self._next_event(guest, patient=True)
                if spoken is None and not isinstance(event, Failed):
                    # The log has it before the first window begins, which is told as progress.
                    spoken = self._spoken_language()
                    if on_language is not None:
                        on_language(spoken)
                if isinstance(event, SegmentEvent):
                    segments.append(joiner.add(protocol.segment(event, times)))
                    if on_segment is not None:
                        on_segment(segments[-1])
                elif isinstance(event, ProgressEvent):
                    progress = min(1.0, event.percent / 100)
                    if on_progress is not None:
                        on_progress(progress)
                elif isinstance(event, Result | Failed | Cancelled):
                    break
        except BaseException as error:
            self._cancel(asked)
            if isinstance(error, GuestError) and (refused := refused_regex(options, str(error))):
                raise refused from error
            raise
        if isinstance(event, Failed):
            raise BackendError(f"whisper.cpp in the sandbox failed: {event.message}")
        if isinstance(event, Cancelled):
            raise self._broken("it stopped a run that nobody asked it to stop")
        if on_progress is not None and progress < 1.0:
            on_progress(1.0)
        assert spoken is not None
        return SessionResult(
            segments=tuple(segments),
            language=spoken.code,
            language_probability=spoken.probability,
            phases=parse_timings(self._log),
            module_compile_ms=guest.compile_ms,
            instantiate_ms=guest.instantiate_ms,
            linear_memory_bytes=event.memory_bytes,
            system_info=self._system_info,
        )

    def _start(self) -> Guest:
        try:
            size = self._model.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error
        limits = limits_for("engine", memory_bytes=min(_MOST_MEMORY, _WORK_MEMORY + 2 * size))
        self._memory_bytes = limits.memory_bytes
        self._check_memory(1)
        guest = runtimes.start(self._runtime, self._module, limits)
        try:
            self._runtime = guest.runtime
            opening = conversation.hello(guest)
            self._system_info = opening.system_info
            conversation.check_threads(guest, opening.max_threads, self._threads)
            self._load(guest, size)
        except BaseException:
            guest.kill()
            raise
        self._guest = guest
        return guest

    def _check_memory(self, decoders: int) -> None:
        """Refuse what does not fit, before minutes are spent on it.

        Raises:
            ModelError: the model does not fit into the guest's memory.
        """
        needed = memory_bytes(self._info, decoders)
        if needed <= self._memory_bytes:
            return
        at_once = f" with {decoders} beams or candidates" if decoders > 1 else ""
        fewer = "choose fewer with --beam-size and --best-of, " if decoders > 1 else ""
        raise ModelError(
            f"{quoted(self._model)} does not fit into the sandbox{at_once}: it needs "
            f"{needed / _MIB:.0f} MiB of {self._memory_bytes / _MIB:.0f} MiB; {fewer}"
            "quantize the model (whisperctl models quantize), or use another backend"
        )

    def _load(self, guest: Guest, size: int) -> None:
        ask(guest, protocol.load_request(size, self._alignment))
        left = size
        try:
            with self._model.open("rb") as file:
                while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                    guest.send(chunk)
                    left -= len(chunk)
        except OSError as error:
            raise self._unreadable(error) from error
        if left:
            raise ModelError(f"{quoted(self._model)} became shorter while it was read: try again")
        while True:
            event = self._next_event(guest)
            if isinstance(event, Failed):
                raise ModelError(f"{quoted(self._model)}: {event.message}")
            if isinstance(event, Ready):
                self._multilingual = event.multilingual
                self._cantonese = event.n_vocab >= languages.CANTONESE_VOCABULARY
                return

    def _next_event(self, guest: Guest, *, patient: bool = False) -> Event:
        """The next event that is not a line of whisper.cpp's log; those are kept."""
        while True:
            self._check_open()
            event = conversation.next_event(guest, _POLL_S, patient=patient)
            if event is None:
                continue
            if not isinstance(event, Log):
                return event
            self._log.append(event.text)
            if not is_timing(event.text):
                _LOGGER.debug("%s", event.text)

    def _spoken_language(self) -> SpokenLanguage:
        """The language that whisper.cpp's log says it detected."""
        detected = parse_language(self._log)
        if detected is None:
            return SpokenLanguage(languages.AUTO)
        if detected[0] not in languages.LANGUAGES:
            raise self._broken(f"it detected an unknown language, {detected[0]}")
        return SpokenLanguage(*detected)

    def _cancel(self, asked: bool) -> None:
        """Stop the run, and the guest with it unless it answers soon."""
        guest = self._guest
        try:
            # Samples that were sent in part leave the guest in the middle of a request.
            if guest is not None and asked and not guest.ended:
                guest.send(protocol.CANCEL)
                deadline = time.monotonic() + _CANCEL_TIMEOUT_S
                while time.monotonic() < deadline:
                    event = conversation.next_event(guest, deadline - time.monotonic())
                    if isinstance(event, Result | Failed | Cancelled):
                        return
        except GuestError:
            pass
        self._drop_guest()

    def _drop_guest(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.kill()

    def _unreadable(self, error: OSError) -> ModelError:
        return ModelError(f"cannot read {quoted(self._model)}: {error.strerror}")

    def _broken(self, what: str) -> GuestError:
        self._drop_guest()
        return broken(what)


def memory_bytes(info: ModelInfo, decoders: int) -> int:
    """Estimate the linear memory of a guest that decodes with a model.

    Args:
        info: the model.
        decoders: beams or candidates at once.
    """
    # Keys and values in half precision; contexts are rounded up to 256. Several decoders get
    # the room of two more.
    position = 2 * 2 * info.n_state * info.n_text_layers
    own = 512 * (decoders + 2 if decoders > 1 else 1)
    logits = 4 * info.n_vocab * info.n_text_ctx
    # Graphs: the decoder's is bound by the vocabulary, the encoder's by the layers' width.
    graphs = logits + 80 * 1024 * info.n_state
    return info.size_bytes + position * (own + 1536) + logits + graphs + _OTHER_MEMORY
