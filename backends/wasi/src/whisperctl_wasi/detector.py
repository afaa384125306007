"""whisper.cpp's voice activity detection in the sandbox."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisperctl.backend import Closing
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import silero
from whisperctl.quoting import quoted
from whisperctl.speech import Detection, VadOptions, detection
from whisperctl.whisper_params import vad_params
from whisperctl_wasi import conversation, protocol
from whisperctl_wasi.guest import Guest
from whisperctl_wasi.modules import Module


class WasiDetector(Closing):
    """A sandbox for a Silero model alone; see ``whisperctl.backend.Detector``.

    A guest that was interrupted is killed, and the next run starts another.

    Raises:
        ModelError: the model is damaged, or whisper.cpp refused it.
        UsageError: the module cannot use so many threads.
    """

    def __init__(
        self, guest_class: type[Guest], module: Module, model: Path, *, threads: int
    ) -> None:
        silero.inspect(model)  # whisper.cpp reads beyond the end of damaged ones
        self._guest_class = guest_class
        self._module = module
        self._model = model
        self._threads = threads
        self._closed = False
        self._guest: Guest | None = self._start()

    def detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        """See ``whisperctl.backend.Detector.detect``."""
        if self._closed:
            raise BackendError("the detector is closed already")
        if len(samples) == 0:
            return detection([], np.empty(0, np.float32), 0, options)
        guest = self._guest = self._guest or self._start()
        try:
            guest.send(protocol.request("detect", samples=len(samples), **vad_params(options)))
            data = np.ascontiguousarray(samples, dtype="<f4").view(np.uint8).data
            conversation.send(guest, data)
            event = conversation.answer(guest, "detected")
        except BaseException:
            # Whatever it was, the guest may be in the middle of a request.
            self._guest = None
            guest.kill()
            raise
        if event["event"] == "error":
            raise BackendError(f"whisper.cpp in the sandbox failed: {event['message']}")
        probabilities = np.frombuffer(base64.b64decode(event["probabilities"]), dtype="<f4")
        spans = [(float(start), float(end)) for start, end in event["spans"]]
        return detection(spans, probabilities.astype(np.float32), len(samples), options)

    def close(self) -> None:
        """End the sandbox; safe to call again."""
        self._closed = True
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.end()

    def _start(self) -> Guest:
        guest = self._guest_class(self._module)
        try:
            most = int(conversation.hello(guest)["max_threads"])
            conversation.check_threads(guest, most, self._threads)
            try:
                data = self._model.read_bytes()
            except OSError as error:
                raise ModelError(f"cannot read {quoted(self._model)}: {error.strerror}") from error
            guest.send(protocol.request("load_vad", bytes=len(data), threads=self._threads))
            guest.send(data)
            event = conversation.answer(guest, "ready")
            if event["event"] == "error":
                raise ModelError(f"{quoted(self._model)}: {event['message']}")
        except BaseException:
            guest.kill()
            raise
        return guest
