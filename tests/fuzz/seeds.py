"""Small recordings of every container and codec that is read in the sandbox, to be damaged.

Most are written by FFmpeg's and libsndfile's encoders. DTS, TrueHD and MLP are in ``data``: part
of the sample, encoded by an FFmpeg with encoders that PyAV's has not. Where there is no encoder at
all, a header is written by hand before random bits, which Speex, AMR-WB, MPEG layer I and Monkey's
Audio take for sound, and Windows Media Audio Professional, Lossless and Voice find fault with soon.
TAK is missing.
"""

from __future__ import annotations

import io
import random
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tests.fuzz import ogg

_SAMPLE = Path(__file__).parents[2] / "samples" / "jfk.wav"
_KEPT = Path(__file__).with_name("data")
_START, _END = 5_000, 13_000


@dataclass(frozen=True)
class Seed:
    """A recording: its name, the codec that FFmpeg finds in it, and how it is made."""

    name: str
    codec: str
    make: Callable[[], bytes]


@cache
def _speech(rate: int) -> NDArray[np.float32]:
    """Half a second of speech."""
    samples, at_hz = soundfile.read(_SAMPLE, dtype="float32")
    return cast(NDArray[np.float32], soxr.resample(samples[_START:_END], at_hz, rate))


def _muxed(
    form: str, codec: str, rate: int, layout: str, video: str, **options: str
) -> Callable[[], bytes]:
    def make() -> bytes:
        n_channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
        packed = np.repeat(_speech(rate)[:, np.newaxis], n_channels, axis=1).reshape(1, -1)
        # A file with a name, which one muxer opens a second time.
        with (
            tempfile.NamedTemporaryFile() as file,
            av.open(file.name, "w", format=form, options=options) as out,
        ):
            film = cast(Any, out.add_stream(video, rate=25)) if video else None
            sound = cast(Any, out.add_stream(codec, rate=rate, layout=layout))
            sound.codec_context.options = {"strict": "-2"}
            if codec.startswith("wma"):
                sound.bit_rate = 64_000
            if film:
                film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
                for number in range(5):
                    picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
                    picture.pts = number
                    out.mux(film.encode(picture))
                out.mux(film.encode(None))
            resampler = av.AudioResampler(sound.codec_context.format.name, layout, rate)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "flt", layout)
            frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            for part in resampler.resample(frame):
                out.mux(sound.encode(part))
            out.mux(sound.encode(None))
            out.close()
            return Path(file.name).read_bytes()

    return make


def _sound(form: str, coding: str, rate: int, n_channels: int, endian: str) -> Callable[[], bytes]:
    def make() -> bytes:
        file = io.BytesIO()
        samples = np.repeat(_speech(rate)[:, np.newaxis], n_channels, axis=1)
        soundfile.write(file, samples, rate, format=form, subtype=coding, endian=endian)
        return file.getvalue()

    return make


def _bits(name: str, n_bytes: int) -> bytes:
    return random.Random(name).randbytes(n_bytes)


def _wav(tag: int, align: int, extra: bytes = b"", rate: int = 44_100) -> Callable[[], bytes]:
    """A wav with another codec's number in its header, and random bits."""

    def make() -> bytes:
        head = struct.pack("<HHIIHHH", tag, 2, rate, 8_000, align, 16, len(extra)) + extra
        data = _bits(str(tag), 8_000)
        body = b"WAVEfmt " + struct.pack("<I", len(head)) + head
        body += b"data" + struct.pack("<I", len(data)) + data
        return b"RIFF" + struct.pack("<I", len(body)) + body

    return make


def _frames(name: str, head: bytes, n_bytes: int, *, before: bytes = b"") -> Callable[[], bytes]:
    """Twenty frames that all begin alike, and go on with random bits."""

    def make() -> bytes:
        return before + b"".join(
            head + _bits(f"{name}{number}", n_bytes - len(head)) for number in range(20)
        )

    return make


