"""Decoding of real media, made here from the sample recording by the usual encoders."""

from __future__ import annotations

import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import timeit
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any, cast

import av
import numpy as np
import pytest
import soundfile
import soxr
from av.stream import Disposition
from numpy.typing import NDArray

from tests.audio.every_decoder import load
from tests.conftest import printed_by, unprivileged
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.errors import AudioError

Samples = NDArray[np.float32]
Media = Callable[[str], Path]

SAMPLE = Path(__file__).parents[2] / "samples" / "jfk.wav"
DURATION_S = 11.0


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    assert rate == SAMPLE_RATE
    return cast(Samples, samples)


def at_rate(samples: Samples, rate: int) -> Samples:
    return cast(Samples, soxr.resample(samples, SAMPLE_RATE, rate))


def mux(
    path: Path,
    *tracks: Samples,
    codec: str = "aac",
    rate: int = 48_000,
    layout: str = "stereo",
    video: str | None = None,
    default: int | None = None,
    delay_s: float = 0.0,
    options: dict[str, str] | None = None,
    languages: Sequence[str] = (),
) -> Path:
    """Write float32 tracks of shape (n_channels, n_samples) at ``rate`` with FFmpeg's encoders."""
    # PyAV types a stream whose codec is named at run time as any kind of stream.
    with av.open(str(path), "w", options=options or {}) as container:
        # Every track is announced before the first packet, which is when the header is written.
        film = cast(Any, container.add_stream(video, rate=10)) if video else None
        streams = [cast(Any, container.add_stream(codec, rate=rate, layout=layout)) for _ in tracks]
        for number, stream in enumerate(streams):
            if codec == "wmav2":
                stream.bit_rate = 64_000  # its encoder has no usual one
            if languages:
                stream.metadata["language"] = languages[number]
            if default is not None:
                stream.disposition = Disposition.default if number == default else Disposition(0)
        if film:
            encode_video(container, film)
        for stream, samples in zip(streams, tracks, strict=True):
            resampler = av.AudioResampler(stream.codec_context.format.name, layout, rate)
            packed = np.ascontiguousarray(samples.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.rate = rate
            frame.pts = round(delay_s * rate)
            frame.time_base = Fraction(1, rate)
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
    return path


def encode_video(container: av.container.OutputContainer, stream: Any) -> None:
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for number in range(round(DURATION_S * 10)):
        pixels = np.full((64, 64, 3), number * 2, np.uint8)
        picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
        picture.pts = number
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def media(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> Media:
    """Makes each file once, on first use."""
    folder = tmp_path_factory.mktemp("media")

    def tracks(rate: int, channels: int) -> Samples:
        return np.tile(at_rate(speech, rate), (channels, 1))

    def sound(name: str, rate: int, channels: int, **how: str) -> Path:
        soundfile.write(folder / name, tracks(rate, channels).T, rate, **how)
        return folder / name

    def muxed(name: str, channels: int, **how: Any) -> Path:
        rate = how.setdefault("rate", 48_000)
        return mux(folder / name, tracks(rate, channels), **how)

    makers: dict[str, Callable[[str], Path]] = {
        "pcm8.wav": lambda n: sound(n, 16_000, 1, subtype="PCM_U8"),
        "pcm24.wav": lambda n: sound(n, 44_100, 2, subtype="PCM_24"),
        "float.wav": lambda n: sound(n, 96_000, 1, subtype="DOUBLE"),
        "phone.wav": lambda n: sound(n, 8_000, 1, subtype="ULAW"),
        "a.aiff": lambda n: sound(n, 44_100, 1),
        "a.flac": lambda n: sound(n, 48_000, 2),
        "a.ogg": lambda n: sound(n, 44_100, 1, format="OGG", subtype="VORBIS"),
        "a.mp3": lambda n: sound(n, 44_100, 2),
        "a.opus": lambda n: muxed(n, 2, codec="libopus"),
        "a.m4a": lambda n: muxed(n, 2, rate=44_100),
        "alac.m4a": lambda n: muxed(n, 1, codec="alac", layout="mono"),
        "a.mp4": lambda n: muxed(n, 2, video="mpeg4"),
        "web.mp4": lambda n: muxed(n, 2, video="mpeg4", options={"movflags": "faststart"}),
        "a.mkv": lambda n: muxed(n, 2, video="mpeg4", codec="ac3"),
        "pcm.mkv": lambda n: muxed(n, 6, layout="5.1", codec="pcm_s16le"),
        "a.webm": lambda n: muxed(n, 1, video="libvpx", codec="libopus", layout="mono"),
        "a.ts": lambda n: muxed(n, 1, video="mpeg2video", layout="mono"),
    }

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else makers[name](name)

    return make


def level_db(samples: Samples, reference: Samples) -> float:
    def rms(values: Samples) -> float:
        return math.sqrt(float(np.mean(np.square(values, dtype=np.float64))))

    return 20 * math.log10(rms(samples) / rms(reference))


def correlation(samples: Samples, reference: Samples) -> tuple[float, float]:
    """The best normalised correlation and the delay in milliseconds at which it is found."""
    n = 2 ** math.ceil(math.log2(len(samples) + len(reference)))
    spectrum = np.fft.rfft(samples, n) * np.conj(np.fft.rfft(reference, n))
    cross = np.fft.irfft(spectrum, n)
    lag = int(np.argmax(cross))
    scale = float(np.linalg.norm(samples) * np.linalg.norm(reference))
    return float(cross[lag]) / scale, (lag if lag < n // 2 else lag - n) / SAMPLE_RATE * 1000


def test_pcm16_at_16_khz_is_the_integers_divided_by_32768() -> None:
    integers, _ = soundfile.read(SAMPLE, dtype="int16")

    loaded = audio.load(SAMPLE)

    assert loaded.samples.dtype == np.float32
    assert loaded.samples.flags.c_contiguous
    assert loaded.samples.flags.owndata
    np.testing.assert_array_equal(loaded.samples, integers.astype(np.float32) / 32768)
    assert loaded.source == str(SAMPLE)
    assert loaded.duration_s == DURATION_S
    assert loaded.decode_ms > 0
    assert loaded.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "pcm8.wav",
        "pcm24.wav",
        "float.wav",
        "phone.wav",
        "a.aiff",
        "a.flac",
        "a.ogg",
        "a.mp3",
        "a.opus",
        "a.m4a",
        "alac.m4a",
        "a.mp4",
        "web.mp4",
        "a.mkv",
        "pcm.mkv",
        "a.webm",
        "a.ts",
    ],
)
def test_every_format_gives_the_same_speech_at_the_same_level_and_time(
    media: Media, speech: Samples, name: str
) -> None:
    loaded = load(media(name))

    similarity, delay_ms = correlation(loaded.samples, speech)
    assert similarity > 0.99
    # An MPEG transport stream has no way to say how much of its start is an encoder's padding.
    assert abs(delay_ms) < (25 if name == "a.ts" else 1)
    assert abs(loaded.duration_s - DURATION_S) < (0.05 if name == "a.ts" else 0.01)
    assert abs(level_db(loaded.samples, speech)) < 0.1
    assert loaded.samples.dtype == np.float32
    assert loaded.samples.flags.c_contiguous
    assert float(np.abs(loaded.samples).max()) <= 1
    assert loaded.warnings == ()


@pytest.mark.slow
def test_content_decides_and_not_the_name(media: Media, speech: Samples, tmp_path: Path) -> None:
    for name, disguise in [("a.m4a", "a.wav"), ("a.flac", "a.txt"), ("a.mp3", "a.m3u8")]:
        disguised = tmp_path / disguise
        shutil.copy(media(name), disguised)
        assert correlation(audio.load(disguised).samples, speech)[0] > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "two words.m4a",
        "ünï-日本.mp3",
        "-i.m4a",
        "concat:a.m4a|b.m4a",
        "http:x.m4a",
        "file%20:x.mp3",
        'quo"te\n.flac',
    ],
)
def test_a_name_is_only_ever_a_name(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = name.rpartition(".")[2]
    shutil.copy(media(f"a.{kind if kind in ('mp3', 'flac') else 'm4a'}"), name)

    assert abs(audio.load(name).duration_s - DURATION_S) < 0.01


def test_channels_are_averaged(speech: Samples, tmp_path: Path) -> None:
    silence = np.zeros_like(speech)
    soundfile.write(tmp_path / "left.wav", np.stack([speech, silence], axis=1), SAMPLE_RATE)
    dolby = [silence, silence, speech, silence, silence, silence]
    surround = mux(
        tmp_path / "centre.mkv",
        np.stack(dolby),
        codec="pcm_s16le",
        rate=SAMPLE_RATE,
        layout="5.1",
    )

    np.testing.assert_allclose(audio.load(tmp_path / "left.wav").samples, speech / 2, atol=1e-4)
    np.testing.assert_allclose(audio.load(surround).samples, speech / 6, atol=1e-4)


def test_more_channels_than_eight_are_averaged_too(speech: Samples, tmp_path: Path) -> None:
    channels = np.zeros((16, len(speech)), np.float32)
    channels[11] = speech
    many = mux(
        tmp_path / "many.mkv", channels, codec="wavpack", rate=SAMPLE_RATE, layout="hexadecagonal"
    )

    # FFmpeg's encoder takes eight bits by default, so this is as near as it gets.
    np.testing.assert_allclose(audio.load(many).samples * 16, speech, atol=1 / 128)


def test_the_track_marked_as_default_is_taken(speech: Samples, tmp_path: Path) -> None:
    one, two = speech[None, :], speech[None, ::-1].copy()
    how: dict[str, Any] = {"codec": "pcm_s16le", "rate": SAMPLE_RATE, "layout": "mono"}
    second = mux(tmp_path / "second.mkv", one, two, default=1, **how)
    unmarked = mux(tmp_path / "first.mkv", one, two, default=-1, **how)

    np.testing.assert_allclose(audio.load(second).samples, two[0], atol=1e-4)
    np.testing.assert_allclose(audio.load(unmarked).samples, one[0], atol=1e-4)


def test_sound_that_starts_late_stays_late(speech: Samples, tmp_path: Path) -> None:
    late = mux(
        tmp_path / "late.mkv",
        speech[None, :],
        codec="pcm_s16le",
        rate=SAMPLE_RATE,
        layout="mono",
        video="mpeg4",
        delay_s=2.0,
    )

    loaded = load(late)

    assert not loaded.samples[: 2 * SAMPLE_RATE].any()
    assert correlation(loaded.samples, speech)[1] == pytest.approx(2000, abs=1)
    assert loaded.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("container", ["mp4", "mp3"])
def test_a_broken_cover_picture_is_ignored(
    media: Media, speech: Samples, tmp_path: Path, container: str
) -> None:
    garbage = b"\xff\xd8\xff\xe0 not a picture" * 40
    path = tmp_path / f"cover.{container}"
    if container == "mp3":
        picture = b"\0image/jpeg\0\x03\0" + garbage
        frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
        size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
        path.write_bytes(b"ID3\x03\0\0" + size + frame + media("a.mp3").read_bytes())
    else:
        with av.open(str(path), "w") as out, av.open(str(media("a.m4a"))) as original:
            cover = cast(Any, out.add_stream("mjpeg", rate=1))
            cover.width = cover.height = 64
            cover.pix_fmt = "yuvj420p"
            cover.disposition = Disposition.attached_pic
            source = original.streams.audio[0]
            copy = out.add_stream_from_template(source)
            picture_packet = av.Packet(garbage)
            picture_packet.stream, picture_packet.pts, picture_packet.dts = cover, 0, 0
            picture_packet.time_base = Fraction(1, 1)
            picture_packet.is_keyframe = True
            out.mux(picture_packet)
            for packet in original.demux(source):
                if packet.dts is not None:
                    packet.stream = copy
                    out.mux(packet)

    loaded = load(path)

    assert correlation(loaded.samples, speech)[0] > 0.99
    assert loaded.warnings == ()


LOAD_STDIN = """
import sys
from whisperctl import audio
loaded = audio.load(sys.argv[1])
sys.stdout.buffer.write(loaded.samples.tobytes())
sys.stderr.write("".join(loaded.warnings) + loaded.source)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "name"),
    [("-", "a.m4a"), ("-", "a.webm"), ("/dev/stdin", "a.m4a")],
)
def test_a_pipe_gives_what_the_file_gives(media: Media, source: str, name: str) -> None:
    piped = subprocess.run(
        [sys.executable, "-c", LOAD_STDIN, source],
        input=media(name).read_bytes(),
        capture_output=True,
        check=True,
    )

    np.testing.assert_array_equal(
        np.frombuffer(piped.stdout, np.float32), audio.load(media(name)).samples
    )
    assert piped.stderr.decode() == ("standard input" if source == "-" else source)


@pytest.mark.slow
def test_a_file_as_standard_input_is_read(media: Media) -> None:
    with media("a.m4a").open("rb") as file:
        piped = subprocess.run(
            [sys.executable, "-c", LOAD_STDIN, "-"], stdin=file, capture_output=True, check=True
        )

    assert len(piped.stdout) == audio.load(media("a.m4a")).samples.nbytes


def test_a_named_pipe_is_read(media: Media, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(media("a.m4a").read_bytes()))
    writer.start()

    loaded = audio.load(pipe)

    writer.join()
    assert abs(loaded.duration_s - DURATION_S) < 0.01


@pytest.mark.parametrize("stated", [0, 0xFFFF_FFFF, 0x7FFF_F000 - 36])
def test_a_wav_made_in_a_pipe_states_no_true_size_and_is_read_whole(
    tmp_path: Path, stated: int
) -> None:
    wav = bytearray(SAMPLE.read_bytes())
    data = wav.index(b"data")
    wav[4:8] = wav[data + 4 : data + 8] = struct.pack("<I", stated)
    (tmp_path / "piped.wav").write_bytes(wav)

    # libsndfile believes that there is no sound, and is helped out.
    loaded = load(tmp_path / "piped.wav", apart=() if stated else ("soundfile",))

    assert loaded.duration_s == DURATION_S
    assert loaded.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.flac", "a.mp3", "web.mp4", "a.mkv", "a.webm"]
)
def test_a_recording_cut_short_is_read_with_a_warning(
    media: Media, speech: Samples, tmp_path: Path, name: str
) -> None:
    whole = (SAMPLE if name == "a.wav" else media(name)).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(whole[: len(whole) // 2])

    # libsndfile fails at the end of FLAC, and is helped out.
    loaded = load(cut, apart=("soundfile",) if name == "a.flac" else ())

    assert 3 < loaded.duration_s < 8
    assert correlation(loaded.samples, speech[: len(loaded.samples)])[0] > 0.95
    assert loaded.warnings == (
        f'"{cut}" is cut short or damaged: its header states 11.0 s, '
        f"only {loaded.duration_s:.1f} s could be read",
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.flac", "a.m4a", "a.webm"])
def test_sound_after_a_damaged_part_keeps_its_time(
    media: Media, speech: Samples, tmp_path: Path, name: str
) -> None:
    damaged = bytearray(media(name).read_bytes())
    middle = range(len(damaged) * 4 // 10, len(damaged) * 5 // 10)
    noise = np.random.default_rng(1).bytes(len(middle))
    damaged[middle.start : middle.stop] = noise
    (tmp_path / name).write_bytes(damaged)

    loaded = audio.load(tmp_path / name)

    assert abs(loaded.duration_s - DURATION_S) < 0.02
    tail = slice(10 * SAMPLE_RATE, None)  # WebM is found again only at its next cluster
    similarity, delay_ms = correlation(loaded.samples[tail], speech[tail])
    assert similarity > 0.99
    assert abs(delay_ms) < 25
    assert len(loaded.warnings) == 1
    assert "damaged" in loaded.warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.flac", "a.m4a", "a.mkv", "a.mp3", "a.ogg", "a.webm"])
def test_random_damage_gives_a_result_or_an_error(media: Media, tmp_path: Path, name: str) -> None:
    whole = media(name).read_bytes()
    damaged_file = tmp_path / name
    outcomes = set()
    for seed in range(12):
        chance = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for place in chance.integers(0, [300, 4000, len(whole)][seed % 3], 4):
            damaged[place] = int(chance.integers(256))
        damaged_file.write_bytes(damaged)
        try:
            loaded = audio.load(damaged_file, decoder="ffmpeg")
        except AudioError as error:
            outcomes.add("error")
            assert str(error).startswith(f'"{damaged_file}" ')
        else:
            outcomes.add("result")
            assert 0 < loaded.duration_s < 2 * DURATION_S
            assert np.isfinite(loaded.samples).all()
    assert "result" in outcomes


def _text(path: Path, media: Media) -> None:
    path.write_text("hello\n" * 1000)


def _empty(path: Path, media: Media) -> None:
    path.touch()


def _noise(path: Path, media: Media) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(200_000))


def _no_samples(path: Path, media: Media) -> None:
    soundfile.write(path, np.empty(0), SAMPLE_RATE, format="WAV")


def _header_only(path: Path, media: Media) -> None:
    wav = SAMPLE.read_bytes()
    path.write_bytes(wav[: wav.index(b"data") + 8])


def _half_a_header(path: Path, media: Media) -> None:
    path.write_bytes(SAMPLE.read_bytes()[:30])


def _no_index(path: Path, media: Media) -> None:
    path.write_bytes(media("a.m4a").read_bytes()[:50_000])


def _silent_film(path: Path, media: Media) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        encode_video(container, container.add_stream("mpeg4", rate=10))


def _picture(path: Path, media: Media) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = cast(Any, container.add_stream("png", rate=1))
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _impossible_rate(path: Path, media: Media) -> None:
    soundfile.write(path, np.zeros(1000), 1, format="WAV")


def _web_page(path: Path, media: Media) -> None:
    path.write_text("\n<!DOCTYPE HTML>\n<html><body>Not found</body></html>" + " " * 5000)


def _directory(path: Path, media: Media) -> None:
    path.mkdir()


def _missing(path: Path, media: Media) -> None:
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, "does not exist: check the name"),
        (_directory, "is a directory: name a file in it"),
        (_empty, "is empty: record or copy it again"),
        (
            _text,
            "is not a recording that the sandbox decodes: use --decoder ffmpeg",
        ),
        (_web_page, "is a web page, not a recording: name the recording itself"),
        (
            _noise,
            "is not a recording that the sandbox decodes: use --decoder ffmpeg",
        ),
        (
            _picture,
            "is not a recording that the sandbox decodes: use --decoder ffmpeg",
        ),
        (_no_samples, "contains no audio (its audio track is empty or damaged): copy or record"),
        (_header_only, "contains no audio (its audio track is empty or damaged): copy or record"),
        (_half_a_header, "is damaged or cut short: copy or record it again"),
        (_no_index, "is damaged or cut short: copy or record it again"),
        (_silent_film, "has no audio track: check that it is the right file"),
        (_impossible_rate, "is damaged: it states a sample rate of 1 Hz"),
    ],
)
def test_bad_input_is_one_line_that_names_the_file(
    media: Media,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    make: Callable[[Path, Media], None],
    says: str,
) -> None:
    path = tmp_path / "bad.wav"
    make(path, media)

    with pytest.raises(AudioError) as caught:
        audio.load(path)

    assert str(caught.value).startswith(f'"{path}" {says}')
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_device_is_refused_and_not_read_for_ever() -> None:
    with pytest.raises(AudioError, match='"/dev/zero" is a device'):
        audio.load("/dev/zero")


def test_a_line_break_in_a_name_does_not_break_the_message() -> None:
    with pytest.raises(AudioError, match=r'^"no\\nsuch\\x1b file" does not exist'):
        audio.load("no\nsuch\x1b file")


def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    shutil.copy(SAMPLE, secret)
    secret.chmod(0)

    with (
        unprivileged(),
        pytest.raises(AudioError, match=r"secret\.wav\" cannot be read: check its permissions"),
    ):
        audio.load(secret)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["empty", "closed", "terminal"])
def test_useless_standard_input_says_so(state: str) -> None:
    script = (
        "from whisperctl import audio, errors\n"
        "try: audio.load('-')\n"
        "except errors.AudioError as error: print(error)"
    )
    command = [sys.executable, "-c", script]
    if state == "closed":
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    terminal, other_end = os.openpty() if state == "terminal" else (None, None)
    said = subprocess.run(
        command,
        stdin=other_end if other_end is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for descriptor in (terminal, other_end):
        if descriptor is not None:
            os.close(descriptor)

    expected = {"empty": "is empty", "closed": "is closed", "terminal": "is a terminal"}
    assert said.stdout.startswith(f"standard input {expected[state]}: ")
    assert said.stdout.count("\n") == 1
    assert said.stderr == ""


@pytest.mark.slow
def test_nothing_but_the_result_comes_out(media: Media, tmp_path: Path) -> None:
    damaged = bytearray(media("a.mp3").read_bytes())
    damaged[20_000:30_000] = np.random.default_rng(1).bytes(10_000)
    (tmp_path / "damaged.mp3").write_bytes(damaged)
    script = "import sys\nfrom whisperctl import audio\naudio.load(sys.argv[1])"

    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "damaged.mp3")],
        capture_output=True,
        check=True,
    )

    assert said.stdout == said.stderr == b""


def test_a_stream_is_the_whole_recording_in_equal_blocks(media: Media) -> None:
    with audio.open_stream(media("a.m4a"), block_s=2.5) as stream:
        blocks = list(stream)

        assert [len(block) for block in blocks[:-1]] == [40_000] * 4
        assert 0 < len(blocks[-1]) <= 40_000
        np.testing.assert_array_equal(np.concatenate(blocks), audio.load(media("a.m4a")).samples)
        assert stream.source == str(media("a.m4a"))
        assert stream.stated_s == pytest.approx(DURATION_S, abs=0.05)
        assert stream.warnings == ()


@pytest.fixture
def endless(media: Media, tmp_path: Path) -> Path:
    """Half a recording, and a terabyte of nothing."""
    data = media("a.mkv").read_bytes()
    path = tmp_path / "a.mkv"
    path.write_bytes(data[: len(data) // 2])
    os.truncate(path, 1 << 40)
    return path


def test_a_search_through_a_terabyte_of_nothing_is_stopped(endless: Path) -> None:
    with audio.open_stream(endless, decoder="ffmpeg") as stream:
        reading = threading.Thread(target=lambda: list(stream), daemon=True)
        reading.start()
        reading.join(0.2)
        assert reading.is_alive()

        stream.stop()

        reading.join(5)
        assert not reading.is_alive()


def test_a_signal_ends_a_search_of_the_thread_that_reads(endless: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    signalled = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    with (
        audio.open_stream(endless, decoder="ffmpeg") as stream,
        pytest.raises(KeyboardInterrupt),
        closing(stream.in_thread()) as blocks,
    ):
        signalled.start()
        assert list(blocks) == []


def test_blocks_of_a_thread_are_those_of_the_stream(media: Media, tmp_path: Path) -> None:
    with audio.open_stream(media("a.m4a")) as stream, closing(stream.in_thread()) as blocks:
        samples = np.concatenate(list(blocks))
    np.testing.assert_array_equal(samples, audio.load(media("a.m4a")).samples)
    with audio.open_stream(media("a.m4a")) as stream, closing(stream.in_thread()) as blocks:
        next(blocks)
    text = tmp_path / "a.wav"
    text.write_bytes(b"RIFF" + bytes(100))
    with (
        pytest.raises(AudioError),
        audio.open_stream(text) as stream,
        closing(stream.in_thread()) as blocks,
    ):
        next(blocks)


def test_a_stream_can_be_left_early(media: Media) -> None:
    with audio.open_stream(media("a.m4a"), block_s=1) as stream:
        assert len(next(iter(stream))) == SAMPLE_RATE
    stream.close()


def long_recording(path: Path, minutes: int) -> Path:
    """Silence in stereo at 48 kHz; the file system stores none of it."""
    n_bytes = minutes * 60 * 48_000 * 4
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", n_bytes + 36, b"WAVE", b"fmt ", 16, 1, 2, 48_000,
                       192_000, 4, 16)  # fmt: skip
    path.write_bytes(head + struct.pack("<4sI", b"data", n_bytes))
    os.truncate(path, n_bytes + 44)
    return path


@pytest.mark.slow
def test_memory_is_about_the_size_of_the_result(tmp_path: Path) -> None:
    long = long_recording(tmp_path / "long.wav", minutes=10)
    script = (
        "import resource, sys\n"
        "from whisperctl import audio\n"
        "audio.load(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "n_bytes = audio.load(sys.argv[2]).samples.nbytes\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "print((after - before) * unit, n_bytes)"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, str(SAMPLE), str(long)],
        capture_output=True,
        text=True,
        check=True,
    )

    used_bytes, result_bytes = map(int, said.stdout.split())
    assert result_bytes == 10 * 60 * SAMPLE_RATE * 4
    assert used_bytes < result_bytes + 30_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long.wav", "long.mkv"])
def test_ctrl_c_passes_through(tmp_path: Path, name: str) -> None:
    path = long_recording(tmp_path / "long.wav", minutes=2)
    if name == "long.mkv":
        silence = np.zeros((1, 10 * 60 * 16_000), np.float32)
        path = mux(tmp_path / name, silence, codec="pcm_s16le", rate=16_000, layout="mono")

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def read() -> None:
        with audio.open_stream(path) as stream:
            list(stream)

    whole_s = min(timeit.repeat(read, number=1, repeat=2))
    n_interrupted = 0
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for share in (0.1, 0.25, 0.4):
            for _ in range(3):
                signal.setitimer(signal.ITIMER_REAL, share * whole_s)
                try:
                    read()
                except KeyboardInterrupt:
                    n_interrupted += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)

    # PyAV loses about one in four hundred of them, while it looks an error code up.
    assert n_interrupted >= 6


def test_importing_imports_nothing_heavy() -> None:
    script = (
        "import sys, whisperctl.audio, whisperctl.jobs.deliver, whisperctl.formats.console\n"
        "print({'numpy', 'av', 'soundfile', 'soxr'} & sys.modules.keys())"
    )

    assert printed_by(script) == "set()\n"
