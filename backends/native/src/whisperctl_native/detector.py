"""whisper.cpp's voice activity detection in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisperctl.engine.protocol import Detection, OpenOptions
from whisperctl.engine.toolkit import worker_thread
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.engine.toolkit.whisper_params import detection, vad_params
from whisperctl.errors import BackendError, ModelError
from whisperctl.options import VadOptions
from whisperctl.text import quoted
from whisperctl_native import library, log, vad_library


class NativeDetector(Handle):
    """One loaded Silero model; see ``whisperctl.engine.protocol.Detector``.

    Raises:
        ModelError: whisper.cpp refused the model.
    """

    def __init__(self, model: Path, options: OpenOptions) -> None:
        super().__init__("detector")
        self._stop = library.StopFlag()
        self._context: int | None = self._load(model, options.threads)

    def detect(self, samples: npt.NDArray[np.float32], options: VadOptions) -> Detection:
        """See ``whisperctl.engine.protocol.Detector.detect``."""
        with self.use():
            assert self._context is not None
            return self._detect(self._context, samples, options)

    def _request_stop(self) -> None:
        self._stop.set()

    def _detect(
        self, context: int, samples: npt.NDArray[np.float32], options: VadOptions
    ) -> Detection:
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        if len(samples) == 0:
            return detection([], np.empty(0, np.float32), 0, options)

        def work(_: Callable[[None], None]) -> tuple[bool, log.Log]:
            with log.capture() as said:
                return vad_library.detect_speech(context, samples), said

        self._stop.clear()
        done, said = worker_thread.run(work, on_event=lambda _: None, cancel=self._stop.set)
        if self._stop.is_set():
            raise BackendError("the run was stopped because its detector was closed")
        if not done or said.errors:  # of a graph that failed only the log says so
            raise BackendError(f"whisper.cpp could not look for speech: {said.reason()}")
        with log.capture():
            spans = vad_library.spans(context, vad_params(options))
        if spans is None:
            raise BackendError("whisper.cpp could not look for speech: out of memory")
        return detection(spans, vad_library.probabilities(context), len(samples), options)

    def _load(self, model: Path, threads: int) -> int:
        with (
            library.utf8_path(model) as path,
            log.capture() as said,
            library.stoppable(self._stop),
        ):
            context = vad_library.load(path, threads)
        if context is None:
            raise ModelError(f"{quoted(model)}: whisper.cpp refused it: {said.reason()}")
        return context

    def _free(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            vad_library.free(context)
