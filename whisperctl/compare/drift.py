"""What changed between two runs of one comparison: what they stand on, their texts, their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from whisperctl.compare import statistics
from whisperctl.compare.result import CellDrift, CellInfo, Comparison, Drift, EngineInfo
from whisperctl.compare.scoring import texts
from whisperctl.compare.statistics import NAMES


def with_drift(then: Comparison, now: Comparison) -> Comparison:
    """``now`` with what is other than ``then``, of which it is a repetition."""
    cells = []
    for index, cell in enumerate(now.cells):
        before = next((one for one in then.cells if _place(then, one) == _place(now, cell)), None)
        if before is not None:
            cells.append(_cell(index, before, cell))
    return replace(now, drift=Drift(then.date, tuple(_changes(then, now)), tuple(cells)))


def _place(comparison: Comparison, cell: CellInfo) -> tuple[object, ...]:
    variant = comparison.variants[cell.variant]
    model = comparison.models[variant.model]
    return (
        comparison.recordings[cell.recording].label,
        comparison.engines[variant.engine].label,
        model.name,
        model.quant,
        variant.threads,
    )


def _cell(index: int, then: CellInfo, now: CellInfo) -> CellDrift:
    if then.error or now.error:
        return CellDrift(index, "none", None, {})
    ratios = {}
    for name in NAMES:
        new, old = _numbers(now, name), _numbers(then, name)
        if new and old and (ratio := statistics.ratio(new, old)) is not None:
            ratios[name] = ratio
    if then.text == now.text:
        return CellDrift(index, "same", None, ratios)
    difference = texts.difference(then.text, now.text, language=now.language)
    return CellDrift(index, "different", difference, ratios)


def _numbers(cell: CellInfo, name: str) -> list[float]:
    return [run.values[name] for run in cell.runs if name in run.values]


def _changes(then: Comparison, now: Comparison) -> Iterator[str]:
    for field in ("cpu", "processors_allowed", "memory_bytes", "system", "python"):
        before, after = getattr(then.machine, field), getattr(now.machine, field)
        if before != after:
            yield f"{field.replace('_', ' ')}: {before} then, {after} now"
    gone = set(then.machine.cpu_flags) - set(now.machine.cpu_flags)
    new = set(now.machine.cpu_flags) - set(then.machine.cpu_flags)
    if gone or new:
        signs = [f"-{flag}" for flag in sorted(gone)] + [f"+{flag}" for flag in sorted(new)]
        yield f"CPU flags: {' '.join(signs)}"
    yield from _mapping("version of ", then.packages, now.packages)
    yield from _mapping("parameter ", _texts(then.parameters), _texts(now.parameters))
    engines = {engine.label: engine for engine in then.engines}
    for engine in now.engines:
        if engine.label in engines:
            yield from _engine(engines[engine.label], engine)
    models = {(model.name, model.quant): model for model in then.models}
    for model in now.models:
        old = models.get((model.name, model.quant))
        if old is not None and old.sha256 != model.sha256:
            yield f"model {model.name} {model.quant}: another file ({model.path})"
    recordings = {recording.label: recording for recording in then.recordings}
    for recording in now.recordings:
        earlier = recordings.get(recording.label)
        if earlier is None:
            continue
        if earlier.samples_sha256 != recording.samples_sha256:
            yield f"recording {recording.label}: other samples"
        elif earlier.file_sha256 != recording.file_sha256:
            yield f"recording {recording.label}: another file with the same samples"


def _engine(then: EngineInfo, now: EngineInfo) -> Iterator[str]:
    yield from _mapping(f"{now.label}, version of ", then.versions, now.versions)
    for name in {**then.files, **now.files}:
        if then.files.get(name) != now.files.get(name):
            yield f"{now.label}: another {name}"
    if then.system_info and now.system_info and then.system_info != now.system_info:
        yield f"{now.label}: other CPU features in use"


def _mapping(what: str, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in {**then, **now}:
        if then.get(name) != now.get(name):
            yield f"{what}{name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now"


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
