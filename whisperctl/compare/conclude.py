"""Makes the result of a comparison from what was measured."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from whisperctl import __version__
from whisperctl.compare import machine, manifest, statistics
from whisperctl.compare.plan import Cell, Plan, Variant
from whisperctl.compare.result import (
    SCHEMA,
    CellInfo,
    Comparison,
    LeftOut,
    Machine,
    Measurement,
    PhaseInfo,
    RunInfo,
    VariantInfo,
)
from whisperctl.compare.scoring import agreement, texts, timed_words, tokens
from whisperctl.compare.statistics import NAMES, rounded
from whisperctl.engine.registry import Unavailable
from whisperctl.transcript import PHASES


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a comparison before it begins.

    ``date`` is ISO 8601 with its zone, ``command`` what was typed. ``baseline`` is the baseline's
    name, ``baselines`` what that is for each variant. ``machine`` is as it was at the start.
    """

    date: str
    command: tuple[str, ...]
    machine: Machine
    baseline: str
    baselines: Mapping[Variant, Variant | None]
    left_out: tuple[Unavailable, ...] = ()


def conclude(
    plan: Plan, measurements: Mapping[Cell, Measurement], setting: Setting, *, elapsed_s: float
) -> Comparison:
    """The result, with everything hashed that it stands on.

    Raises:
        ModelError: a model cannot be read any more.
        AudioError: a recording cannot be read any more.
        OSError: a file of an engine cannot be read.
    """
    engines = list(dict.fromkeys(variant.engine for variant in plan.variants))
    weights = list(dict.fromkeys(variant.weights for variant in plan.variants))
    infos = {
        cell.variant.engine: measurement.transcript.system_info
        for cell, measurement in measurements.items()
        if measurement.transcript is not None
    }
    return Comparison(
        schema=SCHEMA,
        whisperctl=__version__,
        date=setting.date,
        command=setting.command,
        machine=setting.machine,
        packages=manifest.packages(engine.backend for engine in engines),
        parameters=asdict(plan.options),
        repeats=plan.repeats,
        warm_up=plan.warm_up,
        baseline=setting.baseline,
        recordings=tuple(map(manifest.recording_info, plan.recordings)),
        models=tuple(map(manifest.model_info, weights)),
        engines=tuple(manifest.engine_info(engine, infos.get(engine, "")) for engine in engines),
        variants=tuple(
            VariantInfo(label, engines.index(one.engine), weights.index(one.weights), one.threads)
            for one, label in zip(plan.variants, labels(plan.variants), strict=True)
        ),
        cells=tuple(_cells(plan, measurements, setting.baselines)),
        left_out=tuple(LeftOut(one.engine.label, one.problem) for one in setting.left_out),
        elapsed_s=round(elapsed_s, 3),
    )


def labels(variants: Sequence[Variant]) -> list[str]:
    """What tells the variants apart: always the engine, and what else differs among them."""
    names = len({variant.weights.name for variant in variants}) > 1
    quants = len({(variant.weights.quant) for variant in variants}) > 1
    threads = len({variant.threads for variant in variants}) > 1
    found = []
    for variant in variants:
        parts = [variant.engine.label]
        parts += [variant.weights.name] if names else []
        parts += [variant.weights.quant] if quants else []
        parts += [f"{variant.threads}t"] if threads else []
        found.append(" ".join(parts))
    return found


def _cells(
    plan: Plan,
    measurements: Mapping[Cell, Measurement],
    baselines: Mapping[Variant, Variant | None],
) -> list[CellInfo]:
    found = []
    for index, recording in enumerate(plan.recordings):
        groups: dict[str, str] = {}
        for number, variant in enumerate(plan.variants):
            cell = Cell(recording, variant)
            measurement = measurements[cell]
            against = baselines[variant]
            other = None if against is None else measurements[Cell(recording, against)]
            if other is not None and other.transcript is None:
                other = against = None
            found.append(
                _cell(
                    cell,
                    (index, number),
                    measurement,
                    None if against is None else plan.variants.index(against),
                    other,
                    groups,
                )
            )
    return found


def _cell(
    cell: Cell,
    place: tuple[int, int],
    measurement: Measurement,
    baseline: int | None,
    other: Measurement | None,
    groups: dict[str, str],
) -> CellInfo:
    """``groups`` has the letters of texts, and gets one for a new text."""
    recording, variant = place
    runs = tuple(RunInfo(run.repeat, run.values, run.counts) for run in measurement.runs)
    transcript = measurement.transcript
    if measurement.error or transcript is None:
        return CellInfo(recording, variant, baseline, measurement.error or "no run", runs)
    ours = _by_repeat(measurement)
    theirs = _by_repeat(other) if other is not None else {}
    # What only some runs have has no middle.
    values = {name: list(v.values()) for name, v in ours.items() if v and len(v) == len(runs)}
    text = transcript.text
    reference = cell.recording.reference
    itself = baseline == variant
    return CellInfo(
        recording=recording,
        variant=variant,
        baseline=baseline,
        runs=runs,
        stats={name: statistics.stat(numbers) for name, numbers in values.items()},
        ratios={
            name: ratio
            for name in values
            if (ratio := statistics.paired_ratio(ours[name], theirs.get(name, {}))) is not None
        },
        phases=_phases(measurement, values),
        language=transcript.language,
        language_probability=transcript.language_probability,
        text=text,
        text_group=groups.setdefault(" ".join(text.split()), _letters(len(groups))),
        stable=measurement.stable,
        segments=timed_words.segments(transcript),
        token_ids=tokens.token_ids(transcript),
        agreement=None
        if itself or other is None or other.transcript is None
        else agreement.agreement(other.transcript, transcript),
        difference=None
        if reference is None
        else texts.difference(reference.text, text, language=texts.text_language(transcript)),
    )


def _by_repeat(measurement: Measurement) -> dict[str, dict[int, float]]:
    """Each value of each run that has it, by name and repeat."""
    return {
        name: {run.repeat: run.values[name] for run in measurement.runs if name in run.values}
        for name in NAMES
    }


def _phases(
    measurement: Measurement, values: Mapping[str, Sequence[float]]
) -> tuple[PhaseInfo, ...]:
    counts = measurement.runs[0].counts if measurement.runs else {}
    found = []
    for name in PHASES:
        if f"{name}_ms" in values and name in counts:
            total_ms = statistics.stat(values[f"{name}_ms"]).median
            per_run_ms = rounded(total_ms / max(1, counts[name]), "ms")
            found.append(PhaseInfo(name, total_ms, counts[name], per_run_ms))
    return tuple(found)


def _letters(number: int) -> str:
    """``A`` to ``Z``, then ``AA``, ``AB`` and so on."""
    more, letter = divmod(number, 26)
    return (_letters(more - 1) if more else "") + string.ascii_uppercase[letter]


def now() -> str:
    """The date and time here, ISO 8601 with the zone."""
    from datetime import datetime

    return datetime.now().astimezone().isoformat(timespec="seconds")


def setting(
    command: Sequence[str],
    name: str,
    baselines: Mapping[Variant, Variant | None],
    left_out: Sequence[Unavailable],
) -> Setting:
    """The setting of a comparison that begins now."""
    return Setting(now(), tuple(command), machine.describe(), name, baselines, tuple(left_out))
