"""Files that name others: playlists, scripts, links inside media. No decoder opens any of them.

The kernel is asked whether a file beside them was opened, and a server whether anybody called.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.audio.test_audio_stream import mux
from whisperctl import audio
from whisperctl.audio.decoders import registry
from whisperctl.errors import AudioError, WhisperctlError

_IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Lists, after the block, the files in a folder that this machine opened during it."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    assert handle >= 0
    assert libc.inotify_add_watch(handle, os.fsencode(folder), _IN_OPEN) >= 0
    opened: list[str] = []
    try:
        yield opened
        with suppress(BlockingIOError):
            events = os.read(handle, 1 << 16)
            at = 0
            while at < len(events):
                size = _EVENT.unpack_from(events, at)[3]
                at += _EVENT.size
                opened.append(events[at : at + size].rstrip(b"\0").decode())
                at += size
    finally:
        os.close(handle)


def box(name: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), name) + data


def alias(path: str) -> bytes:
    """A QuickTime file alias: the media is in another file, at this path."""
    name = Path(path).name.encode()
    item = struct.pack(">hH", 2, len(path)) + path.encode() + bytes(len(path) % 2)
    return (
        bytes(10)
        + bytes([4]) + b"disk".ljust(27, b"\0")
        + bytes(12)
        + bytes([len(name)]) + name.ljust(63, b"\0")
        + bytes(16)
        + struct.pack(">hh", 1, 1)
        + bytes(16)
        + item
        + struct.pack(">hH", -1, 0)
    )  # fmt: skip


def with_other_data(mp4: bytes, kind: bytes, reference: bytes) -> bytes:
    """An mp4 whose track has its samples elsewhere, by its data reference box."""
    old = box(b"dref", struct.pack(">II", 0, 1), box(b"url ", struct.pack(">I", 1)))
    new = box(b"dref", struct.pack(">II", 0, 1), box(kind, bytes(4), reference))
    assert mp4.count(old) == 1
    # All that holds the box is as much longer. The index is behind the samples, so that no offset
    # in it changes.
    at = mp4.index(old)
    changed = bytearray(mp4)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = mp4.rindex(name, 0, at) - 4
        (size,) = struct.unpack_from(">I", mp4, place)
        struct.pack_into(">I", changed, place, size + len(new) - len(old))
    return bytes(changed[:at] + new + changed[at + len(old) :])


def with_script(asf: bytes, command: str) -> bytes:
    """A wma whose header has a script with a command to go to a URL."""
    kind, text = "URL".encode("utf-16-le"), command.encode("utf-16-le")
    body = bytes.fromhex("011acb4b622ed011a39b00a0c90348f6") + struct.pack("<HH", 1, 1)
    body += struct.pack("<H", len(kind) // 2) + kind
    body += struct.pack("<IHH", 0, 0, len(text) // 2) + text
    guid = bytes.fromhex("301afb1e620bd011a39b00a0c90348f6")
    script = guid + struct.pack("<Q", 24 + len(body)) + body
    size, n_objects = struct.unpack_from("<QI", asf, 16)
    head = asf[:16] + struct.pack("<QI", size + len(script), n_objects + 1) + asf[28:30]
    return head + script + asf[30:]


def with_picture(mp3: bytes, url: str) -> bytes:
    """An mp3 whose tag has a link in place of a picture, and one to a page."""
    frames = b""
    for name, data in [
        (b"APIC", b"\0-->\0\x03\0" + url.encode()),
        (b"WXXX", b"\0\0" + url.encode()),
    ]:
        frames += name + struct.pack(">IH", len(data), 0) + data
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frames + mp3


def targets(other: Path, port: int) -> list[str]:
    """The same file, a server, and data, by the protocols that FFmpeg has.

    Not http, by which people name recordings too.
    """
    name = str(other)
    return [
        f"rtmp://127.0.0.1:{port}/a",
        f"tcp://127.0.0.1:{port}",
        f"file:{name}",
        f"concat:{name}|{name}",
        f"subfile,,start,0,end,0,,:{name}",
        f"async:{name}",
        f"crypto:{name}",
        f"data:audio/wav;base64,{'A' * 80}",
    ]


def playlists(other: Path, port: int) -> Iterator[tuple[str, str]]:
    url, name = f"http://127.0.0.1:{port}/a.wav", str(other)
    for target in (url, f"file:{name}", name, f"../{other.parent.name}/{other.name}"):
        yield (
            "a.m3u8",
            (
                f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n"
                "#EXT-X-ENDLIST\n"
            ),
        )
        yield "a.ffconcat", f"ffconcat version 1.0\nfile '{target}'\n"
    yield "a.txt", f"concat:{name}|{name}"
    yield (
        "key.m3u8",
        (
            f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\n'
            f"{name}\n#EXT-X-ENDLIST\n"
        ),
    )
    yield "a.pls", f"[playlist]\nFile1={url}\nNumberOfEntries=1\n"
    yield "a.asx", f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>'
    yield "a.ram", f"{url}\n"
    yield (
        "a.mpd",
        (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4">'
            f'<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation>'
            "</AdaptationSet></Period></MPD>"
        ),
    )
    yield (
        "a.sdp",
        (
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
            f"m=audio {port} RTP/AVP 0\n"
        ),
    )
    yield "a.ism", f'<SmoothStreamingMedia><StreamIndex Url="{url}"/></SmoothStreamingMedia>'


def media(folder: Path, other: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """Whole recordings, each of half a second, with a link in them."""
    url = f"http://127.0.0.1:{port}/a.wav"
    sound = np.random.default_rng(1).normal(0, 0.1, (1, 24_000)).astype(np.float32)
    mp4 = mux(folder / "a.mov", sound, codec="pcm_s16le", layout="mono").read_bytes()
    yield "alias.mov", with_other_data(mp4, b"alis", alias(str(other)))
    yield "url.mov", with_other_data(mp4, b"url ", url.encode() + b"\0")
    yield "file.mov", with_other_data(mp4, b"url ", other.as_uri().encode() + b"\0")
    wma = mux(folder / "a.wma", sound, codec="wmav2", layout="mono").read_bytes()
    yield "script.wma", with_script(wma, url)
    mp3 = mux(folder / "a.mp3", sound, codec="libmp3lame", layout="mono").read_bytes()
    yield "link.mp3", with_picture(mp3, url)
    yield "file.mp3", with_picture(mp3, other.as_uri())
    with av.open(str(folder / "a.mkv"), "w") as out:
        track = out.add_stream("pcm_s16le", rate=48_000, layout="mono")
        out.add_attachment("list.m3u8", "application/x-mpegurl", f"#EXTM3U\n{url}\n".encode())
        out.add_attachment(str(other), "text/x-ass", f"[Aegisub]\nAudio File: {url}".encode())
        frame = av.AudioFrame.from_ndarray((sound * 32_767).astype(np.int16), "s16", "mono")
        frame.rate = 48_000
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    yield "attached.mkv", (folder / "a.mkv").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
@pytest.mark.parametrize("decoder", registry.names()[1:])
def test_what_a_file_names_is_not_opened(decoder: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    here = tmp_path / "here"
    for folder in (elsewhere, here):
        folder.mkdir()
    other = elsewhere / "other.wav"
    soundfile.write(other, np.zeros(48_000, np.float32), 48_000)
    with socket.create_server(("127.0.0.1", 0)) as server, watched(elsewhere) as opened:
        server.setblocking(False)
        port = server.getsockname()[1]
        for name, text in playlists(other, port):
            (here / name).write_text(text)
            with pytest.raises(AudioError) as caught:
                audio.load(here / name, decoder=decoder)
            assert "\n" not in str(caught.value)
        for target in targets(other, port):
            with pytest.raises(WhisperctlError, match=r"does not exist|is not supported"):
                audio.load(target, decoder=decoder)
        for name, data in media(tmp_path, other, port):
            (here / name).write_bytes(data)
            with suppress(AudioError):
                audio.load(here / name, decoder=decoder)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert opened == []


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_what_is_opened_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with watched(tmp_path) as opened:
        (tmp_path / "a").open().close()
    assert opened == ["a"]
