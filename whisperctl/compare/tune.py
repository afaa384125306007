"""Find the engine and number of threads that transcribe fastest on this machine.

Engines are measured as ``whisperctl.compare.measure`` measures, in rounds: every engine with the
default number of threads, then the fastest two with other numbers, then the fastest of all again,
for as long as the time lasts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from whisperctl.compare.measure import OnStep, Step, measure
from whisperctl.compare.plan import Cell, Plan, PreparedRecording, Variant
from whisperctl.compare.result import Comparison, LeftOut, Measurement, ModelFile
from whisperctl.engine import registry, resources
from whisperctl.engine.registry import Engine, Fastest
from whisperctl.errors import BackendError
from whisperctl.options import DecodeOptions

_CLOSE = 1.5
"""Engines that took up to this many times the fastest one's time are measured again."""

_MOST_ROUNDS = 5
_WORSE_WER = 0.02


@dataclass(frozen=True, slots=True)
class Tuning:
    """Measurements: ``plan`` holds every variant that ran, ``measurements`` all their runs."""

    plan: Plan
    measurements: Mapping[Cell, Measurement]


class _OutOfTimeError(Exception):
    """The time for measuring is over."""


def tune(
    recording: PreparedRecording,
    model: ModelFile,
    engines: Sequence[Engine],
    options: DecodeOptions,
    *,
    seconds: float,
    left_out: tuple[LeftOut, ...] = (),
    on_step: OnStep | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Tuning:
    """Measure engines and numbers of threads.

    Every engine runs at least once, as nobody knows which is the fastest before that.

    Args:
        recording: what to transcribe.
        model: what with.
        engines: those to measure, the preferred first.
        options: every decoding parameter.
        seconds: time after which no engine runs again.
        left_out: engines that cannot be used, for the report.
        on_step: gets each step.
        clock: seconds from some moment on.

    Raises:
        BackendError: no engine could transcribe the recording.
    """
    until = clock() + seconds
    found: dict[Cell, Measurement] = {}

    def taken(step: Step) -> None:
        if step.state != "running":
            found[step.cell] = _joined(found.get(step.cell), step.measurement)
        if on_step is not None:
            on_step(step)
        if step.state != "running" and clock() >= until and found.keys() >= once:
            raise _OutOfTimeError

    def run(variants: Iterable[Variant]) -> None:
        chosen = tuple(variants)
        if chosen:
            measure(replace(plan, variants=chosen), on_step=taken)

    threads = resources.default_threads()
    first = tuple(Variant(engine, model, threads) for engine in engines)
    plan = Plan((recording,), first, options, warm_up=False, left_out=left_out)
    once = set(plan.cells)
    try:
        run(first)
        run(
            replace(variant, threads=n)
            for variant in _ranked(found)[:2]
            for n in _other_threads(threads)
        )
        for _ in range(_MOST_ROUNDS):
            run(_close(found))
    except _OutOfTimeError:
        pass
    ran = [cell.variant for cell in found]
    if not _ranked(found):
        reasons = "; ".join(f"{cell.variant.engine.label}: {m.error}" for cell, m in found.items())
        raise BackendError(f"no engine could transcribe {recording.label} ({reasons})")
    variants = tuple(v for v in dict.fromkeys([*first, *ran]) if v in ran)
    repeats = max(len(measurement.runs) for measurement in found.values())
    return Tuning(replace(plan, variants=variants, repeats=repeats), found)


def fastest(tuning: Tuning, comparison: Comparison) -> Variant:
    """The fastest variant among those that hear no worse than the others.

    Args:
        tuning: what was measured.
        comparison: the same with scores, whose variants are in the same order.
    """
    rates = {
        tuning.plan.variants[cell.variant]: cell.difference.normalized_wer.rate
        for cell in comparison.cells
        if cell.difference is not None
    }
    ranked = _ranked(tuning.measurements)
    best = min((rates[variant] for variant in ranked if variant in rates), default=0.0)
    return next(
        (v for v in ranked if rates.get(v, best) <= best + _WORSE_WER),
        ranked[0],
    )


def remember(variant: Variant) -> str:
    """Keep a choice for ``--backend auto``.

    Returns:
        Why it cannot be kept; empty if it is.
    """
    engine = registry.resolve(variant.engine)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return registry.keep_fastest(
        Fastest(engine, variant.threads, date, registry.versions(engine), resources.machine())
    )


def _other_threads(threads: int) -> Iterable[int]:
    """Numbers of threads worth trying besides the default one: one, half, and all processors."""
    most = resources.available()
    tried = dict.fromkeys((1, threads // 2, most))
    return [n for n in tried if 1 <= n <= most and n != threads]


def _joined(before: Measurement | None, now: Measurement) -> Measurement:
    """Runs of two rounds, as one measurement."""
    if before is None or before.error or now.error:
        return now
    n = len(before.runs)
    more = tuple(replace(run, repeat=n + k) for k, run in enumerate(now.runs))
    return replace(before, runs=before.runs + more)


def _ranked(found: Mapping[Cell, Measurement]) -> list[Variant]:
    """Variants that worked, the fastest first by its fastest run, which nothing disturbed."""
    times = _times_ms(found)
    return sorted(times, key=lambda variant: times[variant])


def _close(found: Mapping[Cell, Measurement]) -> list[Variant]:
    """The fastest variants, two at least, if there are several."""
    ranked, times = _ranked(found), _times_ms(found)
    if len(ranked) < 2:
        return []
    close = [v for v in ranked if times[v] <= _CLOSE * times[ranked[0]]]
    return close if len(close) > 1 else ranked[:2]


def _times_ms(found: Mapping[Cell, Measurement]) -> dict[Variant, float]:
    """Time of the fastest run of each variant that worked."""
    return {
        cell.variant: min(run.values["wall_ms"] for run in measurement.runs)
        for cell, measurement in found.items()
        if measurement.runs and not measurement.error
    }
