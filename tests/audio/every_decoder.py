"""A recording read by every decoder that is here, which are to give the same."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.audio.decoders import Track, choose_track, registry
from whisperctl.audio.source import open_source
from whisperctl.errors import AudioError, UnsupportedMediaError

Samples = NDArray[np.float32]

LOSSY_DB = -60.0
"""Rounding differs from one build of a lossy decoder to another; more than this is a fault."""

_LOSSLESS = ("pcm_", "adpcm_", "flac", "alac", "wavpack", "tta", "ape", "gsm")


@dataclass
class Reading:
    """What one decoder gives of a track: ``parts`` are its samples by rate and channels."""

    track: Track | None = None
    parts: list[tuple[tuple[int, int], list[Samples]]] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    failed: bool = False

    def whole(self) -> list[tuple[tuple[int, int], Samples]]:
        return [(shape, np.concatenate(blocks)) for shape, blocks in self.parts]


def reading(path: Path, name: str, track: str | None = None) -> Reading | None:
    """A recording as one decoder reads it, without those that help out; ``None`` if it does not."""
    found = Reading()
    source = open_source(path)
    try:
        with source.file, closing(registry.DECODERS.load(name).open(source)) as media:
            found.track = choose_track(media.probe().tracks, track, source.label)
            for rate, block in media.blocks(found.track.number):
                shape = (rate, block.shape[1])
                if not found.parts or found.parts[-1][0] != shape:
                    found.parts.append((shape, []))
                found.parts[-1][1].append(block)
            found.warnings = tuple(media.warnings)
    except UnsupportedMediaError:
        return None
    except AudioError:
        found.failed = True
    return found


def readings(path: Path, track: str | None = None) -> dict[str, Reading]:
    """What each decoder that is here, and reads the recording, gives of it."""
    every = {name: reading(path, name, track) for name in registry.DECODERS.installed()}
    return {name: found for name, found in every.items() if found is not None}


def load(path: Path, *, track: str | None = None, apart: Collection[str] = ()) -> Audio:
    """A recording as FFmpeg reads it, once all decoders that read it have given the same.

    Args:
        path: its file.
        track: as for ``audio.load``.
        apart: decoders that give something else, as docs/decoders.md says.
    """
    found = readings(path, track)
    for name in found.keys() - {"ffmpeg", *apart}:
        assert_same(found["ffmpeg"], found[name], codecs=name != "soundfile")
    return audio.load(path, track=track, decoder="ffmpeg")


def assert_same(one: Reading, other: Reading, *, codecs: bool = True) -> None:
    """Two decoders' tracks, stated durations, samples and warnings are the same.

    Samples of a lossless coding are equal, others as equal as can be. ``codecs`` says that both
    call a coding by FFmpeg's name.
    """
    assert one.failed == other.failed
    if one.track is None or other.track is None:
        assert one.track == other.track
        return
    assert _described(other.track, codecs=codecs) == _described(one.track, codecs=codecs)
    # Releases of FFmpeg count an encoder's padding in or out. libsndfile states the file's size
    # where a header does not know.
    if codecs or one.track.stated_s is not None:
        assert other.track.stated_s == pytest.approx(one.track.stated_s, abs=0.1)
    assert other.warnings == one.warnings
    ours, theirs = one.whole(), other.whole()
    assert [(shape, len(part)) for shape, part in theirs] == [
        (shape, len(part)) for shape, part in ours
    ]
    for (_, part), (_, same) in zip(ours, theirs, strict=True):
        if one.track.codec.startswith(_LOSSLESS):
            np.testing.assert_array_equal(same, part)
        else:
            error, level = rms(same - part), rms(part)
            assert error <= max(level * 10 ** (LOSSY_DB / 20), 1e-7), (error, level)


def _described(track: Track, *, codecs: bool) -> tuple[object, ...]:
    # MPEG audio without a header is mp2 or mp3, and has a rate or none, by how far FFmpeg looks.
    vague = track.codec in ("mp2", "mp3")
    sizes = (track.number, *(() if vague else (track.sample_rate, track.channels)))
    names = ("mp2" if vague else track.codec, track.language, track.title, track.default)
    return (*sizes, *names) if codecs else sizes


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
