"""What is picked up from folders is what can be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
import soundfile
from av.format import ContainerFormat

from tests.audio.conftest import Encode, Samples, assemble, found_at_s
from tests.audio.every_decoder import load
from tests.audio.test_audio_stream import SAMPLE, at_rate, correlation, mux
from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.decoders import containers
from whisperctl.audio.decoders.media import MediaReader
from whisperctl.jobs.sources import EXTENSIONS

OTHER_ENDINGS = {
    ending: name
    for name, endings in {
        "aiff": "aif aifc aiff",
        "amr": "amr awb",
        "asf": "asf wma wmv",
        "au": "au snd",
        "avi": "divx",
        "caf": "caf",
        "dsf": "dsf",
        "gxf": "gxf",
        "matroska": "weba",
        "mov": "3ga f4a m4p m4r m4v qt",
        "mp3": "mp1 mpga",
        "mpc": "mp+ mpp",
        "mpeg": "m1a mod mpe mpeg mpg tod vob",
        "mpegts": "m2ts mts ts",
        "mxf": "mxf",
        "ogg": "oga ogm ogv ogx opus spx",
        "qcp": "qcp",
        "rm": "ra rm rmvb",
        "sox": "sox",
        "voc": "voc",
        "w64": "rf64 w64",
        "wav": "wav wave",
        "wtv": "wtv",
        "wv": "wv",
        "xwma": "xwma",
    }.items()
    for ending in endings.split()
}
"""Endings in use of formats that FFmpeg tells by their content, without listing these."""

NOT_RECORDINGS = frozenset({"avif", "heic", "heif", "ism", "mks", "psp"})
"""Endings in FFmpeg's lists of pictures, subtitles and manifests."""


def listed() -> dict[str, set[str]]:
    """Endings that FFmpeg lists for each format that is read."""
    return {name: set(ContainerFormat(name, "r").extensions) for name in containers.READ.split(",")}


def test_every_ending_that_is_picked_up_is_of_a_format_that_is_read() -> None:
    formats = listed()
    read = {ending for ending, name in OTHER_ENDINGS.items() if name in formats}

    assert sorted(EXTENSIONS - read.union(*formats.values())) == []


def test_recordings_of_every_format_that_is_read_are_picked_up() -> None:
    missing = {name: endings - EXTENSIONS - NOT_RECORDINGS for name, endings in listed().items()}

    assert {name: endings for name, endings in missing.items() if endings} == {}
    assert sorted(OTHER_ENDINGS.keys() - EXTENSIONS) == []


def _sphere(path: Path) -> Path:
    fields = (
        "NIST_1A\n   1024\nchannel_count -i 1\nsample_count -i {n}\nsample_rate -i 16000\n"
        "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\n"
        "sample_coding -s3 pcm\nend_head\n"
    )
    data = SAMPLE.read_bytes()
    pcm = data[data.index(b"data") + 8 :]
    path.write_bytes(fields.format(n=len(pcm) // 2).encode().ljust(1024) + pcm)
    return path


def _studio(path: Path, sound: Path, codec: str, form: str) -> Path:
    """A format of studios, which wants pictures of full size."""
    with av.open(str(path), "w", format=form) as out, av.open(str(sound)) as source:
        film = cast(Any, out.add_stream(codec, rate=25))
        film.width, film.height, film.pix_fmt = 720, 576, "yuv420p"
        stream = source.streams.audio[0]
        track = out.add_stream_from_template(stream)
        packets: list[Any] = []
        for number in range(11 * 25):
            picture = av.VideoFrame(720, 576, "yuv420p")
            picture.pts = number
            packets += film.encode(picture)
        packets += film.encode(None)
        for packet in source.demux(stream):
            if packet.pts is not None:
                packet.stream = track
                packets.append(packet)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            out.mux(packet)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "coding", "channels", "rate"),
    [
        ("WAV", "IMA_ADPCM", 1, 16_000),
        ("WAV", "MS_ADPCM", 2, 16_000),
        ("WAV", "ALAW", 1, 8_000),
        ("WAV", "ULAW", 1, 16_000),
        ("WAV", "GSM610", 1, 8_000),
        ("WAV", "MPEG_LAYER_III", 1, 44_100),
        ("WAVEX", "PCM_24", 6, 96_000),
        ("WAV", "DOUBLE", 1, 16_000),
        ("RF64", "PCM_16", 1, 16_000),
        ("W64", "FLOAT", 1, 16_000),
        ("AIFF", "IMA_ADPCM", 1, 16_000),
        ("CAF", "ALAC_16", 2, 44_100),
        ("AU", "PCM_S8", 1, 16_000),
        ("VOC", "PCM_16", 1, 16_000),
        ("IRCAM", "FLOAT", 1, 16_000),
        ("NIST", "ULAW", 1, 16_000),
    ],
)
def test_every_coding_of_sound_files_is_read_whole(
    speech: Samples, tmp_path: Path, kind: str, coding: str, channels: int, rate: int
) -> None:
    path = tmp_path / "sound"
    tracks = np.tile(at_rate(speech, rate), (channels, 1)).T
    if kind == "WAV" and coding == "MPEG_LAYER_III":
        mux(path.with_suffix(".wav"), tracks.T, codec="libmp3lame", rate=rate, layout="mono")
        path.with_suffix(".wav").rename(path)
    else:
        soundfile.write(path, tracks, rate, format=kind, subtype=coding)

    # libsndfile rounds these otherwise, and reads the last block of GSM to its end.
    own_way = (kind, coding) in {("WAV", "MS_ADPCM"), ("AIFF", "IMA_ADPCM"), ("WAV", "GSM610")}
    loaded = load(path, apart=("soundfile",) if own_way else ())

    assert loaded.duration_s == pytest.approx(11.0, abs=0.15)
    assert correlation(loaded.samples, speech)[0] > 0.9
    assert loaded.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mxf", "a.wtv", "a.nut", "a.sph", "a.sox"])
def test_formats_of_studios_and_corpora_are_read(
    encode: Encode, speech: Samples, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name == "a.sph":
        _sphere(path)
    elif name == "a.mxf":
        _studio(path, encode("a.mka", "pcm_s16le", rate=48_000), "mpeg2video", "mxf")
    elif name == "a.sox":
        encode("a.sox", "pcm_s32le").rename(path)
    else:
        assemble(path, [(encode("a.mka", "mp2"), 0.0)], video_s=11)

    loaded = load(path)

    assert found_at_s(loaded.samples, speech) < 0.1
    assert loaded.warnings == ()


@pytest.mark.slow
def test_eight_channels_are_read(speech: Samples, tmp_path: Path) -> None:
    """In a process of its own, as PyAV reads through a pointer that is none, which ends it."""
    path = mux(tmp_path / "a.m4a", np.tile(speech, (8, 1)), rate=SAMPLE_RATE, layout="7.1")

    code = "import sys; from whisperctl import audio; print(audio.load(sys.argv[1]).duration_s)"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(11.0, abs=0.1)


def test_samples_of_64_bits_are_read(encode: Encode, speech: Samples) -> None:
    loaded = load(encode("a.nut", "pcm_s64le"))

    np.testing.assert_allclose(loaded.samples, speech, atol=1e-4)


def test_a_recording_s_file_is_closed_at_the_end_of_with(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, SAMPLE_RATE, subtype="FLOAT")
    with MediaReader(path) as media:
        assert sum(len(block) for _, block in media.blocks()) == len(speech)
        assert not media.source.file.closed

    assert media.source.file.closed
