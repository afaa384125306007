"""Comparison as a JSON document: written, kept, read, and repeated.

A repeated comparison records its drift, which is what has changed since the earlier one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare import statistics
from whisperctl.compare.plan import (
    Cell,
    Plan,
    PreparedRecording,
    Variant,
    baselines,
    decode_options,
    prepare,
    samples_hash,
)
from whisperctl.compare.result import (
    SCHEMA,
    CellDrift,
    CellInfo,
    Comparison,
    Difference,
    Drift,
    EngineInfo,
    ModelFile,
    RecordingInfo,
    VariantInfo,
)
from whisperctl.compare.scoring import wer
from whisperctl.compare.statistics import NAMES
from whisperctl.engine.registry import Engine
from whisperctl.errors import ModelError, OutputError, UsageError, WhisperctlError
from whisperctl.models.store import Store
from whisperctl.storage import records, state
from whisperctl.storage.files import reason, write_text
from whisperctl.storage.paths import at_home
from whisperctl.text import quoted, visible

Samples: TypeAlias = npt.NDArray[np.float32]

_MAX_KEPT = 100
_PATTERN = "compare-*.json"

Info = TypeVar("Info", RecordingInfo, VariantInfo)


def text(comparison: Comparison) -> str:
    """Document: indented, in ASCII, with a line feed at its end."""
    return json.dumps(records.plain(comparison), indent=1, allow_nan=False) + "\n"


def read(path: Path) -> Comparison:
    """Read a document.

    Raises:
        UsageError: the file cannot be read, or is not a comparison.
    """
    try:
        document = records.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{quoted(path)} cannot be read: {reason(error)}") from error
    except records.NumberError as error:
        raise UsageError(f"{quoted(path)} is damaged: {error}") from error
    except ValueError as error:
        raise UsageError(
            f"{quoted(path)} is not valid JSON: give the JSON document of a comparison"
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        what = f"has schema {schema}" if schema is not None else "is not a comparison"
        raise UsageError(
            f"{quoted(path)} {what}: give a document that this version wrote (schema {SCHEMA})"
        )
    try:
        comparison = records.restore(Comparison, document)
        _check(comparison)
    except ValueError as error:
        raise UsageError(f"{quoted(path)} is damaged: {error}") from error
    return replace(
        comparison,
        recordings=tuple(_labelled(one) for one in comparison.recordings),
        variants=tuple(_labelled(one) for one in comparison.variants),
    )


def _labelled(info: Info) -> Info:
    """Remove control characters from a label, as a document may come from anywhere."""
    return replace(info, label=visible(info.label))


def _check(comparison: Comparison) -> None:
    """Check that all indices in a document are valid.

    Raises:
        ValueError: one is not; the message says where.
    """
    for where, index, n_items in _indices(comparison):
        if index is not None and not 0 <= index < n_items:
            raise ValueError(f"{where}: index {index} is out of range")
    for n, cell in enumerate(comparison.cells):
        reference = comparison.recordings[cell.recording].reference
        if cell.difference is not None and reference is not None:
            _check_spans(f"cells.{n}.difference", cell.difference, reference.text, cell.text)
        baseline = _baseline(comparison, cell)
        if cell.agreement is not None and baseline is not None:
            found = cell.agreement.difference
            _check_spans(f"cells.{n}.agreement.difference", found, baseline.text, cell.text)


def _indices(comparison: Comparison) -> Iterator[tuple[str, int | None, int]]:
    """Path, value, and number of items for each index in a document."""
    for n, variant in enumerate(comparison.variants):
        yield f"variants.{n}.engine", variant.engine, len(comparison.engines)
        yield f"variants.{n}.model", variant.model, len(comparison.models)
    for n, cell in enumerate(comparison.cells):
        yield f"cells.{n}.recording", cell.recording, len(comparison.recordings)
        yield f"cells.{n}.variant", cell.variant, len(comparison.variants)
        yield f"cells.{n}.baseline", cell.baseline, len(comparison.variants)
    for n, drift in enumerate(comparison.drift.cells if comparison.drift is not None else ()):
        yield f"drift.cells.{n}.cell", drift.cell, len(comparison.cells)


def _baseline(comparison: Comparison, cell: CellInfo) -> CellInfo | None:
    return next(
        (
            one
            for one in comparison.cells
            if (one.recording, one.variant) == (cell.recording, cell.baseline)
        ),
        None,
    )


def _check_spans(where: str, difference: Difference, reference: str, text: str) -> None:
    """Check that spans cover all words of both texts in order."""
    at = (0, 0)
    for span in difference.spans:
        begin, end = (
            (span.reference_start, span.text_start),
            (span.reference_end, span.text_end),
        )
        if begin != at or end[0] < begin[0] or end[1] < begin[1] or end == begin:
            raise ValueError(f"{where}.spans: they are not consecutive")
        at = end
    if at != (len(wer.split_words(reference)), len(wer.split_words(text))):
        raise ValueError(f"{where}.spans: they do not match the texts")


def save(comparison: Comparison) -> Path | None:
    """Keep a comparison in the state directory, which holds the last hundred.

    Returns:
        Its file, or ``None`` if it cannot be written. This is a convenience; ``--output`` writes
        the documents that users want to keep.
    """
    digits = re.sub(r"\D", "", comparison.date)[:14]
    label = re.sub(r"[^\w.-]+", "-", comparison.recordings[0].label)[:60]
    try:
        folder = state.directory()
        path = folder / f"compare-{digits}-{label}.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, text(comparison))
    except (OSError, OutputError):
        return None
    # Keep this one even if it sorts first because the clock was set back.
    others = sorted(set(folder.glob(_PATTERN)) - {path})
    for old in others[: -(_MAX_KEPT - 1)]:
        with suppress(OSError):
            old.unlink()
    return path


def repeat_plan(earlier: Comparison, folder: Path, *, repeats: int | None = None) -> Plan:
    """Plan that repeats an earlier comparison.

    Args:
        earlier: the comparison to repeat.
        folder: directory to search for recordings that are no longer at their paths.
        repeats: number of repeats, if it should differ.

    Raises:
        UsageError: a recording came from standard input, an engine is one of another environment,
            or an option is invalid.
        AudioError: a recording cannot be read.
        ModelError: a model no longer exists.
    """
    options = decode_options(earlier.parameters, "the earlier run")
    models = [_model(model) for model in earlier.models]
    engines = [_engine(engine) for engine in earlier.engines]
    variants = tuple(
        Variant(engines[one.engine], models[one.model], one.threads) for one in earlier.variants
    )
    baselines(earlier.baseline, variants)
    recordings = tuple(recording(one, folder) for one in earlier.recordings)
    only = tuple(Cell(recordings[cell.recording], variants[cell.variant]) for cell in earlier.cells)
    return Plan(
        recordings=recordings,
        variants=variants,
        options=options,
        repeats=earlier.repeats if repeats is None else repeats,
        warm_up=earlier.warm_up,
        baseline=earlier.baseline,
        only=only,
    )


def samples(earlier: Comparison, folder: Path) -> list[Samples | None]:
    """Samples of each recording: float32, shape (n_samples,); ``None`` if they have changed.

    Args:
        earlier: the comparison.
        folder: directory to search for recordings that are no longer at their paths.
    """
    found: list[Samples | None] = []
    for info in earlier.recordings:
        try:
            loaded = None
            if info.path is not None:
                loaded = _load(info, _locate(info.path, folder)).samples
        except WhisperctlError:  # a plugin may be missing, too
            loaded = None
        same = loaded is not None and samples_hash(loaded) == info.samples_sha256
        found.append(loaded if same else None)
    return found


def recording(info: RecordingInfo, folder: Path) -> PreparedRecording:
    """Read a recording of an earlier comparison again.

    Raises:
        UsageError: it came from standard input, or its decoder is not installed.
        AudioError: it cannot be read.
    """
    if info.path is None:
        raise UsageError(
            f"the recording {info.label} came from standard input and is gone: compare a file"
        )
    path = _locate(info.path, folder)
    loaded = _load(info, path)
    return prepare(
        info.label,
        path,
        loaded,
        info.reference,
        info.audio_track,
        info.decoder,
        info.filters,
    )


def _load(info: RecordingInfo, path: Path) -> Audio:
    """Load the same track with the same decoder and filters."""
    return audio.load(path, track=info.audio_track, decoder=info.decoder, filters=info.filters)


def _locate(name: str, folder: Path) -> Path:
    """Path of a recording, or else of the file of the same name beside the document."""
    path = at_home(name)
    beside = folder / path.name
    return beside if beside.exists() and not path.exists() else path


def _engine(info: EngineInfo) -> Engine:
    """Engine of this environment.

    A document may come from anywhere, so no interpreter that it names is ever started.
    """
    engine = Engine(info.backend, info.runtime)
    if engine.label != info.label:
        raise UsageError(
            f"the engine {visible(info.label)} belongs to another environment: repeat the "
            "comparison with --plan"
        )
    return engine


def _model(info: ModelFile) -> ModelFile:
    """Model at its path, or else the model of that name in the store."""
    store = Store()
    path = at_home(str(info.path))
    if not path.is_file():
        name = path.name.removeprefix("ggml-").removesuffix(".bin")
        path = store.path_of(name)
    if not path.is_file():
        raise ModelError(
            f'the model {info.path} is gone: put it back, or run "whisperctl models pull '
            f'{info.name}"'
        )
    return ModelFile(info.name, info.quant, store.resolve(path).absolute())


def with_drift(then: Comparison, now: Comparison) -> Comparison:
    """Add the drift since ``then`` to ``now``, which repeats it."""
    cells = []
    for index, cell in enumerate(now.cells):
        before = next(
            (one for one in then.cells if _identity(then, one) == _identity(now, cell)), None
        )
        if before is not None:
            cells.append(_cell_drift(index, before, cell))
    return replace(now, drift=Drift(then.date, tuple(_changes(then, now)), tuple(cells)))


def _identity(comparison: Comparison, cell: CellInfo) -> tuple[object, ...]:
    variant = comparison.variants[cell.variant]
    model = comparison.models[variant.model]
    return (
        comparison.recordings[cell.recording].label,
        comparison.engines[variant.engine].label,
        model.name,
        model.quant,
        variant.threads,
    )


def _cell_drift(index: int, then: CellInfo, now: CellInfo) -> CellDrift:
    if then.error or now.error:
        return CellDrift(index, "none", None, {})
    ratios = {}
    for name in NAMES:
        new, old = _numbers(now, name), _numbers(then, name)
        if new and old and (ratio := statistics.ratio(new, old)) is not None:
            ratios[name] = ratio
    if then.text == now.text:
        return CellDrift(index, "same", None, ratios)
    difference = wer.difference(then.text, now.text, language=now.language)
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
            yield from _engine_changes(engines[engine.label], engine)
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
        if earlier.decoders and earlier.decoders != recording.decoders:
            before, after = (" and ".join(one.decoders) for one in (earlier, recording))
            yield f"recording {recording.label}: decoder {before} then, {after} now"


def _engine_changes(then: EngineInfo, now: EngineInfo) -> Iterator[str]:
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
