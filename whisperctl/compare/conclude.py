"""Result of a comparison: statistics and scores of the measurements, and what they depend on."""

from __future__ import annotations

import os
import platform
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Self

from whisperctl import __version__
from whisperctl.compare import statistics
from whisperctl.compare.plan import Cell, ForeignEngine, Plan, Variant, baselines, portable
from whisperctl.compare.result import (
    SCHEMA,
    CellInfo,
    Comparison,
    EngineInfo,
    Machine,
    Measurement,
    ModelFile,
    PhaseInfo,
    VariantInfo,
    Workers,
)
from whisperctl.compare.scoring import agreement, wer
from whisperctl.compare.statistics import NAMES, rounded
from whisperctl.engine import registry, resources
from whisperctl.engine.registry import Engine
from whisperctl.errors import ModelError
from whisperctl.models.ggml.files import hex_digest
from whisperctl.storage.files import reason
from whisperctl.text import quoted
from whisperctl.transcript import PHASES

if TYPE_CHECKING:
    from whisperctl.jobs.executors import Kind

_CORE = "whisperctl-asr"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Start:
    """Start of a comparison: date in ISO 8601 with time zone, arguments as typed, and machine."""

    date: str
    command: tuple[str, ...]
    machine: Machine

    @classmethod
    def now(cls, command: Sequence[str]) -> Self:
        """Start at the present time."""
        from datetime import datetime

        date = datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(date, tuple(command), describe_machine())


def conclude(
    plan: Plan,
    measurements: Mapping[Cell, Measurement],
    start: Start,
    *,
    elapsed_s: float,
    kind: Kind | None = None,
) -> Comparison:
    """Result of a comparison, with the hashes of all files that it depends on.

    Args:
        plan: what was measured.
        measurements: one for each cell of the plan.
        start: start of the comparison.
        elapsed_s: its duration.
        kind: kind of the workers that measured, if this machine did not.

    Raises:
        ModelError: a model cannot be read.
        OSError: a file of an engine cannot be read.
    """
    engines = list(dict.fromkeys(variant.engine for variant in plan.variants))
    models = list(dict.fromkeys(variant.model for variant in plan.variants))
    system_infos = {
        cell.variant.engine: measurement.transcript.system_info
        for cell, measurement in measurements.items()
        if measurement.transcript is not None
    }
    return Comparison(
        schema=SCHEMA,
        whisperctl=__version__,
        date=start.date,
        command=start.command,
        machine=start.machine if kind is None else kind.machine,
        packages=packages(engine.backend for engine in engines),
        parameters=asdict(plan.options),
        repeats=plan.repeats,
        warm_up=plan.warm_up,
        baseline=plan.baseline,
        recordings=tuple(recording.info for recording in plan.recordings),
        models=tuple(map(describe_model, models)),
        engines=tuple(describe_engine(one, system_infos.get(one, "")) for one in engines),
        variants=tuple(
            VariantInfo(label, engines.index(one.engine), models.index(one.model), one.threads)
            for one, label in zip(plan.variants, labels(plan.variants), strict=True)
        ),
        cells=tuple(_cells(plan, measurements)),
        left_out=plan.left_out,
        elapsed_s=round(elapsed_s, 3),
        workers=None if kind is None else _workers(measurements, kind),
    )


def _workers(measurements: Mapping[Cell, Measurement], kind: Kind) -> Workers:
    names = {run.worker for found in measurements.values() for run in found.runs if run.worker}
    return Workers(tuple(sorted(names)), kind.threads, kind.note)


def labels(variants: Sequence[Variant]) -> list[str]:
    """Labels of variants: the engine, and whatever else differs between the variants."""
    names = len({variant.model.name for variant in variants}) > 1
    quants = len({variant.model.quant for variant in variants}) > 1
    threads = len({variant.threads for variant in variants}) > 1
    found = []
    for variant in variants:
        parts = [variant.engine.label]
        parts += [variant.model.name] if names else []
        parts += [variant.model.quant] if quants else []
        parts += [f"{variant.threads}t"] if threads else []
        found.append(" ".join(parts))
    return found


