"""Measure the cells of a plan, each run in a separate process, and keep a journal to resume from.

The journal of a plan is a file in the state directory (see ``whisperctl.storage.state``), keyed by
everything that the numbers depend on except the number of repeats, so that repeats can be added
later. It grows by one line for each run.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from whisperctl import __version__
from whisperctl.compare import runner
from whisperctl.compare.plan import (
    Cell,
    ForeignEngine,
    Plan,
    PreparedRecording,
    Variant,
    interleaved_groups,
)
from whisperctl.compare.result import Measurement, Run
from whisperctl.compare.worker import WINDOW_S
from whisperctl.engine import registry
from whisperctl.engine.protocol import OnSegment
from whisperctl.engine.registry import Engine
from whisperctl.errors import OutputError, UsageError
from whisperctl.jobs import events
from whisperctl.jobs.events import WorkerEvent
from whisperctl.jobs.executors import Execution
from whisperctl.jobs.job import Compared, Job, Results, Task
from whisperctl.jobs.sources import Recording
from whisperctl.models.ggml.files import hex_digest
from whisperctl.options import TranscriptionOptions
from whisperctl.storage import files, records, state
from whisperctl.text import quoted
from whisperctl.transcript import Transcript
from whisperctl.transcription.chunking import Chunk, ChunkFile


class Estimate:
    """Estimate of the remaining time, from the durations of earlier runs.

    A cell is expected to take as long as before. One without a run is estimated from the most
    similar cells, preferably of the same engine and model, in proportion to their work.
    """

    def __init__(self, *, warm_up: bool) -> None:
        self._warm_up = warm_up
        self._durations_s: dict[Cell, list[float]] = {}

    def add(self, cell: Cell, took_s: float) -> None:
        """Record the duration of a run."""
        self._durations_s.setdefault(cell, []).append(took_s)

    def left_s(self, left: Mapping[Cell, int]) -> float | None:
        """Seconds for the remaining runs of each cell; ``None`` before the first run."""
        if not self._durations_s:
            return None
        return sum(runs * self._run_s(cell) for cell, runs in left.items())

    def _run_s(self, cell: Cell) -> float:
        if cell in self._durations_s:
            return _mean(self._durations_s[cell])
        similarities = {other: _similarity(cell, other) for other in self._durations_s}
        highest = max(similarities.values())
        return _mean(
            [
                _mean(self._durations_s[other]) * self._work(cell) / self._work(other)
                for other, similarity in similarities.items()
                if similarity == highest
            ]
        )

    def _work(self, cell: Cell) -> float:
        """Amount of work: number of windows times size of the model, divided by threads."""
        windows = max(1, math.ceil(cell.recording.audio.duration_s / WINDOW_S)) + self._warm_up
        variant = cell.variant
        try:
            size_bytes = variant.model.path.stat().st_size
        except OSError:
            size_bytes = 1  # its run will fail with the reason
        return windows * size_bytes / variant.threads


def _similarity(one: Cell, other: Cell) -> tuple[bool, ...]:
    """Similarity of two cells as a key for sorting."""
    mine, theirs = one.variant, other.variant
    return (
        mine.model.name == theirs.model.name,
        mine.engine == theirs.engine,
        mine.model.quant == theirs.model.quant,
        mine.threads == theirs.threads,
    )


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


State = Literal["running", "done", "failed", "resumed"]

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """Start or end of a run, or a run found in the journal.

    ``n_done`` of ``n_total`` runs are done; all runs of a failed cell count as done. ``took_s`` is
    the duration of this run with its process, 0 while it runs. ``elapsed_s`` is the time since
    ``measure`` was called, ``eta_s`` the estimated remaining time, ``None`` if unknown.
    ``measurement`` holds the runs of the cell up to now.
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
OnWarning = Callable[[str], None]


