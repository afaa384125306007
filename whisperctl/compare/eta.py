"""How long what is left to measure will take, by what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

from whisperctl.compare.cell import WINDOW_S
from whisperctl.compare.plan import Cell


class Estimate:
    """Learns from every run how long others will take.

    A cell takes what it took before. One that never ran takes what the most similar ones took,
    of the same engine and model if there are any, in proportion to their work.
    """

    def __init__(self, *, warm_up: bool) -> None:
        self._warm_up = warm_up
        self._took_s: dict[Cell, list[float]] = {}

    def add(self, cell: Cell, took_s: float) -> None:
        """A run of this cell took so many seconds."""
        self._took_s.setdefault(cell, []).append(took_s)

    def left_s(self, left: Mapping[Cell, int]) -> float | None:
        """Seconds for so many runs of each cell; ``None`` while nothing is known."""
        if not self._took_s:
            return None
        return sum(runs * self._run_s(cell) for cell, runs in left.items())

    def _run_s(self, cell: Cell) -> float:
        if cell in self._took_s:
            return _mean(self._took_s[cell])
        alike = {other: _likeness(cell, other) for other in self._took_s}
        nearest = max(alike.values())
        return _mean(
            [
                _mean(self._took_s[other]) * self._work(cell) / self._work(other)
                for other, likeness in alike.items()
                if likeness == nearest
            ]
        )

    def _work(self, cell: Cell) -> float:
        """In no unit: windows, times the bytes that a window goes through, by threads."""
        windows = max(1, math.ceil(cell.recording.audio.duration_s / WINDOW_S)) + self._warm_up
        variant = cell.variant
        try:
            size_bytes = variant.weights.path.stat().st_size
        except OSError:
            size_bytes = 1  # its run says what is wrong
        return windows * size_bytes / variant.threads


def _likeness(one: Cell, other: Cell) -> tuple[bool, ...]:
    """Greater for cells whose times say more of each other."""
    mine, theirs = one.variant, other.variant
    return (
        mine.weights.name == theirs.weights.name,
        mine.engine == theirs.engine,
        mine.weights.quant == theirs.weights.quant,
        mine.threads == theirs.threads,
    )


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
