"""The sandbox decodes what FFmpeg outside of it does, and nothing else is opened or loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl import audio
from whisperctl.audio.decoders.ffmpeg import FfmpegDecoder
from whisperctl.audio.decoders.media import MediaReader
from whisperctl.errors import AudioError, DecoderStoppedError, PluginError

Encode = Callable[[str, str], Path]
Decode = Callable[..., Any]


@pytest.fixture(autouse=True)
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime that a test is about, Wasmtime otherwise."""
    wanted = "wasmtime"
    if "runtime" in request.fixturenames:
        wanted = str(request.getfixturevalue("runtime"))
    monkeypatch.setenv("WHISPERCTL_SANDBOX_RUNTIME", wanted)


def test_a_wav_gives_the_same_samples_as_outside(
    decode: Decode, jfk_wav: Path, runtime: str
) -> None:
    info, samples, warnings = decode(jfk_wav)
    expected_info, expected, _ = decode(jfk_wav, FfmpegDecoder())

    assert info == expected_info
    assert np.array_equal(samples, expected)
    assert not warnings


def test_an_encoded_recording_gives_the_same_samples_as_outside(
    decode: Decode, encode: Encode, runtime: str
) -> None:
    path = encode("a.m4a", "aac")

    info, samples, warnings = decode(path)
    expected_info, expected, _ = decode(path, FfmpegDecoder())

    assert info == expected_info
    assert samples.shape == expected.shape
    assert np.abs(samples - expected).max() < 1e-3
    assert not warnings


def test_titles_are_text(decode: Decode, encode: Encode, tmp_path: Path) -> None:
    title = "Rede in München".encode()
    data = encode("a.mkv", "libopus").read_bytes()
    path = tmp_path / "a.mkv"
    path.write_bytes(data.replace(title, b'"\x1b\\ \xe2\x82( M\xff\xfcchen '))

    info, _, _ = decode(path)

    assert info == decode(path, FfmpegDecoder())[0]
    assert info.tracks[0].title == '"\x1b\\ \ufffd( M\ufffd\ufffdchen '


def test_a_pipe_is_read(decode: Decode, jfk_wav: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(jfk_wav.read_bytes()))
    writer.start()

    _, samples, _ = decode(pipe)

    writer.join()
    assert len(samples) == 176_000


