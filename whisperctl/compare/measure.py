"""Measure every cell of a plan, each run in a separate process, interleaved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from whisperctl.compare import runner
from whisperctl.compare.journal import Journal
from whisperctl.compare.plan import Cell, Plan, PreparedRecording, Variant, interleaved
from whisperctl.compare.result import Measurement, Run
from whisperctl.compare.worker import WINDOW_S
from whisperctl.engine.protocol import OnSegment
from whisperctl.transcript import Transcript


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


State = Literal["running", "done", "failed", "resumed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One run begins or has ended, or was found in the journal.

    ``n_done`` of ``n_total`` runs are behind us; of a cell that failed all are. ``took_s`` is how
    long this run took, its process and all, 0 while it runs. ``elapsed_s`` is since ``measure``
    was called, ``eta_s`` what is left by estimate, ``None`` while nothing is known.
    ``measurement`` is all that is known of the cell by now.
    """

    cell: Cell
    repeat: int
    n_done: int
    n_total: int
    state: State
    measurement: Measurement
    elapsed_s: float
    eta_s: float | None = None
    took_s: float = 0.0
    error: str = ""


OnStep = Callable[[Step], None]


def measure(
    plan: Plan,
    *,
    on_step: OnStep | None = None,
    on_segment: OnSegment | None = None,
    journal: Journal | None = None,
    start: Callable[[Variant], Sequence[str]] | None = None,
) -> dict[Cell, Measurement]:
    """Measure every cell ``plan.repeats`` times, or until it fails.

    Each repeat runs all cells before the next begins, the cells of one recording next to each
    other, and begins elsewhere. KeyboardInterrupt, and what callbacks raise, ends the process that
    runs and propagates; what was measured is in the journal then.

    Args:
        plan: what is measured.
        on_step: gets every step; "resumed" ones come first.
        on_segment: gets the segments of each measured transcription as they are decided.
        journal: keeps what is measured, and has what need not be measured again.
        start: gives the command that starts a variant's process, by default ``runner.command()``.

    Returns:
        The measurements, in the order of ``plan.cells``.
    """
    return _Measuring(plan, on_step, on_segment, journal, start).result()


@dataclass(slots=True)
class _CellState:
    """What is known of a cell."""

    runs: dict[int, Run] = field(default_factory=dict)
    transcript: Transcript | None = None
    texts: set[str] = field(default_factory=set)
    error: str = ""

    def add(self, run: Run, text: str, transcript: Transcript | None) -> None:
        self.runs[run.repeat] = run
        self.texts.add(text)
        self.transcript = self.transcript or transcript

    def measurement(self) -> Measurement:
        runs = tuple(self.runs[repeat] for repeat in sorted(self.runs))
        return Measurement(runs, self.transcript, len(self.texts) < 2, self.error)


class _Measuring:
    def __init__(
        self,
        plan: Plan,
        on_step: OnStep | None,
        on_segment: OnSegment | None,
        journal: Journal | None,
        start: Callable[[Variant], Sequence[str]] | None,
    ) -> None:
        self._plan = plan
        self._on_step = on_step
        self._on_segment = on_segment
        self._journal = journal
        self._start = start
        self._began = time.monotonic()
        self._states = {cell: _CellState() for cell in plan.cells}
        self._estimate = Estimate(warm_up=plan.warm_up)

    def result(self) -> dict[Cell, Measurement]:
        self._resume()
        groups: dict[PreparedRecording, list[Cell]] = {}
        for cell in self._plan.cells:
            groups.setdefault(cell.recording, []).append(cell)
        repeats = self._plan.repeats
        for repeat in range(repeats):
            for cell in interleaved(list(groups.values()), repeat, repeats):
                sofar = self._states[cell]
                if repeat not in sofar.runs and not sofar.error:
                    self._run(cell, repeat)
        return {cell: sofar.measurement() for cell, sofar in self._states.items()}

    def _resume(self) -> None:
        if self._journal is None:
            return
        for cell, sofar in self._states.items():
            for repeat, entry in sorted(self._journal.kept(cell).items()):
                if entry.run is not None and repeat < self._plan.repeats:
                    sofar.add(entry.run, entry.text, entry.transcript)
                    self._estimate.add(cell, self._told_s(entry.run))
                    self._say(cell, repeat, "resumed")

    def _run(self, cell: Cell, repeat: int) -> None:
        self._say(cell, repeat, "running")
        sofar = self._states[cell]
        began = time.monotonic()
        outcome = runner.run(
            cell,
            self._plan.options,
            warm_up=self._plan.warm_up,
            on_segment=self._on_segment,
            start=self._start(cell.variant) if self._start is not None else (),
        )
        took_s = time.monotonic() - began
        if isinstance(outcome, runner.Failure):
            sofar.error = outcome.message
            if self._journal is not None:
                self._journal.failed(cell, outcome.message)
            self._say(cell, repeat, "failed", took_s)
            return
        run = Run(repeat, outcome.values, outcome.counts)
        first = sofar.transcript is None
        sofar.add(run, outcome.transcript.text, outcome.transcript)
        self._estimate.add(cell, took_s)
        if self._journal is not None:
            self._journal.add(cell, run, outcome.transcript, whole_transcript=first)
        self._say(cell, repeat, "done", took_s)

    def _told_s(self, run: Run) -> float:
        """About how long a run took, by what it told."""
        values = run.values
        warm_ms = values["wall_ms"] if self._plan.warm_up else 0.0
        return (values["cold_start_ms"] + warm_ms) / 1000

    def _say(self, cell: Cell, repeat: int, state: State, took_s: float = 0.0) -> None:
        if self._on_step is None:
            return
        repeats = self._plan.repeats
        left = {
            one: repeats - len(sofar.runs)
            for one, sofar in self._states.items()
            if not sofar.error and len(sofar.runs) < repeats
        }
        n_total = repeats * len(self._states)
        self._on_step(
            Step(
                cell,
                repeat,
                n_done=n_total - sum(left.values()),
                n_total=n_total,
                state=state,
                measurement=self._states[cell].measurement(),
                elapsed_s=time.monotonic() - self._began,
                eta_s=self._estimate.left_s(left),
                took_s=took_s,
                error=self._states[cell].error,
            )
        )
