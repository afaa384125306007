"""A session with the guest: a loaded model, and the pump between its events and our callbacks."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whisperctl import languages
from whisperctl.backend import Closing, OnProgress, OnSegment
from whisperctl.cpu_time import cpu_time_s
from whisperctl.errors import BackendError, GuestError, ModelError
from whisperctl.memory import peak_memory_bytes
from whisperctl.models import alignment, ggml
from whisperctl.token_times import TokenTimes
from whisperctl.transcript import Segment, Timings, Transcript
from whisperctl.whisper_log import parse_language, parse_timings
from whisperctl.whisper_params import refused_regex, whisper_params
from whisperctl_wasi import conversation, protocol
from whisperctl_wasi.guest import Guest
from whisperctl_wasi.modules import Module

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.decoding import DecodeOptions

_LOGGER = logging.getLogger("whisperctl.engine")
_CANCEL_TIMEOUT_S = 0.7
_RUN_ENDS = ("result", "error", "cancelled")


class WasiSession(Closing):
    """One model in one sandbox; see ``whisperctl.backend.Session``.

    A guest that does not stop when it is asked to is killed, and the next run starts another.
    """

    def __init__(
        self,
        guest_class: type[Guest],
        module: Module,
        model: Path,
        *,
        threads: int,
        word_timestamps: bool = False,
    ) -> None:
        ggml.inspect(model)  # sizes that make no sense would keep whisper.cpp busy for minutes
        self._alignment = alignment.find(model) if word_timestamps else None
        self._guest_class = guest_class
        self._module = module
        self._model = model
        self._closed = False
        self._guest: Guest | None = None
        self._log: list[str] = []
        self._threads = threads
        self._start()

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
    ) -> Transcript:
        """See ``whisperctl.backend.Session.transcribe``."""
        if self._closed:
            raise BackendError("the session is closed already")
        if self._guest is None:
            self._start()
        assert self._guest is not None
        language = languages.resolve(
            options.language, self._multilingual, options.task, cantonese=self._cantonese
        )
        aligning = self._alignment is not None
        params = whisper_params(options, language, aligning=aligning)
        times = None
        if options.word_timestamps:
            times = TokenTimes(np.asarray(audio.samples, np.float32), aligned=aligning)
        started, started_cpu_s = time.perf_counter(), cpu_time_s()
        self._log.clear()
        segments: list[Segment] = []
        progress = 0.0
        asked = False
        try:
            samples = np.ascontiguousarray(audio.samples, dtype="<f4").view(np.uint8).data
            self._guest.send(
                protocol.request(
                    "transcribe",
                    samples=len(audio.samples),
                    threads=self._threads,
                    **params,
                )
            )
            conversation.send(self._guest, samples)
            asked = True
            while True:
                event = self._next_event(self._guest)
                if event["event"] == "segment":
                    segments.append(protocol.segment(event, times))
                    if on_segment is not None:
                        on_segment(segments[-1])
                elif event["event"] == "progress":
                    progress = min(1.0, event["percent"] / 100)
                    if on_progress is not None:
                        on_progress(progress)
                elif event["event"] in _RUN_ENDS:
                    break
        except BaseException as error:
            self._cancel(asked)
            if isinstance(error, GuestError) and (refused := refused_regex(options, str(error))):
                raise refused from error
            raise
        if event["event"] == "error":
            raise BackendError(f"whisper.cpp in the sandbox failed: {event['message']}")
        if on_progress is not None and progress < 1.0:
            on_progress(1.0)
        detected = parse_language(self._log) if language == languages.AUTO else None
        return Transcript(
            segments=tuple(segments),
            language=detected[0] if detected else language,
            duration_s=audio.duration_s,
            language_probability=detected[1] if detected else None,
            task=options.task,
            model=self._model,
            system_info=self._system_info,
            timings=Timings(
                phases=parse_timings(self._log),
                wall_ms=(time.perf_counter() - started) * 1000,
                audio_decode_ms=audio.decode_ms,
                module_compile_ms=self._guest.compile_ms,
                instantiate_ms=self._guest.instantiate_ms,
                peak_memory_bytes=peak_memory_bytes(),
                linear_memory_bytes=int(event["memory_bytes"]),
                cpu_ms=(cpu_time_s() - started_cpu_s) * 1000,
            ),
        )

    def close(self) -> None:
        """End the sandbox; safe to call again."""
        self._closed = True
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.end()

    def _start(self) -> None:
        guest = self._guest_class(self._module)
        try:
            opening = conversation.hello(guest)
            self._system_info = str(opening["system_info"])
            conversation.check_threads(guest, int(opening["max_threads"]), self._threads)
            self._load(guest)
        except BaseException:
            guest.kill()
            raise
        self._guest = guest

    def _load(self, guest: Guest) -> None:
        try:
            with self._model.open("rb") as file:
                size = self._model.stat().st_size
                guest.send(protocol.load_request(size, self._alignment))
                while chunk := file.read(conversation.CHUNK_BYTES):
                    guest.send(chunk)
        except OSError as error:
            raise ModelError(f"cannot read {self._model}: {error.strerror}") from error
        while True:
            event = self._next_event(guest)
            if event["event"] == "error":
                raise ModelError(f"{self._model}: {event['message']}")
            if event["event"] == "ready":
                self._multilingual = bool(event["multilingual"])
                self._cantonese = int(event["n_vocab"]) >= languages.CANTONESE_VOCABULARY
                return

    def _next_event(self, guest: Guest) -> protocol.Event:
        """The next event that is not a line of whisper.cpp's log; those are kept."""
        while True:
            event = conversation.next_event(guest, math.inf)
            if event is None:
                continue
            if event["event"] != "log":
                return event
            self._log.append(str(event["text"]))
            _LOGGER.debug("%s", event["text"])

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
                    if event is not None and event["event"] in _RUN_ENDS:
                        return
        except GuestError:
            pass
        self._drop_guest()

    def _drop_guest(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.kill()