def test_recordings_joined_in_a_file_are_all_read(
    decode: Decode, encode: Encode, tmp_path: Path
) -> None:
    data = encode("a.flac", "flac").read_bytes()
    path = tmp_path / "joined.flac"
    path.write_bytes(data + data[: len(data) // 2] + data)

    _, samples, warnings = decode(path)
    _, expected, expected_warnings = decode(path, FfmpegDecoder())

    assert np.array_equal(samples, expected)
    assert warnings == expected_warnings


FLAC_SETTINGS = [
    ("s16", {"compression_level": "0"}),
    ("s16", {"lpc_coeff_precision": "5"}),
    ("s16", {"compression_level": "12"}),  # more than twelve samples predict the next
    ("s32", {"compression_level": "5"}),
]


def test_flac_is_lossless_however_it_is_coded(decode: Decode, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    n = 4096
    tone = 9000 * np.sin(np.arange(4 * n) * 0.03) + random.normal(0, 60, 4 * n)
    tone[:n:777] = 32_000  # codes of more than 64 bits
    tone[n : 2 * n] = 0
    tone[3 * n :] = random.integers(-32_768, 32_768, n)
    stereo = np.stack([tone, np.roll(tone, 3) * 0.7], axis=1).astype(np.int16)
    noise = random.integers(-128, 128, stereo.shape, np.int32)
    values = {"s16": stereo, "s32": stereo.astype(np.int32) * 65536 + noise * 256}
    parts = [_flac(tmp_path, values[name], name, options) for name, options in FLAC_SETTINGS]
    path = tmp_path / "joined.flac"
    path.write_bytes(b"".join(parts))

    _, samples, warnings = decode(path)

    scales = {"s16": 2.0**-15, "s32": 2.0**-31}
    expected = [values[name].astype(np.float32) * scales[name] for name, _ in FLAC_SETTINGS]
    assert np.array_equal(samples, np.concatenate(expected).astype(np.float32))
    assert not warnings


def test_flac_of_32_bits_is_left_to_other_decoders(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-(2**31), 2**31, (8192, 2)).astype(np.int32)
    options = {"strict": "experimental", "bits_per_raw_sample": "32"}
    path = tmp_path / "a.flac"
    path.write_bytes(_flac(tmp_path, values, "s32", options))

    natively = audio.load(path, decoder="ffmpeg").samples
    with pytest.raises(AudioError, match=r"unknown codec.*use --decoder ffmpeg"):
        audio.load(path, decoder="sandbox")

    assert len(natively) == 8192


def _flac(
    folder: Path,
    values: NDArray[np.int16] | NDArray[np.int32],
    sample_format: str,
    options: dict[str, str],
) -> bytes:
    path = folder / "part.flac"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=16_000, layout="stereo", options=options)
        stream.codec_context.format = av.AudioFormat(sample_format)
        for start in range(0, len(values), 4096):
            frame = av.AudioFrame.from_ndarray(
                values[start : start + 4096].reshape(1, -1), sample_format, "stereo"
            )
            frame.sample_rate, frame.pts = 16_000, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


def test_a_recording_of_many_channels_and_one_large_frame_is_read(
    decode: Decode, tmp_path: Path
) -> None:
    path = tmp_path / "wide.wav"
    values = np.arange(64 * 40_000, dtype="<i2").reshape(-1, 64)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(64)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(values.tobytes())

    _, samples, _ = decode(path)

    assert np.array_equal(samples, values.astype(np.float32) / 32768)


def test_zeros_behind_a_recording_are_not_searched(
    decode: Decode, jfk_wav: Path, tmp_path: Path
) -> None:
    path = tmp_path / "reserved.wav"
    path.write_bytes(jfk_wav.read_bytes())
    os.truncate(path, 1 << 40)
    started = time.monotonic()

    _, samples, _ = decode(path)

    assert len(samples) == 176_000
    assert time.monotonic() - started < 10


LOADED = """
import sys
from whisperctl import audio
print(audio.load(sys.argv[1], decoder="sandbox").duration_s)
modules = [name for name in ("av", "soundfile") if name in sys.modules]
with open("/proc/self/maps") as maps:
    libraries = {line.split("/")[-1] for line in maps if "libav" in line or "sndfile" in line}
print(modules, sorted(libraries))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at what is mapped")
def test_no_native_codec_library_is_loaded(encode: Encode) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(encode("a.m4a", "aac"))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    duration, loaded = done.stdout.splitlines()
    assert float(duration) == pytest.approx(11, abs=0.1)
    assert loaded == "[] []"


INTERRUPTED = """
import os, sys
from whisperctl.audio.decoders.media import MediaReader
with MediaReader(sys.argv[1], decoder="sandbox") as reader:
    for number, _ in enumerate(reader.blocks()):
        children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
        print(*children, flush=True)
        sys.stdin.read(1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes")
def test_ctrl_c_in_the_midst_leaves_no_process_behind(jfk_wav: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(jfk_wav)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        (child,) = process.stdout.readline().split()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    assert not Path(f"/proc/{child}").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes")
def test_a_guest_that_was_killed_is_no_end_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(60 * 32_000))

    with (
        MediaReader(path, decoder="sandbox") as media,
        pytest.raises(DecoderStoppedError, match=r"long\.wav. cannot be decoded .*SIGKILL"),
    ):
        for _ in media.blocks():
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
    assert not media.warnings


def test_without_a_runtime_there_is_an_error_and_no_way_around(
    jfk_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whisperctl_wasi import runtimes

    monkeypatch.setattr(runtimes, "_problem", lambda name: "it is not installed")
    with pytest.raises(Exception, match="no WebAssembly runtime can be used here"):
        audio.load(jfk_wav, decoder="sandbox")


def test_too_little_memory_to_start_is_an_error_that_names_the_limit(
    jfk_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", "decoder.memory=8M")
    with pytest.raises(
        PluginError,
        match=r"^the decoder sandbox cannot start \(.*\): raise decoder\.memory in "
        r"WHISPERCTL_WASI_LIMITS, or use --decoder ffmpeg",
    ):
        audio.load(jfk_wav)
