"""Runs combinations and takes their numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.plan import Combination, order
from whisperctl.audio import Audio
from whisperctl.compare import runner
from whisperctl.compare.spec import Cell, Job
from whisperctl.decoding import DecodeOptions
from whisperctl.transcript import Timings

OPTIONS = DecodeOptions(language="en", beam_size=1, temperature=0.0, temperature_increment=0.0)
"""Greedy and without fallback, so that every engine does the same work."""

_WHOLE = ("load", "mel", "encode", "decode", "batchd", "prompt", "sample", "total")
_PER_RUN = ("decode", "batchd")
_RUNS = ("encode", "decode", "batchd", "prompt")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. ``values`` are named with their units, ``runs`` is how often phases ran."""

    values: Mapping[str, float]
    runs: Mapping[str, int]
    text: str
    system_info: str


@dataclass(slots=True)
class Outcome:
    """What all repeats of a combination came to; one that failed is not tried again."""

    samples: list[Sample] = field(default_factory=list)
    error: str = ""


Outcomes = dict[Combination, Outcome]


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement just done, or a warm-up, which counts for nothing and has no repeat."""

    combination: Combination
    repeat: int | None
    elapsed_s: float
    error: str


def warm_ups(combinations: Sequence[Combination]) -> list[Combination]:
    """One combination for each engine and model, the first that there is."""
    first: dict[tuple[str, str], Combination] = {}
    for one in combinations:
        first.setdefault((one.subject.name, one.model), one)
    return list(first.values())


def run(
    combinations: Sequence[Combination],
    repeats: int,
    recordings: Mapping[str, Audio],
    paths: Mapping[Combination, Path],
    outcomes: Outcomes,
) -> Iterator[Step]:
    """Warm up and measure, step by step; what is measured is added to ``outcomes``.

    KeyboardInterrupt ends the process of the step it comes in and propagates.
    """
    for one in warm_ups(combinations):
        yield _step(one, None, recordings[one.recording], paths[one], Outcome())
    for repeat in range(repeats):
        for one in order(combinations, repeat, repeats):
            outcome = outcomes.setdefault(one, Outcome())
            if not outcome.error:
                yield _step(one, repeat, recordings[one.recording], paths[one], outcome)


def _step(
    one: Combination, repeat: int | None, recording: Audio, path: Path, outcome: Outcome
) -> Step:
    started = time.perf_counter()
    job = Job(recording, path, one.threads, OPTIONS)
    cell = runner.run(one.subject.engine(one.format), job, start=one.subject.start)
    found = sample(cell, recording.duration_s)
    if found is None:
        outcome.error = cell.error
    else:
        outcome.samples.append(found)
    return Step(one, repeat, time.perf_counter() - started, cell.error)


def sample(cell: Cell, duration_s: float) -> Sample | None:
    """The numbers of a cell; ``None`` when it failed."""
    if cell.transcript is None:
        return None
    timings = cell.transcript.timings
    values = dict(_phases(timings))
    values["wall_ms"] = timings.wall_ms
    values["real_time_factor"] = timings.wall_ms / 1000 / duration_s
    for name, value in (
        ("open_ms", cell.open_ms),
        ("module_compile_ms", timings.module_compile_ms),
        ("instantiate_ms", timings.instantiate_ms),
        ("peak_memory_bytes", timings.peak_memory_bytes),
    ):
        if value is not None:
            values[name] = value
    runs = {name: timings.phases[name].runs for name in _RUNS if name in timings.phases}
    return Sample(values, runs, cell.transcript.text, cell.transcript.system_info)


def _phases(timings: Timings) -> Iterator[tuple[str, float]]:
    for name in _WHOLE:
        if name in timings.phases:
            yield f"{name}_ms", timings.phases[name].total_ms
    for name in _PER_RUN:
        if name in timings.phases and timings.phases[name].runs:
            yield f"{name}_ms_per_run", timings.phases[name].per_run_ms