def _cells(plan: Plan, measurements: Mapping[Cell, Measurement]) -> list[CellInfo]:
    compared_with = baselines(plan.baseline, plan.variants)
    found = []
    for index, recording in enumerate(plan.recordings):
        groups: dict[str, str] = {}
        for number, variant in enumerate(plan.variants):
            cell = Cell(recording, variant)
            if cell not in measurements:  # not all combinations were planned
                continue
            measurement = measurements[cell]
            against = compared_with[variant]
            other = None if against is None else measurements.get(Cell(recording, against))
            if other is None or other.transcript is None:
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
    """``groups`` maps texts to letters; a new text is added to it."""
    recording, variant = place
    runs = measurement.runs
    transcript = measurement.transcript
    if measurement.error or transcript is None:
        return CellInfo(recording, variant, baseline, measurement.error or "no run", runs)
    ours = _by_repeat(measurement)
    theirs = _by_repeat(other) if other is not None else {}
    # A value that some runs lack has no median.
    values = {name: list(v.values()) for name, v in ours.items() if v and len(v) == len(runs)}
    text = transcript.text
    reference = cell.recording.info.reference
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
        segments=agreement.timed_segments(transcript),
        token_ids=agreement.token_ids(transcript),
        agreement=None
        if itself or other is None or other.transcript is None
        else agreement.agreement(other.transcript, transcript),
        difference=None
        if reference is None
        else wer.difference(reference.text, text, language=wer.text_language(transcript)),
    )


def _by_repeat(measurement: Measurement) -> dict[str, dict[int, float]]:
    """Values of all runs, by name and repeat."""
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
    """Letters of a number: ``A`` to ``Z``, then ``AA``, ``AB`` and so on."""
    more, letter = divmod(number, 26)
    return (_letters(more - 1) if more else "") + string.ascii_uppercase[letter]


def packages(names: Iterable[str]) -> dict[str, str]:
    """Versions of whisperctl, of the distributions of backends, and of their requirements.

    Args:
        names: names of backends.
    """
    installed = registry.installed()
    owners = [_CORE]
    owners += [
        entry.dist.name
        for name in names
        if (entry := installed.get(name)) is not None and entry.dist is not None
    ]
    found: dict[str, str] = {}
    for owner in dict.fromkeys(owners):
        for name in [owner, *_required(owner)]:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return dict(sorted(found.items()))


def _required(distribution: str) -> list[str]:
    """Names of the unconditional requirements of a distribution."""
    try:
        texts = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [match[0] for t in texts if "extra ==" not in t and (match := _REQUIREMENT.match(t))]


def describe_engine(engine: Engine, system_info: str) -> EngineInfo:
    """Description of an engine.

    Args:
        engine: the engine.
        system_info: the line that it printed about itself during a run.

    Raises:
        OSError: one of its files cannot be read.
    """
    if isinstance(engine, ForeignEngine):
        versions = dict(engine.versions)
        return EngineInfo(engine.label, engine.backend, engine.runtime, versions, {}, system_info)
    info = registry.find(engine.backend).info
    if info is None:
        return EngineInfo(engine.label, engine.backend, engine.runtime, {}, {}, system_info)
    runtimes = {runtime.name: runtime for runtime in info.runtimes}
    runtime = runtimes.get(engine.runtime or "")
    versions = {"backend": info.version, "engine": info.library}
    files: dict[str, str] = {}
    if runtime is not None:
        versions["runtime"] = runtime.version
        files = {path.name: hex_digest(path, "sha256") for path in runtime.files}
    return EngineInfo(engine.label, engine.backend, engine.runtime, versions, files, system_info)


def describe_model(model: ModelFile) -> ModelFile:
    """Add size and hash to a model file, and make its path portable.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        digest = hex_digest(model.path, "sha256")
        size_bytes = model.path.stat().st_size
    except OSError as error:
        raise ModelError(f"{quoted(model.path)} cannot be read: {reason(error)}") from error
    path = Path(portable(model.path))
    return replace(model, path=path, size_bytes=size_bytes, sha256=digest)


def describe_machine() -> Machine:
    """Description of this machine, with its present load."""
    return Machine(
        cpu=resources.cpu_name(),
        cpu_flags=tuple(_cpu_flags()),
        processors=os.cpu_count() or 1,
        processors_allowed=resources.available(),
        memory_bytes=_memory_bytes(),
        system=platform.platform(),
        python=platform.python_version(),
        load_average=tuple(_load_average() or ()),
    )


def _memory_bytes() -> int | None:
    """Memory of the machine, if known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _cpu_flags() -> list[str]:
    """Features of the CPU by their names in Linux; empty if the system does not list them."""
    return resources.cpu_facts("flags") or resources.cpu_facts("Features")


def _load_average() -> list[float] | None:
    """Load average of the last 1, 5 and 15 minutes, if known."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):
        return None
