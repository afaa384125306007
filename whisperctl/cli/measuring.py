"""How far a comparison is: a bar on a terminal, and a line for each cell that fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from whisperctl.cli import console, progress
from whisperctl.compare.conclude import labels
from whisperctl.compare.measure import Step
from whisperctl.compare.plan import Cell, Plan

if TYPE_CHECKING:
    from rich.progress import TaskID


class Display:
    """Shows the steps of a comparison; a context manager."""

    def __init__(self, plan: Plan) -> None:
        self._several = len(plan.recordings) > 1
        self._labels = dict(zip(plan.variants, labels(plan.variants), strict=True))
        self._progress = progress.bars() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        self._n_done = 0
        self._n_resumed = 0

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._task = self._progress.add_task("", total=None, note="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def step(self, step: Step) -> None:
        """Show a step."""
        self._n_done = step.n_done
        if step.state == "resumed":
            self._n_resumed += 1
        if step.state == "failed":
            console.error(f"{self._label(step.cell)} failed: {step.error}")
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task,
                description=f"{step.n_done}/{step.n_total} {self._label(step.cell)}",
                total=step.n_total,
                completed=step.n_done,
                note=progress.eta(step.eta_s),
            )

    def interrupted(self) -> None:
        """Say how to go on, if there is something to go on from."""
        if self._n_done:
            console.note(f"{self._n_done} runs are kept: the same command with --resume goes on")

    def _label(self, cell: Cell) -> str:
        label = self._labels[cell.variant]
        return f"{label} on {cell.recording.label}" if self._several else label