def _speex() -> bytes:
    """Narrow band in the fifth mode, whose frames of 300 bits may have any bits."""
    head = b"Speex   " + b"1.2.1".ljust(20, b"\0")
    head += struct.pack("<13i", 1, 80, 8_000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    comment = struct.pack("<II", 0, 0)
    pages = [ogg.page([head], 0, 2, 0), ogg.page([comment], 1, 0, 0)]
    packets = [bytes([0x28 | i % 8]) + _bits(f"speex{i}", 37) for i in range(20)]
    pages.append(ogg.page(packets, 2, 4, 160 * len(packets)))
    return b"".join(pages)


def _ape() -> bytes:
    """Monkey's Audio 3.99 in fast mode, whose range coder takes zeros, but not random bits."""
    data = bytes(6_000)
    seek = struct.pack("<I", 52 + 24 + 4)
    head = struct.pack("<HHIIIHHI", 1000, 0, 73_728, 4_000, 1, 16, 1, 16_000)
    sizes = struct.pack("<IIIIIII", 52, 24, len(seek), 0, len(data), 0, 0)
    return b"MAC " + struct.pack("<HH", 3990, 0) + sizes + bytes(16) + head + seek + data


def _old_ape() -> bytes:
    """Monkey's Audio 3.86 in fast mode, whose Rice coder takes any bits."""
    head = struct.pack("<HHHHIIIII", 3860, 1000, 0x20, 1, 16_000, 0, 0, 1, 4_000)
    return b"MAC " + head + struct.pack("<I", 4 + len(head) + 4) + _bits("ape", 6_000)


def _kept(name: str) -> Callable[[], bytes]:
    """So often that FFmpeg takes it for what it is."""
    return lambda: (_KEPT / name).read_bytes() * 8


def _wrapped(name: str, form: str) -> Callable[[], bytes]:
    """The same in a container."""

    def make() -> bytes:
        file = io.BytesIO()
        with (
            av.open(str(_KEPT / name), format=name.partition(".")[2]) as source,
            av.open(file, "w", format=form) as out,
        ):
            track = out.add_stream_from_template(source.streams.audio[0])
            for number, packet in enumerate(source.demux(source.streams.audio[0])):
                if packet.size:
                    packet.pts = packet.dts = number * (packet.duration or 1)
                    packet.stream = track
                    out.mux(packet)
        return file.getvalue()

    return make


def _seeds() -> list[Seed]:
    found = []

    def muxed(
        name: str, form: str, codec: str, rate: int = 44_100, layout: str = "stereo",
        video: str = "", called: str = "", **options: str
    ) -> None:  # fmt: skip
        make = _muxed(form, codec, rate, layout, video, **options)
        found.append(Seed(name, called or codec, make))

    def sound(
        form: str, coding: str, codec: str, rate: int = 16_000, n_channels: int = 1,
        endian: str = "FILE"
    ) -> None:  # fmt: skip
        make = _sound(form, coding, rate, n_channels, endian)
        found.append(Seed(f"{coding.lower()}.{form.lower()}", codec, make))

    def made(name: str, codec: str, make: Callable[[], bytes]) -> None:
        found.append(Seed(name, codec, make))

    for coding, codec in (
        ("PCM_U8", "pcm_u8"), ("PCM_16", "pcm_s16le"), ("PCM_24", "pcm_s24le"),
        ("PCM_32", "pcm_s32le"), ("FLOAT", "pcm_f32le"), ("DOUBLE", "pcm_f64le"),
        ("ALAW", "pcm_alaw"), ("ULAW", "pcm_mulaw"), ("IMA_ADPCM", "adpcm_ima_wav"),
        ("MS_ADPCM", "adpcm_ms"), ("GSM610", "gsm_ms"), ("G721_32", "adpcm_g726"),
    ):  # fmt: skip
        sound("WAV", coding, codec, rate=8_000 if coding in ("GSM610", "G721_32") else 16_000)
    sound("WAVEX", "PCM_24", "pcm_s24le", n_channels=6)
    sound("RF64", "PCM_16", "pcm_s16le")
    sound("W64", "FLOAT", "pcm_f32le")
    sound("AIFF", "PCM_S8", "pcm_s8")
    sound("AIFF", "PCM_16", "pcm_s16be", n_channels=2)
    sound("AIFF", "IMA_ADPCM", "adpcm_ima_qt")
    sound("AU", "PCM_16", "pcm_s16be")
    sound("AU", "DOUBLE", "pcm_f64be")
    sound("CAF", "ALAC_16", "alac", n_channels=2)
    sound("CAF", "PCM_24", "pcm_s24be")
    sound("VOC", "PCM_16", "pcm_s16le")
    sound("FLAC", "PCM_24", "flac", n_channels=2)
    sound("OGG", "VORBIS", "vorbis", n_channels=2)
    sound("OGG", "OPUS", "opus", rate=48_000)
    muxed("flac.ogg", "ogg", "flac")
    made("speex.ogg", "speex", _speex)
    muxed("a.mp3", "mp3", "libmp3lame", called="mp3")
    muxed("a.mp2", "mp2", "mp2")
    made("a.mp1", "mp1", _frames("mp1", b"\xff\xff\x94\xc4", 288))
    muxed("aac.m4a", "ipod", "aac")
    muxed("web.m4a", "mp4", "aac", movflags="faststart")
    muxed("parts.mp4", "mp4", "aac", movflags="frag_keyframe+empty_moov", video="mpeg4")
    muxed("alac.m4a", "ipod", "alac")
    muxed("mp3.mp4", "mp4", "libmp3lame", called="mp3")
    muxed("ac3.mp4", "mp4", "ac3", layout="5.1")
    muxed("eac3.mov", "mov", "eac3")
    muxed("pcm.mov", "mov", "pcm_s24be")
    muxed("a.webm", "webm", "libopus", 48_000, called="opus", video="libvpx")
    muxed("vorbis.webm", "webm", "vorbis")
    for codec in ("aac", "ac3", "eac3", "flac", "mp2", "pcm_s16le", "tta", "wavpack", "alac"):
        muxed(f"{codec}.mkv", "matroska", codec)
    muxed("aac.ts", "mpegts", "aac", video="mpeg2video")
    muxed("ac3.ts", "mpegts", "ac3", 48_000)
    muxed("latm.ts", "mpegts", "aac", called="aac_latm", mpegts_flags="latm")
    muxed("mp2.mpg", "mpeg", "mp2", 48_000, video="mpeg1video")
    muxed("ac3.vob", "vob", "ac3", 48_000)
    muxed("dvd.vob", "vob", "pcm_dvd", 48_000)
    muxed("mp3.avi", "avi", "libmp3lame", called="mp3", video="mpeg4")
    muxed("pcm.avi", "avi", "pcm_s16le")
    muxed("v2.wma", "asf", "wmav2")
    muxed("v1.wma", "asf", "wmav1")
    muxed("aac.flv", "flv", "aac", video="flv")
    muxed("mp3.flv", "flv", "libmp3lame", called="mp3")
    muxed("nellymoser.flv", "flv", "nellymoser", 22_050, "mono")
    muxed("adpcm.flv", "flv", "adpcm_swf", 22_050, "mono")
    muxed("nb.amr", "amr", "libopencore_amrnb", 8_000, "mono", called="amr_nb")
    made("wb.amr", "amr_wb", _frames("amrwb", b"\x44", 61, before=b"#!AMR-WB\n"))
    muxed("adts.aac", "adts", "aac")
    muxed("a.ac3", "ac3", "ac3", 48_000)
    muxed("a.eac3", "eac3", "eac3", 48_000)
    muxed("a.loas", "latm", "aac", called="aac_latm")
    muxed("a.tta", "tta", "tta")
    muxed("a.wv", "wv", "wavpack")
    made("a.ape", "ape", _ape)
    made("old.ape", "ape", _old_ape)
    for name in ("dts", "truehd", "mlp"):
        made(f"{name}.mkv", name, _wrapped(f"a.{name}", "matroska"))
    made("a.dts", "dts", _kept("a.dts"))
    made("dts.wav", "dts", _wav(0x2001, 512))
    made("wmav2.wav", "wmav2", _wav(0x161, 372, struct.pack("<IHI", 0, 7, 0)))
    made("wmapro.wav", "wmapro", _wav(0x162, 512, struct.pack("<HIII", 16, 3, 0, 0xE0) + bytes(4)))
    lossless = struct.pack("<HI", 16, 3) + bytes(8) + struct.pack("<H", 0x10) + bytes(2)
    made("wmalossless.wav", "wmalossless", _wav(0x163, 512, lossless))
    made("wmavoice.wav", "wmavoice", _wav(0xA, 372, _bits("wmavoice", 46), 16_000))
    return found


SEEDS = tuple(_seeds())
