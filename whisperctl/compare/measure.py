"""Measures every cell of a plan, each run in a process of its own, interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from whisperctl.backend import OnSegment
from whisperctl.compare import runner, wire
from whisperctl.compare.eta import Estimate
from whisperctl.compare.journal import Journal
from whisperctl.compare.measurement import Measurement, Run
from whisperctl.compare.order import interleaved
from whisperctl.compare.plan import Cell, Plan, Recording, Variant
from whisperctl.transcript import Transcript

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
class _Sofar:
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
        self._sofar = {cell: _Sofar() for cell in plan.cells}
        self._estimate = Estimate(warm_up=plan.warm_up)

    def result(self) -> dict[Cell, Measurement]:
        self._resume()
        groups: dict[Recording, list[Cell]] = {}
        for cell in self._plan.cells:
            groups.setdefault(cell.recording, []).append(cell)
        repeats = self._plan.repeats
        for repeat in range(repeats):
            for cell in interleaved(list(groups.values()), repeat, repeats):
                sofar = self._sofar[cell]
                if repeat not in sofar.runs and not sofar.error:
                    self._run(cell, repeat)
        return {cell: sofar.measurement() for cell, sofar in self._sofar.items()}

    def _resume(self) -> None:
        if self._journal is None:
            return
        for cell, sofar in self._sofar.items():
            for repeat, entry in sorted(self._journal.kept(cell).items()):
                if entry.run is not None and repeat < self._plan.repeats:
                    sofar.add(entry.run, entry.text, entry.transcript)
                    self._estimate.add(cell, self._told_s(entry.run))
                    self._say(cell, repeat, "resumed")

    def _run(self, cell: Cell, repeat: int) -> None:
        self._say(cell, repeat, "running")
        sofar = self._sofar[cell]
        began = time.monotonic()
        outcome = runner.run(
            cell,
            self._plan.options,
            warm_up=self._plan.warm_up,
            on_segment=self._on_segment,
            start=self._start(cell.variant) if self._start is not None else (),
        )
        took_s = time.monotonic() - began
        if isinstance(outcome, wire.Failure):
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
            for one, sofar in self._sofar.items()
            if not sofar.error and len(sofar.runs) < repeats
        }
        n_total = repeats * len(self._sofar)
        self._on_step(
            Step(
                cell,
                repeat,
                n_done=n_total - sum(left.values()),
                n_total=n_total,
                state=state,
                measurement=self._sofar[cell].measurement(),
                elapsed_s=time.monotonic() - self._began,
                eta_s=self._estimate.left_s(left),
                took_s=took_s,
                error=self._sofar[cell].error,
            )
        )
