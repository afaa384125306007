"""Recordings joined in one file are all heard, whatever changes from one to the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Samples, found_at_s
from tests.audio.every_decoder import load
from tests.audio.test_audio_stream import at_rate, mux
from whisperctl.audio import SAMPLE_RATE
from whisperctl.errors import AudioError

LENGTH_S = 4.0


@pytest.fixture(scope="module")
def part(speech: Samples) -> Samples:
    return speech[: round(LENGTH_S * SAMPLE_RATE)]


def encoded(folder: Path, samples: Samples, codec: str, rate: int, n_channels: int) -> bytes:
    path = folder / f"{codec}-{rate}-{n_channels}.ogg"
    tracks = np.tile(at_rate(samples, rate), (n_channels, 1))
    if codec in (FLAC, VORBIS):
        kind = "FLAC" if codec == FLAC else "OGG"
        soundfile.write(path, tracks.T, rate, format=kind, subtype=None if codec == FLAC else codec)
    else:
        layout = "mono" if n_channels == 1 else "stereo"
        mux(path, tracks, codec=codec, rate=rate, layout=layout)
    return path.read_bytes()


VORBIS, OPUS, OGG_FLAC, FLAC = "VORBIS", "libopus", "flac", "FLAC"


@pytest.mark.slow
@pytest.mark.parametrize(
    "links",
    [
        [(VORBIS, 16_000, 1), (VORBIS, 16_000, 1)],
        [(VORBIS, 16_000, 1), (VORBIS, 44_100, 1), (VORBIS, 44_100, 2)],
        [(OPUS, 48_000, 1), (OPUS, 48_000, 1)],
        [(OPUS, 48_000, 1), (OPUS, 48_000, 2)],
        [(OGG_FLAC, 16_000, 1), (OGG_FLAC, 44_100, 2)],
        [(VORBIS, 16_000, 1), (OPUS, 48_000, 1)],
        [(FLAC, 16_000, 1), (FLAC, 16_000, 1)],
        [(FLAC, 16_000, 1), (FLAC, 44_100, 2), (FLAC, 16_000, 1)],
    ],
)
def test_every_recording_joined_in_a_file_is_heard(
    part: Samples, tmp_path: Path, links: list[tuple[str, int, int]]
) -> None:
    path = tmp_path / "joined"
    path.write_bytes(b"".join(encoded(tmp_path, part, *link) for link in links))

    loaded = load(path)

    assert loaded.duration_s == pytest.approx(LENGTH_S * len(links), abs=0.02 * len(links))
    for number in range(len(links)):
        rest = loaded.samples[round((number * LENGTH_S - 0.1 * (number > 0)) * SAMPLE_RATE) :]
        heard_at_s = found_at_s(rest[: round((LENGTH_S + 0.5) * SAMPLE_RATE)], part)
        assert heard_at_s < 0.15
    assert loaded.warnings == ()


def test_flac_files_with_tags_in_front_are_told_apart(part: Samples, tmp_path: Path) -> None:
    tag = b"ID3\x03\0\0\0\0\x01\0" + bytes(128)
    links = [(FLAC, 16_000, 1), (FLAC, 44_100, 2)]
    path = tmp_path / "a.flac"
    path.write_bytes(b"".join(tag + encoded(tmp_path, part, *link) for link in links))

    loaded = load(path)

    assert loaded.duration_s == pytest.approx(2 * LENGTH_S, abs=0.02)
    assert loaded.warnings == ()


def test_what_can_be_read_around_a_broken_part_is_heard(part: Samples, tmp_path: Path) -> None:
    link = encoded(tmp_path, part, VORBIS, 16_000, 1)
    broken = link[:28] + bytes(len(link) - 28)
    path = tmp_path / "a.ogg"
    path.write_bytes(link + broken + link)

    loaded = load(path)

    assert loaded.duration_s == pytest.approx(2 * LENGTH_S, abs=0.1)
    assert len(loaded.warnings) == 1
    assert "1 of the recordings joined in it cannot be read" in loaded.warnings[0]


def test_a_part_that_holds_less_than_its_header_states_is_noticed(
    part: Samples, tmp_path: Path
) -> None:
    link = encoded(tmp_path, part, FLAC, 16_000, 1)
    path = tmp_path / "a.flac"
    path.write_bytes(link[: len(link) // 2] + link)

    loaded = load(path)

    lost_s = 2 * LENGTH_S - loaded.duration_s
    assert 1 < lost_s < 3
    assert loaded.warnings == (
        f'"{path}" is damaged: {lost_s:.1f} s of the recordings joined in it could not be read',
    )


def test_tracks_that_play_together_are_not_taken_for_joined_ones(
    part: Samples, tmp_path: Path
) -> None:
    one = part[np.newaxis]
    path = mux(
        tmp_path / "a.ogg", one, one[:, ::-1].copy(), codec=OGG_FLAC, rate=16_000, layout="mono"
    )

    loaded = load(path)

    assert loaded.duration_s == pytest.approx(LENGTH_S, abs=0.02)
    assert found_at_s(loaded.samples, part) < 0.02


@pytest.mark.parametrize("page", ["lone", "followed"])
def test_a_file_of_nothing_but_starts_ends_soon(tmp_path: Path, page: str) -> None:
    start = b"OggS\0\x02" + bytes(20) + b"\1\x04none"
    path = tmp_path / "a.ogg"
    path.write_bytes((start if page == "lone" else start + bytes(10)) * 20_000)

    with pytest.raises(AudioError, match="is damaged"):
        load(path)
