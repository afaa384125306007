"""What is kept of a comparison under way, so that one that was ended can go on.

A plan has one file in the state directory (see ``whisperctl.storage.state``), named by all that its
numbers depend on. The number of repeats does not count, so that some can be added later. It grows
by a line a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from whisperctl import __version__
from whisperctl.compare import manifest
from whisperctl.compare.plan import Cell, Plan
from whisperctl.compare.result import Run
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine
from whisperctl.models.ggml.files import hex_digest
from whisperctl.storage import records, state
from whisperctl.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of the cell with this ``key``; ``transcript`` is there of the first one kept.

    Without a ``run`` the cell failed.
    """

    key: str
    run: Run | None = None
    text: str = ""
    transcript: Transcript | None = None
    error: str = ""


class Journal:
    """The journal of a plan, open until it is closed or ``done``.

    ``problem`` says why there is none: it cannot be written, or another process has it.
    """

    def __init__(self, file: state.StateFile, keys: dict[Cell, str], entries: list[Entry]) -> None:
        self._file = file
        self._keys = keys
        self._kept: dict[str, dict[int, Entry]] = {}
        for entry in entries:
            if entry.run is not None:
                self._kept.setdefault(entry.key, {})[entry.run.repeat] = entry

    @classmethod
    def open(cls, plan: Plan, *, resume: bool) -> Self:
        """Open the plan's journal.

        Args:
            plan: what is to be measured.
            resume: whether to keep what an earlier run has measured, instead of dropping it.
        """
        keys = _keys(plan)
        state.prune()
        file = state.StateFile(
            ["compare", *sorted(keys.values())],
            taken="another run measures the same and keeps its journal",
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
        """Why there is no journal, if so."""
        problem = self._file.problem
        return f"{problem}; --resume could not go on with this comparison" if problem else ""

    def kept(self, cell: Cell) -> dict[int, Entry]:
        """What an earlier process measured of a cell, by repeat."""
        return self._kept.get(self._keys[cell], {})

    def add(self, cell: Cell, run: Run, transcript: Transcript, *, whole_transcript: bool) -> None:
        """Keep a run, and its whole transcript if that is wanted."""
        whole = transcript if whole_transcript else None
        self._append(Entry(self._keys[cell], run, transcript.text, whole))

    def failed(self, cell: Cell, error: str) -> None:
        """Keep that a cell failed, for those who look; it is tried again."""
        self._append(Entry(self._keys[cell], error=error))

    def done(self) -> None:
        """Remove the journal: nothing is left to go on with."""
        self._file.remove()
        self.close()

    def close(self) -> None:
        """Let the journal go and keep it; safe to call again."""
        self._file.close()

    def _append(self, entry: Entry) -> None:
        self._file.append(records.line(entry))


def _parsed(line: bytes) -> Entry:
    return records.restore(Entry, records.loads(line))


def _keys(plan: Plan) -> dict[Cell, str]:
    """A hash for each cell of all that its numbers depend on."""
    cells = plan.cells
    variants = dict.fromkeys(cell.variant for cell in cells)
    made_of = {engine: _made_of(engine) for engine in dict.fromkeys(v.engine for v in variants)}
    paths = dict.fromkeys(variant.weights.path for variant in variants)
    files = {path: state.identity(path) or str(path) for path in paths}
    recordings = {cell.recording for cell in cells}
    samples = {one: manifest.samples_hash(one.audio.samples) for one in recordings}
    return {
        cell: state.hashed(
            [
                __version__,
                samples[cell.recording],
                cell.variant.threads,
                files[cell.variant.weights.path],
                made_of[cell.variant.engine],
                records.plain(plan.options),
                plan.warm_up,
            ]
        )
        for cell in cells
    }


def _made_of(engine: Engine) -> object:
    """Versions of an engine, and hashes of what else it runs."""
    info = registry.find(engine.backend).info
    if info is None:
        return records.plain(engine)  # running it says why it does not work
    runtimes = [one for one in info.runtimes if engine.runtime in (None, one.name)]
    return [
        records.plain(engine),
        [info.version, info.engine],
        [[one.name, one.version, [_hash(path) for path in one.files]] for one in runtimes],
    ]


def _hash(path: Path) -> str:
    try:
        return hex_digest(path, "sha256")
    except OSError:
        return ""
