"""whisper.cpp's voice activity detection in the sandbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisperctl.engine.protocol import Detection, OpenOptions
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.whisper_params import detection, vad_params
from whisperctl.errors import BackendError, ModelError
from whisperctl.options import VadOptions
from whisperctl.text import quoted
from whisperctl_wasi import conversation, protocol, runtimes
from whisperctl_wasi.host.conversation import ask, broken
from whisperctl_wasi.host.guest import Guest
from whisperctl_wasi.host.limits import limits_for
from whisperctl_wasi.modules import Module
from whisperctl_wasi.protocol import Detected, Failed, Ready

_FRAME = 512
"""Samples that each probability is about."""


class WasiDetector(Handle):
    """A sandbox for a Silero model alone; see ``whisperctl.engine.protocol.Detector``.

    A guest that was interrupted is killed, and the next run starts another.

    Raises:
        ModelError: whisper.cpp refused the model.
        UsageError: the module cannot use so many threads.
    """

    def __init__(self, module: Module, model: Path, options: OpenOptions) -> None:
        super().__init__("detector")
        self._runtime = options.runtime
        self._module = module
        self._model = model
        self._threads = options.threads
        self._guest: Guest | None = self._start()

    def detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        """See ``whisperctl.engine.protocol.Detector.detect``."""
        with self.use():
            return self._detect(samples, options)

    def _request_stop(self) -> None:
        """Nothing to do: a run looks between two waits whether the detector was closed."""

    def _free(self) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.finish()

    def _detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        if len(samples) == 0:
            return detection([], np.empty(0, np.float32), 0, options)
        guest = self._guest = self._guest or self._start()
        try:
            request = protocol.request("detect", samples=len(samples), **vad_params(options))
            ask(guest, request)
            guest.send(np.ascontiguousarray(samples, dtype="<f4").view(np.uint8).data)
            event = conversation.answer(guest, Detected, self._check_open)
            if isinstance(event, Failed):
                raise BackendError(f"whisper.cpp in the sandbox failed: {event.message}")
            return _checked(event, len(samples), options)
        except BaseException:
            # Whatever it was, the guest may be in the middle of a request.
            self._guest = None
            guest.kill()
            raise

    def _start(self) -> Guest:
        guest = runtimes.start(
            self._runtime, self._module, limits_for("detector", memory_bytes=2 << 30)
        )
        try:
            self._runtime = guest.runtime
            most = conversation.hello(guest).max_threads
            conversation.check_threads(guest, most, self._threads)
            try:
                data = self._model.read_bytes()
            except OSError as error:
                raise ModelError(f"cannot read {quoted(self._model)}: {error.strerror}") from error
            request = protocol.request("load_vad", bytes=len(data), threads=self._threads)
            ask(guest, request)
            guest.send(data)
            event = conversation.answer(guest, Ready, self._check_open)
            if isinstance(event, Failed):
                raise ModelError(f"{quoted(self._model)}: {event.message}")
        except BaseException:
            guest.kill()
            raise
        return guest


def _checked(event: Detected, n_samples: int, options: VadOptions) -> Detection:
    """The detection of an answer whose numbers fit the samples that it is about.

    Raises:
        GuestError: they do not.
    """
    n_frames = -(-n_samples // _FRAME)
    if len(event.probabilities) != 4 * n_frames:
        raise broken(f"{len(event.probabilities)} bytes of probabilities for {n_frames} frames")
    probabilities = np.frombuffer(event.probabilities, dtype="<f4").astype(np.float32)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise broken("a probability that is not from 0 to 1")
    # In order, and none before the one before it ends.
    times = [time for span in event.spans for time in span]
    if times != sorted(times):
        raise broken("speech is out of order")
    return detection(event.spans, probabilities, n_samples, options)
