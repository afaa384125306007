"""Headers that lie, by mistake or on purpose: the sound is read, or one line says why not.

Whatever they claim, reading takes neither more memory than a block nor time without end.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest

from tests.audio.conftest import Encode, assemble
from tests.audio.every_decoder import load
from tests.audio.test_audio_stream import SAMPLE
from whisperctl import audio
from whisperctl.audio.decoders import registry
from whisperctl.audio.source import Source
from whisperctl.errors import AudioError

PCM = SAMPLE.read_bytes()[SAMPLE.read_bytes().index(b"data") + 8 :]
HUGE = (float("inf"), float("nan"), 1e300, -5.0, 1e15)

READ_ALL = """
import json, resource, sys, time
from whisperctl import audio
from whisperctl.errors import AudioError
audio.load(sys.argv[1])
for path in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    error, n, warnings = "", 0, []
    try:
        with audio.open_stream(path) as blocks:
            n = sum(len(block) for block in blocks)
            warnings = list(blocks.warnings)
    except AudioError as caught:
        error = str(caught)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([path, error, n / 16000, warnings, grown, time.perf_counter() - started]))
"""


@dataclass(frozen=True)
class Read:
    """What came of one file; ``grown`` is the growth of the process's peak memory."""

    name: str
    error: str
    duration_s: float
    warnings: list[str]
    grown: int
    elapsed_s: float


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data


def fmt(*, tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    align = channels * bits // 8 & 0xFFFF
    fields = (tag, channels, rate, rate * align & 0xFFFF_FFFF, align, bits)
    return chunk(b"fmt ", struct.pack("<HHIIHH", *fields))


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(wav(fmt(), chunk(b"data", PCM, 0x7FFF_FFFF), size=0x7FFF_FFFF), id="2 GiB"),
        pytest.param(wav(fmt(), chunk(b"data", PCM, len(PCM) + 44)), id="44 too many"),
        pytest.param(wav(fmt(), chunk(b"data", PCM, len(PCM) - 1)), id="odd"),
        pytest.param(
            wav(chunk(b"JUNK", bytes(28)), fmt(), chunk(b"data", PCM, 0), size=0), id="crashed"
        ),
        pytest.param(
            wav(fmt(), chunk(b"LIST", b"INFO" + bytes(384 << 10)), chunk(b"data", PCM)), id="LIST"
        ),
        pytest.param(
            b"RF64\xff\xff\xff\xffWAVE"
            + chunk(b"ds64", struct.pack("<QQQI", 1 << 62, 1 << 62, 1 << 62, 0))
            + fmt()
            + chunk(b"data", PCM, 0xFFFF_FFFF),
            id="RF64",
        ),
        pytest.param(b".snd" + struct.pack(">IIIII", 24, 0xFFFF_FFFF, 3, 16_000, 1) + PCM, id="au"),
    ],
)
def test_sound_behind_a_sloppy_header_is_read_whole(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)

    # libsndfile believes that there is no sound, and is helped out.
    loaded = load(path, apart=("soundfile",) if b"data" + bytes(4) in data else ())

    assert loaded.duration_s == pytest.approx(11.0, abs=0.001)
    assert loaded.warnings == ()


def _floats(values: list[float], bits: int) -> bytes:
    kind = np.float32 if bits == 32 else np.float64
    samples = np.tile(np.array(values, kind), 16_000)
    return wav(fmt(tag=3, channels=len(values), bits=bits), chunk(b"data", samples.tobytes()))