def measure(
    plan: Plan,
    *,
    on_step: OnStep | None = None,
    on_segment: OnSegment | None = None,
    journal: Journal | None = None,
    execution: Execution | None = None,
    on_warning: OnWarning | None = None,
) -> dict[Cell, Measurement]:
    """Measure each cell ``plan.repeats`` times, or until it fails.

    Each repeat runs all cells before the next repeat begins, the cells of a recording one after
    another, and starts at another cell. KeyboardInterrupt and exceptions of callbacks end the
    running process and propagate; finished runs are then in the journal.

    Args:
        plan: the cells to measure.
        on_step: called for each step; "resumed" ones come first.
        on_segment: called with the segments of each measured transcription as they are decoded.
        journal: stores finished runs, and provides those of an earlier process.
        execution: measures elsewhere, without segments: all cells of a recording, once each, are
            a task, so that ratios are of runs on the same worker, one after another.
        on_warning: called with warnings of the execution.

    Returns:
        The measurements, in the order of ``plan.cells``.

    Raises:
        WhisperctlError: the execution cannot be used any longer.
        OutputError: there is no place for a temporary file of the samples.
    """
    measuring = _Measuring(plan, on_step, on_segment, journal)
    if execution is None:
        return measuring.result()
    return measuring.result_of(execution, on_warning or (lambda text: None))


def job(plan: Plan) -> Job:
    """Job of an executor that measures a plan.

    Raises:
        UsageError: an engine of the plan is one of another environment.
    """
    variants = plan.variants
    for one in variants:
        if isinstance(one.engine, ForeignEngine):
            raise UsageError(
                f"the engine {one.engine.label} belongs to another environment of this machine: "
                "leave out --executor"
            )
    compared = Compared(
        engines=tuple(dict.fromkeys(one.engine for one in variants)),
        models=tuple(dict.fromkeys(one.model.path for one in variants)),
        threads=max(one.threads for one in variants),
    )
    return Job(
        variants[0].engine,
        variants[0].model.path,
        compared.threads,
        TranscriptionOptions(),
        Results(),
        compared=compared,
    )


@dataclass(slots=True)
class _CellState:
    """Runs of a cell up to now."""

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


def _command(variant: Variant) -> tuple[str, ...]:
    """Command that starts the process of a variant."""
    engine = variant.engine
    return runner.command(engine.python) if isinstance(engine, ForeignEngine) else runner.command()


@dataclass(slots=True)
class _Group:
    """Cells of a recording that are measured elsewhere, once each, in order.

    ``samples`` is the file of the samples, ``worker`` who measures, ``ended`` the cells whose runs
    have ended.
    """

    cells: list[Cell]
    repeat: int
    samples: Path
    worker: str = ""
    ended: set[Cell] = field(default_factory=set)


