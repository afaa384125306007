"""Comparisons kept on disk, and a comparison that is run again from its document."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare import document, manifest
from whisperctl.compare.plan import ModelFile, Plan, PreparedRecording, Variant
from whisperctl.compare.references import Reference
from whisperctl.compare.result import Comparison, ModelInfo, RecordingInfo
from whisperctl.engine.registry import Engine
from whisperctl.errors import ModelError, OutputError, UsageError, WhisperctlError
from whisperctl.models.store import Store
from whisperctl.options import DecodeOptions
from whisperctl.storage import records, state
from whisperctl.storage.files import write_text
from whisperctl.storage.paths import at_home

_KEPT = 100
_PATTERN = "compare-*.json"


def save(comparison: Comparison) -> Path | None:
    """Keep a comparison among the last hundred; ``None`` where that cannot be written.

    It is a convenience: what a person wants to keep is written by ``--output``.
    """
    digits = re.sub(r"\D", "", comparison.date)[:14]
    label = re.sub(r"[^\w.-]+", "-", comparison.recordings[0].label)[:60]
    try:
        folder = state.directory()
        path = folder / f"compare-{digits}-{label}.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, document.text(comparison))
    except (OSError, OutputError):
        return None
    # Not this one, though it sorts first where the clock was set back.
    others = sorted(set(folder.glob(_PATTERN)) - {path})
    for old in others[: -(_KEPT - 1)]:
        with suppress(OSError):
            old.unlink()
    return path


Samples: TypeAlias = npt.NDArray[np.float32]


def plan(earlier: Comparison, folder: Path, *, repeats: int | None = None) -> Plan:
    """The same plan again.

    Args:
        earlier: what is to be repeated.
        folder: where recordings are looked for that are not where they were.
        repeats: how often instead.

    Raises:
        UsageError: a recording came from standard input, or an option is out of its range.
        AudioError: a recording cannot be read any more.
        ModelError: a model is not here any more.
    """
    weights = [_weights(model) for model in earlier.models]
    chosen = [Engine(engine.backend, engine.runtime) for engine in earlier.engines]
    return Plan(
        recordings=tuple(recording(one, folder) for one in earlier.recordings),
        variants=tuple(
            Variant(chosen[one.engine], weights[one.model], one.threads) for one in earlier.variants
        ),
        options=_options(dict(earlier.parameters)),
        repeats=earlier.repeats if repeats is None else repeats,
        warm_up=earlier.warm_up,
    )


def samples(earlier: Comparison, folder: Path) -> list[Samples | None]:
    """Samples of each recording, float32, shape (n_samples,); ``None`` if not as they were.

    Args:
        earlier: what the recordings are of.
        folder: where they are looked for where they are not where they were.
    """
    found: list[Samples | None] = []
    for info in earlier.recordings:
        try:
            read = None
            if info.path is not None:
                read = _loaded(info, _found(info.path, folder)).samples
        except WhisperctlError:  # a plugin may be missing, too
            read = None
        same = read is not None and manifest.samples_hash(read) == info.samples_sha256
        found.append(read if same else None)
    return found


def _options(parameters: dict[str, Any]) -> DecodeOptions:
    known = {field.name for field in fields(DecodeOptions)}
    if unknown := sorted(set(parameters) - known):
        raise UsageError(f"the earlier run has options that are unknown here: {', '.join(unknown)}")
    try:
        return records.restore(DecodeOptions, parameters)
    except ValueError as error:
        raise UsageError(f"the earlier run has an option that cannot be: {error}") from error


def recording(info: RecordingInfo, folder: Path) -> PreparedRecording:
    """A recording of an earlier run, read again.

    Raises:
        UsageError: it came from standard input, or its decoder is not installed.
        AudioError: it cannot be read any more.
    """
    if info.path is None:
        raise UsageError(
            f"the recording {info.label} came from standard input and is gone: compare a file"
        )
    path = _found(info.path, folder)
    reference = info.reference
    return PreparedRecording(
        info.label,
        path,
        _loaded(info, path),
        None
        if reference is None
        else Reference(reference.text, Path(reference.source), reference.sha256),
        info.audio_track,
        info.decoder,
        info.filters,
    )


def _loaded(info: RecordingInfo, path: Path) -> Audio:
    """The track that was compared, by the same choice of decoder and filters."""
    return audio.load(path, track=info.audio_track, decoder=info.decoder, filters=info.filters)


def _found(name: str, folder: Path) -> Path:
    """A recording where it was, or else beside the document."""
    path = at_home(name)
    beside = folder / path.name
    return beside if beside.exists() and not path.exists() else path


def _weights(info: ModelInfo) -> ModelFile:
    """The model where it was, or else of its name in the store."""
    store = Store()
    path = at_home(info.path)
    if not path.is_file():
        name = path.name.removeprefix("ggml-").removesuffix(".bin")
        path = store.path_of(name)
    if not path.is_file():
        raise ModelError(
            f'the model {info.path} is gone: put it back, or run "whisperctl models pull '
            f'{info.name}"'
        )
    return ModelFile(info.name, info.quant, store.resolve(path).absolute())
