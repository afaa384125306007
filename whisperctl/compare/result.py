"""The result of a comparison, and the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whisperctl.compare.score import Difference, difference
from whisperctl.compare.spec import Cell, Job
from whisperctl.engines import Unavailable
from whisperctl.transcript import Transcript

_REFERENCE = "native"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What each engine made of one job, in the order they ran.

    ``differences`` has a place for each cell; ``None`` for the reference itself, for a cell that
    failed, and when there is nothing to compare with.
    """

    job: Job
    cells: tuple[Cell, ...]
    left_out: tuple[Unavailable, ...]
    reference: Cell | None
    differences: tuple[Difference | None, ...]

    @property
    def failed(self) -> bool:
        """Whether an engine failed."""
        return any(cell.transcript is None for cell in self.cells)

    def real_time_factor(self, cell: Cell) -> float | None:
        """Seconds of work for each second of the recording, below 1 when faster than it plays."""
        if cell.transcript is None or not self.job.audio.duration_s:
            return None
        return cell.transcript.timings.wall_ms / 1000 / self.job.audio.duration_s

    def ratio(self, cell: Cell, name: str) -> float | None:
        """How many times the reference's time this engine took: ``wall``, or one of ``PHASES``."""
        if self.reference is None:
            return None
        own, other = milliseconds(cell, name), milliseconds(self.reference, name)
        return own / other if own is not None and other else None


def conclude(job: Job, cells: Sequence[Cell], left_out: Sequence[Unavailable]) -> Comparison:
    """Compare the texts with that of native or, failing that, of the first engine that worked."""
    worked = [cell for cell in cells if cell.transcript is not None]
    native = [cell for cell in worked if cell.engine.backend == _REFERENCE]
    reference = next(iter([*native, *worked]), None)
    return Comparison(
        job,
        tuple(cells),
        tuple(left_out),
        reference,
        tuple(_difference(reference, cell) for cell in cells),
    )


def milliseconds(cell: Cell, name: str) -> float | None:
    """The time of a phase, or of the whole run for ``wall``."""
    if cell.transcript is None:
        return None
    timings = cell.transcript.timings
    if name == "wall":
        return timings.wall_ms
    phase = timings.phases.get(name)
    return phase.total_ms if phase is not None else None


def _difference(reference: Cell | None, cell: Cell) -> Difference | None:
    if reference is None or cell is reference:
        return None
    theirs: Transcript | None = cell.transcript
    if reference.transcript is None or theirs is None:
        return None
    return difference(reference.transcript.text, theirs.text)