class _Measuring:
    def __init__(
        self,
        plan: Plan,
        on_step: OnStep | None,
        on_segment: OnSegment | None,
        journal: Journal | None,
    ) -> None:
        self._plan = plan
        self._on_step = on_step
        self._on_segment = on_segment
        self._journal = journal
        self._began = time.monotonic()
        self._states = {cell: _CellState() for cell in plan.cells}
        self._estimate = Estimate(warm_up=plan.warm_up)
        self._n_at_once = 1

    def result(self) -> dict[Cell, Measurement]:
        self._resume()
        for repeat, group in self._groups():
            for cell in group:
                if self._is_due(cell, repeat):
                    self._run(cell, repeat)
        return self._measurements()

    def result_of(self, execution: Execution, on_warning: OnWarning) -> dict[Cell, Measurement]:
        """Measure by an executor."""
        self._resume()
        waiting = deque(self._groups())
        running: dict[int, _Group] = {}
        n_submitted = 0

        def take(index: int, event: WorkerEvent) -> None:
            if isinstance(event, events.WarningIssued):
                on_warning(event.text)
            elif index in running:
                self._take(running[index], event)
                if isinstance(event, events.End):
                    running.pop(index).samples.unlink(missing_ok=True)

        with ExitStack() as stack:
            folder = files.make_temporary_folder("measuring on other machines")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            while waiting or running:
                while waiting and len(running) < execution.slots:
                    repeat, cells = waiting.popleft()
                    due = [cell for cell in cells if self._is_due(cell, repeat)]
                    if due:
                        n_submitted += 1
                        group = _Group(due, repeat, folder / f"{n_submitted}.f32")
                        running[n_submitted] = group
                        self._n_at_once = max(1, len(running))
                        execution.submit(n_submitted, self._task(group))
                if running:
                    execution.poll(take, _POLL_S)
        return self._measurements()

    def _groups(self) -> Iterator[tuple[int, list[Cell]]]:
        """Number of each repeat, and cells of each recording, in the order of the runs."""
        groups: dict[PreparedRecording, list[Cell]] = {}
        for cell in self._plan.cells:
            groups.setdefault(cell.recording, []).append(cell)
        repeats = self._plan.repeats
        for repeat in range(repeats):
            for group in interleaved_groups(list(groups.values()), repeat, repeats):
                yield repeat, group

    def _is_due(self, cell: Cell, repeat: int) -> bool:
        cell_state = self._states[cell]
        return repeat not in cell_state.runs and not cell_state.error

    def _measurements(self) -> dict[Cell, Measurement]:
        return {cell: cell_state.measurement() for cell, cell_state in self._states.items()}

    def _task(self, group: _Group) -> Task:
        """Task of a group, whose samples are written."""
        recording = group.cells[0].recording
        try:
            chunk = ChunkFile.write(Chunk(0, recording.audio.samples), group.samples)
        except OSError as error:
            raise OutputError(
                f"{quoted(group.samples)} cannot be written: {files.reason(error)}"
            ) from error
        return Task(
            Recording(recording.label),
            chunk=chunk,
            runs=tuple(
                runner.request(cell, self._plan.options, warm_up=self._plan.warm_up)
                for cell in group.cells
            ),
        )

    def _take(self, group: _Group, event: WorkerEvent) -> None:
        """Take an event of a group's task."""
        match event:
            case events.Placed(worker):
                group.worker = worker
                group.ended.clear()  # the worker before is lost, and its runs are measured again
                self._report(group.cells[0], group.repeat, "running")
            case events.RunMeasured(place, result, error, took_s):
                cell = group.cells[place]
                group.ended.add(cell)
                if result is None:
                    self._fail(cell, group.repeat, error, took_s)
                else:
                    self._add(cell, group.repeat, result, took_s, group.worker)
                if place + 1 < len(group.cells):
                    self._report(group.cells[place + 1], group.repeat, "running")
            case events.Failed() | events.Measured():
                reason = event.reason if isinstance(event, events.Failed) else "no result came"
                for cell in group.cells:
                    if cell not in group.ended:
                        self._fail(cell, group.repeat, reason, 0.0)
            case _:
                pass

    def _resume(self) -> None:
        if self._journal is None:
            return
        for cell, cell_state in self._states.items():
            for repeat, entry in sorted(self._journal.kept(cell).items()):
                if entry.run is not None and repeat < self._plan.repeats:
                    cell_state.add(entry.run, entry.text, entry.transcript)
                    self._estimate.add(cell, self._expected_s(entry.run))
                    self._report(cell, repeat, "resumed")

    def _run(self, cell: Cell, repeat: int) -> None:
        self._report(cell, repeat, "running")
        began = time.monotonic()
        outcome = runner.run(
            cell,
            self._plan.options,
            warm_up=self._plan.warm_up,
            on_segment=self._on_segment,
            start=_command(cell.variant),
        )
        took_s = time.monotonic() - began
        if isinstance(outcome, runner.Failure):
            self._fail(cell, repeat, outcome.message, took_s)
        else:
            self._add(cell, repeat, outcome, took_s)

    def _fail(self, cell: Cell, repeat: int, error: str, took_s: float) -> None:
        self._states[cell].error = error
        if self._journal is not None:
            self._journal.failed(cell, error)
        self._report(cell, repeat, "failed", took_s)

    def _add(
        self, cell: Cell, repeat: int, outcome: runner.Result, took_s: float, worker: str = ""
    ) -> None:
        cell_state = self._states[cell]
        run = Run(repeat, outcome.values, outcome.counts, worker)
        first = cell_state.transcript is None
        cell_state.add(run, outcome.transcript.text, outcome.transcript)
        self._estimate.add(cell, took_s)
        if self._journal is not None:
            self._journal.add(cell, run, outcome.transcript, whole_transcript=first)
        self._report(cell, repeat, "done", took_s)

    def _expected_s(self, run: Run) -> float:
        """Approximate duration of a run, from its values."""
        values = run.values
        warm_ms = values["wall_ms"] if self._plan.warm_up else 0.0
        return (values["cold_start_ms"] + warm_ms) / 1000

    def _report(self, cell: Cell, repeat: int, state: State, took_s: float = 0.0) -> None:
        if self._on_step is None:
            return
        repeats = self._plan.repeats
        left = {
            other: repeats - len(cell_state.runs)
            for other, cell_state in self._states.items()
            if not cell_state.error and len(cell_state.runs) < repeats
        }
        n_total = repeats * len(self._states)
        left_s = self._estimate.left_s(left)
        self._on_step(
            Step(
                cell,
                repeat,
                n_done=n_total - sum(left.values()),
                n_total=n_total,
                state=state,
                measurement=self._states[cell].measurement(),
                elapsed_s=time.monotonic() - self._began,
                eta_s=None if left_s is None else left_s / self._n_at_once,
                took_s=took_s,
                error=self._states[cell].error,
            )
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of the cell with this ``key``, or its ``error``.

    Only the first run of a cell has a ``transcript``.
    """

    key: str
    run: Run | None = None
    text: str = ""
    transcript: Transcript | None = None
    error: str = ""


class Journal:
    """Journal of a plan, open until ``close`` or ``done``.

    If it cannot be written, or is in use by another process, ``problem`` says so.
    """

    def __init__(self, file: state.StateFile, keys: dict[Cell, str], entries: list[Entry]) -> None:
        self._file = file
        self._keys = keys
        self._kept: dict[str, dict[int, Entry]] = {}
        for entry in entries:
            if entry.run is not None:
                self._kept.setdefault(entry.key, {})[entry.run.repeat] = entry

    @classmethod
    def open(cls, plan: Plan, *, resume: bool, kind: str = "") -> Self:
        """Open the journal of a plan.

        Args:
            plan: the cells to measure.
            resume: keep the runs of an earlier process instead of deleting them.
            kind: kind of the workers that measure, as times on others are no part of it; empty for
                this machine.
        """
        keys = _keys(plan, kind)
        state.prune()
        file = state.StateFile(
            ["compare", *sorted(keys.values())],
            taken="another process measures the same and keeps its journal",
        )
        entries = file.read(_parsed) if resume else []
        if not entries:
            file.cut()
        return cls(file, keys, entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def problem(self) -> str:
        """Reason for there being no journal, or an empty string."""
        problem = self._file.problem
        return (
            f"{problem}; --resume will not be able to continue this comparison" if problem else ""
        )

    def kept(self, cell: Cell) -> dict[int, Entry]:
        """Runs of a cell by an earlier process, by repeat."""
        return self._kept.get(self._keys[cell], {})

    def add(self, cell: Cell, run: Run, transcript: Transcript, *, whole_transcript: bool) -> None:
        """Store a run, with its whole transcript if requested."""
        whole = transcript if whole_transcript else None
        self._append(Entry(self._keys[cell], run, transcript.text, whole))

    def failed(self, cell: Cell, error: str) -> None:
        """Store the error of a cell, for information; a resumed comparison retries it."""
        self._append(Entry(self._keys[cell], error=error))

    def done(self) -> None:
        """Delete and close the journal of a finished comparison."""
        self._file.remove()
        self.close()

    def close(self) -> None:
        """Close the journal and keep its file; safe to call repeatedly."""
        self._file.close()

    def _append(self, entry: Entry) -> None:
        self._file.append(records.line(entry))


def _parsed(line: bytes) -> Entry:
    return records.restore(Entry, records.loads(line))


def _keys(plan: Plan, kind: str) -> dict[Cell, str]:
    """Hash of everything that the numbers of a cell depend on, for each cell."""
    cells = plan.cells
    variants = dict.fromkeys(cell.variant for cell in cells)
    parts = {engine: _engine_key(engine) for engine in dict.fromkeys(v.engine for v in variants)}
    paths = dict.fromkeys(variant.model.path for variant in variants)
    files = {path: state.identity(path) or str(path) for path in paths}
    return {
        cell: state.hashed(
            [
                __version__,
                cell.recording.info.samples_sha256,
                cell.variant.threads,
                files[cell.variant.model.path],
                parts[cell.variant.engine],
                records.plain(plan.options),
                plan.warm_up,
                *([kind] if kind else []),
            ]
        )
        for cell in cells
    }


def _engine_key(engine: Engine) -> object:
    """Versions of an engine, and hashes of its files."""
    if isinstance(engine, ForeignEngine):
        return records.plain(engine)
    info = registry.find(engine.backend).info
    if info is None:
        return records.plain(engine)  # its run will fail with the reason
    runtimes = [one for one in info.runtimes if engine.runtime in (None, one.name)]
    return [
        records.plain(engine),
        [info.version, info.library],
        [[one.name, one.version, [_hash(path) for path in one.files]] for one in runtimes],
    ]


def _hash(path: Path) -> str:
    try:
        return hex_digest(path, "sha256")
    except OSError:
        return ""
