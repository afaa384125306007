"""Windows of a recording, encoded and decoded ahead of whoever needs them, several at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from whisperctl_faster_whisper.loaded_model import LoadedModel, Prepared
from whisperctl_faster_whisper.windows import LONGEST, Window

_ROWS = 5
"""Beams, of all windows together, that make good use of a decoder's weights."""

Part = tuple[Window, npt.NDArray[np.float32], list[Prepared]]


def decoded(
    loaded: LoadedModel,
    cut: Iterable[Window],
    samples: npt.NDArray[np.float32],
    language: str,
    arguments: dict[str, Any],
    batch_size: int,
) -> Generator[Part]:
    """Yield each window with its samples, silence behind them, and what was computed for it.

    Nothing is computed for the first window if it gets a prompt, nor for one that does not end in a
    pause. Each of the model's workers takes a window at a time, or a few if that leaves it few rows
    to compute for each time that it reads the weights.

    Args:
        loaded: the model; its ``run`` is stopped if the iterator is closed before its end.
        cut: the windows.
        samples: float32, shape (n_samples,), 16 kHz.
        language: code of the language.
        arguments: those of ``transcribe``.
        batch_size: how many windows are under way or waiting to be yielded at most.

    Raises:
        StoppedError: the run was told to stop.
    """
    enough = math.ceil(_ROWS / arguments["beam_size"])
    size = max(1, min(enough, batch_size // (2 * loaded.workers)))
    windows = iter(cut)
    waiting: deque[Future[list[Part]]] = deque()

    def work(group: Sequence[Window]) -> list[Part]:
        parts: list[Part] = [(w, _filled(samples[w.start : w.end]), []) for w in group]
        whole = [
            part
            for part in parts
            if part[0].whole and not (part[0].start == 0 and arguments["initial_prompt"])
        ]
        if whole:
            lengths = [window.end - window.start for window, _, _ in whole]
            ready = loaded.prepare([filled for _, filled, _ in whole], lengths, language, arguments)
            for (_, _, prepared), found in zip(whole, ready, strict=True):
                prepared += found
        return parts

    ended = False
    with ThreadPoolExecutor(loaded.workers, "whisperctl-windows") as pool:
        try:
            while group := list(islice(windows, size)):
                waiting.append(pool.submit(work, group))
                if len(waiting) >= max(1, batch_size // size):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
            ended = True
        finally:
            if not ended:
                loaded.run.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)


def _filled(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A window with silence behind it, up to its full length.

    ``WhisperModel`` fills a spectrogram with zeros, which is no silence; the text then often ends a
    sentence early.
    """
    return np.pad(samples, (0, max(0, LONGEST - len(samples))))
