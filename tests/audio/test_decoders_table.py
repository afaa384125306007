"""The page's table of formats: which decoder reads what, and that all give the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Samples
from tests.audio.every_decoder import assert_same, readings
from tests.audio.test_audio_stream import at_rate, mux
from whisperctl.audio.decoders import registry

PAGE = Path(__file__).parents[2] / "docs" / "decoders.md"
Write = Callable[[Path, Samples], Path]


def table() -> dict[str, set[str]]:
    """Decoders that read a row's files, by the row's first cell."""
    section = PAGE.read_text("utf-8").partition("## What ours read\n")[2].partition("\n## ")[0]
    head, _, *rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    names = [cell.strip().strip("`") for cell in head.split("|")[1:]]
    found = {}
    for row in rows:
        label, *cells = (cell.strip() for cell in row.split("|"))
        assert set(cells) <= {"yes", "no"}
        found[label] = {name for name, cell in zip(names, cells, strict=True) if cell == "yes"}
    return found


def muxed(name: str, codec: str, rate: int = 44_100, **options: str) -> Write:
    """Writes a file with FFmpeg's muxers and encoders."""

    def write(folder: Path, speech: Samples) -> Path:
        mono = at_rate(speech, rate)[np.newaxis]
        path = folder / name
        return mux(path, mono, codec=codec, rate=rate, layout="mono", options=options)

    return write


def sound(name: str, form: str, subtype: str, rate: int = 44_100) -> Write:
    """Writes a file with libsndfile."""

    def write(folder: Path, speech: Samples) -> Path:
        path = folder / name
        soundfile.write(path, at_rate(speech, rate), rate, format=form, subtype=subtype)
        return path

    return write


FILES: dict[str, list[Write]] = {
    "wav: PCM, float, A-law, µ-law": [
        muxed("a.wav", codec)
        for codec in (
            *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le"),
            *("pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"),
        )
    ],
    "wav: IMA ADPCM": [muxed("a.wav", "adpcm_ima_wav")],
    "wav: MP3": [muxed("a.wav", "libmp3lame")],
    "RF64, W64": [muxed("a.wav", "pcm_s16le", rf64="always"), muxed("a.w64", "pcm_s16le")],
    "aiff, au, caf": [
        muxed("a.aiff", "pcm_s16be"),
        muxed("a.au", "pcm_s16be"),
        muxed("a.caf", "pcm_s16le"),
    ],
    "flac": [muxed("a.flac", "flac")],
    "wavpack, tta": [muxed("a.wv", "wavpack"), muxed("a.tta", "tta")],
    "ogg: Vorbis, Opus, FLAC": [
        sound("a.ogg", "OGG", "VORBIS"),
        muxed("a.opus", "libopus", 48_000),
        muxed("a.ogg", "flac"),
    ],
    "mp3, mp2": [muxed("a.mp3", "libmp3lame"), muxed("a.mp2", "mp2")],
    "aac, ac3, eac3": [
        muxed("a.aac", "aac"),
        muxed("a.ac3", "ac3", 48_000),
        muxed("a.eac3", "eac3", 48_000),
    ],
    "m4a, mp4, mov: AAC, ALAC, MP3, AC-3, E-AC-3": [
        muxed("a.m4a", "aac"),
        muxed("a.m4a", "alac"),
        muxed("a.mp4", "libmp3lame"),
        muxed("a.mp4", "ac3", 48_000),
        muxed("a.mp4", "eac3", 48_000),
        muxed("a.mov", "pcm_s16le"),
    ],
    "mkv, webm: Opus, Vorbis, FLAC, PCM": [
        muxed("a.webm", "libopus", 48_000),
        muxed("a.mkv", "flac"),
        muxed("a.mkv", "pcm_s16le"),
    ],
    "ts, mpg": [muxed("a.ts", "aac"), muxed("a.ts", "mp2"), muxed("a.mpg", "mp2")],
    "avi, flv": [muxed("a.avi", "libmp3lame"), muxed("a.flv", "aac"), muxed("a.flv", "libmp3lame")],
    "amr": [muxed("a.amr", "libopencore_amrnb", 8_000)],
    "gsm in wav": [sound("a.wav", "WAV", "GSM610", 8_000)],
    "voc": [sound("a.voc", "VOC", "PCM_16")],
    "nut, sph": [muxed("a.nut", "pcm_s16le"), sound("a.sph", "NIST", "PCM_16")],
}
"""Some files for each row; FFmpeg writes no APE, DTS and Speex."""


def test_each_row_of_the_page_has_files() -> None:
    assert list(table()) == list(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("row", FILES)
def test_those_that_read_a_format_are_those_of_the_page_and_give_the_same(
    speech: Samples, tmp_path: Path, row: str
) -> None:
    for number, write in enumerate(FILES[row]):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(folder, speech[: 2 * 16_000])

        found = readings(path)

        assert set(found) == table()[row] & registry.DECODERS.installed().keys(), path.name
        for name, one in found.items():
            assert_same(found["ffmpeg"], one, codecs=name != "soundfile")
