"""Windows of a recording that can be decoded at the same time, as each begins after a pause."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RATE = 16_000
LONGEST = 30 * RATE
"""Samples that a model takes at once."""

_SHORTEST = 15 * RATE
_LATE = 8 * RATE
"""A pause is first looked for in so many samples before the longest window's end."""

_PAUSE = RATE // 5
"""Samples of a pause: between sentences there is more, between the sounds of a word less."""

_HOP = RATE // 100
_QUIET = 0.01
"""Power of a pause at most, as a share of the mean power of the window before it."""


class Window(NamedTuple):
    """Range of samples, from ``start`` to before ``end``, that begins and ends in a pause.

    It is ``whole`` if a model takes all of it at once.
    """

    start: int
    end: int
    whole: bool


def cut(samples: npt.NDArray[np.float32]) -> list[Window]:
    """Cut a recording in pauses, into windows as long as possible.

    Where there is no pause to end a window in, it goes on to the next one, however far: who decodes
    it then decides by the text where one window ends and the next begins.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono.
    """
    found: list[Window] = []
    start = 0
    while len(samples) - start > LONGEST:
        at, searched = None, start
        while at is None and len(samples) - searched > LONGEST:
            end = searched + LONGEST
            at = _pause(samples, end - _LATE, end)
            at = at or _pause(samples, searched + _SHORTEST, end - _LATE)
            searched += _SHORTEST
        if at is None:
            break
        found.append(Window(start, at, at - start <= LONGEST))
        start = at
    found.append(Window(start, len(samples), len(samples) - start <= LONGEST))
    return found


def _pause(samples: npt.NDArray[np.float32], start: int, end: int) -> int | None:
    """Middle of the last pause between two samples, or ``None`` if there is none.

    Of all that is quiet, the quietest is in the middle of the longest pause.
    """
    power = np.square(samples[start:end], dtype=np.float64)
    n_hops = len(power) // _HOP
    levels = power[: n_hops * _HOP].reshape(n_hops, _HOP).mean(axis=1)
    width = _PAUSE // _HOP
    sums = np.convolve(levels, np.full(width, 1 / width), "valid")
    quietest = int(sums.argmin())
    if sums[quietest] > _QUIET * levels.mean():
        return None
    # The last place that is about as quiet makes the longest window.
    last = int(np.flatnonzero(sums <= max(2 * sums[quietest], 1e-9))[-1])
    return start + last * _HOP + _PAUSE // 2