def _lies(encode: Encode, folder: Path) -> Iterator[tuple[str, bytes]]:
    yield "channels.wav", wav(fmt(channels=65_535), chunk(b"data", PCM))
    yield "thousand.wav", wav(fmt(channels=1000), chunk(b"data", PCM))
    yield "rate.wav", wav(fmt(rate=0x7FFF_FFFF), chunk(b"data", PCM))
    yield "no-rate.wav", wav(fmt(rate=0), chunk(b"data", PCM))
    yield "no-bits.wav", wav(fmt(bits=0), chunk(b"data", PCM))
    yield "list.wav", wav(fmt(), chunk(b"LIST", b"INFO", 0x7FFF_FF00), chunk(b"data", PCM))
    yield "nan.wav", _floats([float("nan")] * 2, 32)
    yield "inf.wav", _floats([float("inf"), float("-inf")], 32)
    yield "largest.wav", _floats([3e38, -3e38], 32)
    yield "double.wav", _floats([1e300, -1e300], 64)
    spoken = encode("a.mp3", "libmp3lame").read_bytes()
    yield "tag.mp3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + spoken
    noise = np.random.default_rng(1).bytes(4096)
    yield "garbage.mp3", b"ID3\x03\0\0\0\0\x20\0" + noise + spoken
    film = assemble(folder / "a.mkv", [(encode("a.mka", "pcm_s16le"), 5.0)], video_s=16)
    data = film.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3
    for value in HUGE:
        yield f"{value}.mkv", data[:at] + struct.pack(">d", value) + data[at + 8 :]
    at = data.index(b"\x2a\xd7\xb1\x83") + 4
    yield "scale.mkv", data[:at] + b"\xff" * 3 + data[at + 3 :]
    sound = encode("a.mka", "aac", rate=44_100)
    film = assemble(folder / "a.flv", [(sound, 0.0)], video_s=12)
    flv = bytearray(film.read_bytes())
    at = flv.index(b"duration") + 9
    position, n = 13, 0
    while position + 15 < len(flv):  # every tag of sound two hours and 46 minutes after the last
        if flv[position] == 8:
            n += 1
            time = n * 9_999_000 & 0x7FFF_FFFF
            flv[position + 4 : position + 8] = (time & 0xFF_FFFF).to_bytes(3, "big") + bytes(
                [time >> 24]
            )
        position += 15 + int.from_bytes(flv[position + 1 : position + 4], "big")
    for value in (*HUGE, 10.0):
        yield f"{value}.flv", bytes(flv[:at]) + struct.pack(">d", value) + bytes(flv[at + 8 :])


@pytest.fixture(scope="module")
def results(encode: Encode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """Each file read in one process, which says what that took."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = []
    for name, data in _lies(encode, folder):
        paths.append(folder / f"lie-{name}")
        paths[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_ALL, str(SAMPLE), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stderr == ""
    read = [Read(*json.loads(line)) for line in done.stdout.splitlines()]
    assert len(read) == len(paths)
    return {Path(one.name).name.removeprefix("lie-"): one for one in read}


@pytest.mark.slow
def test_no_lie_takes_much_memory_or_time(results: dict[str, Read]) -> None:
    unit = 1 if sys.platform == "darwin" else 1024

    assert [one for one in results.values() if one.grown * unit > 150 << 20] == []
    assert [one for one in results.values() if one.duration_s > 25 * 3600] == []
    assert [one for one in results.values() if one.elapsed_s > 60] == []


@pytest.mark.slow
def test_a_lie_costs_the_sound_or_nothing(results: dict[str, Read]) -> None:
    refused = {name for name, one in results.items() if one.error}

    assert {one.error.count("\n") for one in results.values()} == {0}
    assert refused == {
        "channels.wav",
        "thousand.wav",
        "rate.wav",
        "no-rate.wav",
        "no-bits.wav",
        "list.wav",
        "tag.mp3",
    }
    for name in (*(f"{value}.mkv" for value in HUGE), "garbage.mp3"):
        length_s = 16 if name.endswith("mkv") else 11
        assert results[name].duration_s == pytest.approx(length_s, abs=0.1), name
    assert results["10.0.flv"].duration_s == pytest.approx(11, abs=0.2)


@pytest.mark.slow
def test_values_that_are_no_sound_become_silence(results: dict[str, Read]) -> None:
    for name in ("nan.wav", "inf.wav", "double.wav"):
        assert "that are not numbers" in results[name].warnings[0]


@pytest.mark.parametrize("decoder", registry.names()[1:])
def test_a_sample_that_is_too_large_is_no_warning_of_numpy(tmp_path: Path, decoder: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(_floats([1e300, 0.1], 64))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = audio.load(path, decoder=decoder)

    assert "that are not numbers" in loaded.warnings[0]


@pytest.mark.parametrize("decoder", registry.names()[1:])
def test_bytes_that_cannot_be_read_are_an_error_about_the_recording(
    tmp_path: Path, decoder: str
) -> None:
    with (tmp_path / "a").open("wb", buffering=0) as file:  # which may only be written
        file.write(PCM)
        source = Source("a", '"a"', cast(BinaryIO, file))
        with pytest.raises(AudioError, match=r'^"a" (cannot be read \(Bad file descriptor\)|is)'):
            registry.DECODERS.load(decoder).open(source)


def test_a_track_that_starts_later_is_no_error_of_python(tmp_path: Path) -> None:
    """PyAV asks at the end for what is left of it, and fails."""
    path = tmp_path / "a.flv"
    script = b"\x00\x00\x00\xc1" + bytes(203) + b"\xcc"
    first = b"\x08\0\0\x83\x08\0\0\x07" + bytes(7) + b"z" + bytes(9)
    late = b"\x12\x08\0\x01\xe5" + bytes(7) + b"\xaf" + bytes(486) + b"\x01\xf0"
    path.write_bytes(b"FLV" + bytes(5) + b"\x09" + bytes(4) + script + first + late)

    assert load(path, apart=("sandbox",)).duration_s > 0
