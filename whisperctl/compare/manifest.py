"""What a comparison stands on: packages, engines, models and recordings, by their hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from whisperctl.compare.plan import ModelFile, PreparedRecording
from whisperctl.compare.result import EngineInfo, ModelInfo, RecordingInfo, ReferenceText
from whisperctl.engine import protocol, registry
from whisperctl.engine.registry import Engine
from whisperctl.errors import AudioError, ModelError
from whisperctl.models.ggml.files import hex_digest
from whisperctl.text import quoted

CORE = "whisperctl-asr"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def packages(names: Iterable[str]) -> dict[str, str]:
    """Versions of whisperctl's distribution, the backends', and what each of them requires.

    Args:
        names: names of backends.
    """
    installed = protocol.installed()
    owners = [CORE]
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
    """What a distribution requires always, by name."""
    try:
        texts = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [match[0] for t in texts if "extra ==" not in t and (match := _REQUIREMENT.match(t))]


def engine_info(engine: Engine, system_info: str) -> EngineInfo:
    """What an engine is; ``system_info`` is what it said of itself when it ran.

    Raises:
        OSError: a file of it cannot be read.
    """
    info = registry.find(engine.backend).info
    if info is None:
        return EngineInfo(engine.label, engine.backend, engine.runtime, {}, {}, system_info)
    runtimes = {runtime.name: runtime for runtime in info.runtimes}
    runtime = runtimes.get(engine.runtime or "")
    versions = {"backend": info.version, "engine": info.engine}
    files: dict[str, str] = {}
    if runtime is not None:
        versions["runtime"] = runtime.version
        files = {path.name: hex_digest(path, "sha256") for path in runtime.files}
    return EngineInfo(engine.label, engine.backend, engine.runtime, versions, files, system_info)


def model_info(weights: ModelFile) -> ModelInfo:
    """What a model file is.

    Raises:
        ModelError: it cannot be read any more.
    """
    try:
        digest = hex_digest(weights.path, "sha256")
        size_bytes = weights.path.stat().st_size
    except OSError as error:
        raise ModelError(f"{quoted(weights.path)} cannot be read: {error.strerror}") from error
    return ModelInfo(weights.name, weights.quant, portable(weights.path), size_bytes, digest)


def recording_info(recording: PreparedRecording) -> RecordingInfo:
    """What a recording is.

    Raises:
        AudioError: its file cannot be read any more.
    """
    audio = recording.audio
    reference = recording.reference
    return RecordingInfo(
        label=recording.label,
        path=portable(recording.path) if recording.path is not None else None,
        file_sha256=_file_hash(recording.path) if recording.path is not None else None,
        samples_sha256=samples_hash(audio.samples),
        n_samples=len(audio.samples),
        duration_s=audio.duration_s,
        warnings=audio.warnings,
        reference=None
        if reference is None
        else ReferenceText(portable(reference.path), reference.sha256, reference.text),
        audio_track=recording.audio_track,
        decoder=recording.decoder,
        filters=recording.filters,
    )


def portable(path: Path) -> str:
    """An absolute path, but from ``~`` on where it is below the home directory.

    So a document that is published does not name its author, and works in another's home.
    """
    absolute = path.absolute()
    try:
        return str("~" / absolute.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or nobody's home
        return str(absolute)


def samples_hash(samples: npt.NDArray[np.float32]) -> str:
    """SHA-256 of samples as little-endian float32."""
    return hashlib.sha256(samples.astype("<f4", copy=False).data).hexdigest()


def _file_hash(path: Path) -> str | None:
    if not path.is_file():  # a pipe or a device, which is read once
        return None
    try:
        return hex_digest(path, "sha256")
    except OSError as error:
        raise AudioError(f"{quoted(path)} cannot be read: {error.strerror}") from error
