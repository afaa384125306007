"""What is measured on: recordings, and the files of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.plan import JFK, LONG
from bench.subjects import ROOT, Missing, Subject
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.compare.plan import ModelFile, PreparedRecording
from whisperctl.models import catalog
from whisperctl.models.ggml.files import hex_digest
from whisperctl.models.store import Store

SAMPLES = ROOT / "samples"

_LONG_S = 66.0
_PAUSE_S = 0.5
_MEDIA = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


def recording(name: str) -> PreparedRecording:
    """A recording by its name, or any file.

    ``jfk`` is the sample. ``long`` is the first file of the samples that lasts more than a minute
    or, when there is none, the sample over and over with pauses of half a second.

    Raises:
        AudioError: it cannot be read.
    """
    return PreparedRecording(name, None, _audio(name))


def _audio(name: str) -> Audio:
    if name == JFK:
        return audio.load(SAMPLES / "jfk.wav")
    if name != LONG:
        return audio.load(name)
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in _MEDIA and (found := audio.load(path)).duration_s > 60:
            return found
    once = _audio(JFK)
    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    pieces = [once.samples]
    while sum(map(len, pieces)) <= _LONG_S * SAMPLE_RATE:
        pieces += [pause, once.samples]
    times = (len(pieces) + 1) // 2
    source = f"jfk.wav {times} times, with pauses of {_PAUSE_S:g} s"
    return Audio(np.concatenate(pieces), source, once.decode_ms)


def path(subject: Subject, model: str, model_format: str) -> Path:
    """The file that an engine is given, there or not."""
    suffix = "" if model_format == "f16" or subject.own_formats else f"-{model_format}"
    return Store().path_of(f"{model}{suffix}")


def missing(weights: ModelFile) -> Missing | None:
    """Why a model cannot be measured.

    A file that is there is not looked into: an engine that cannot use it says so.
    """
    if weights.path.exists():
        return None
    command = (
        f"quantize {weights.name} {weights.quant}"
        if weights.path.stem.endswith(weights.quant)
        else f"pull {weights.name}"
    )
    return Missing(weights.label, f"there is no {weights.path}; run: whisperctl models {command}")


def describe_model(path: Path) -> dict[str, Any]:
    """Size and SHA-1 of a model's file, and the published model that has this hash.

    Reading all of it also has the system keep it in memory, as it will be for every repeat.
    """
    sha1 = hex_digest(path, "sha1")
    published = catalog.with_sha1(sha1)
    return {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "sha1": sha1,
        "published_as": published.name if published else None,
    }
