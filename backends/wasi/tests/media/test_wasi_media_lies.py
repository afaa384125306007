"""Guests that lie about media, as one might that a file has taken over: each is one error."""

from __future__ import annotations

import json
import math
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whisperctl.errors import AudioError, GuestError, PluginError, UsageError
from whisperctl_wasi import modules
from whisperctl_wasi.host.guest import Program
from whisperctl_wasi.media import protocol
from whisperctl_wasi.modules import MediaModule

Event = dict[str, object]
Says = Callable[..., None]
Decode = Callable[..., Any]

HELLO: Event = {"event": "hello", "protocol": 1, "ffmpeg": "5.1.9"}
TRACK: Event = {
    "codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1, "language": "", "title": "",
    "default": False, "tags": [], "time_base": [1, 16_000], "start": 0, "duration": 4,
}  # fmt: skip
MEDIA: Event = {
    "event": "media", "format": "raw", "start_us": 0, "duration_us": 250, "n_video": 0,
    "tracks": [TRACK],
}  # fmt: skip
END: Event = {"event": "end"}


def frames(**changes: object) -> Event:
    """A block of one frame with four samples, unless changed."""
    block = {"event": "block", "rate": 16_000, "channels": 1, "format": "f32", "frames": [[4, 0]]}
    return block | changes


def samples(*values: float) -> bytes:
    """A payload of samples."""
    return payload(struct.pack(f"<{len(values)}f", *values))


def payload(data: bytes) -> bytes:
    """Raw bytes of a guest."""
    return b"#%d\n%b" % (len(data), data)


@pytest.fixture
def says(talker: Callable[..., Program], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Says:
    """Has the decoder run a program that says these things at once, and one before each read."""
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))
    monkeypatch.setenv("WHISPERCTL_SANDBOX_RUNTIME", "wasmtime")

    def install(*events: Event | bytes, forever: Event | bytes = b"") -> None:
        program = talker(b"".join(_line(event) for event in events), _line(forever))
        module = MediaModule(program.path, program.sha256, "5.1.9")
        monkeypatch.setattr(modules, "media", lambda: module)

    return install


def _line(event: Event | bytes) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n"


def media(**changes: object) -> Event:
    return MEDIA | changes


def track(**changes: object) -> Event:
    return MEDIA | {"tracks": [TRACK | changes]}


def read(**changes: object) -> Event:
    return {"event": "read", "spans": [[0, 4]]} | changes


def test_samples_come_as_they_are_said(says: Says, decode: Decode) -> None:
    values = [0.0, 0.5, -0.5, math.nan, 1.0]
    more = frames(frames=[[-1, None], [1, None]])
    says(HELLO, read(), MEDIA, frames(), samples(*values[:4]), more, samples(1.0), END)

    info, decoded, warnings = decode()

    assert (info.container, info.tracks[0].codec) == ("raw", "pcm_s16le")
    assert decoded[:, 0].tolist() == pytest.approx(values, nan_ok=True)
    assert not warnings


LIES = [
    b"Segmentation fault",
    read(spans=[]),
    read(spans=[[-1, 4]]),
    read(spans=[[1 << 63, 4]]),
    read(spans=[[0, 0]]),
    read(spans=[[0, (1 << 20) + 1]]),
    read(spans=[[0, 1 << 20], [0, 1]]),
    read(spans=[[0, 1]] * 129),
    media(start_us=1 << 63),
    media(duration_us=1e300),
    media(n_video=-1),
    media(format="x" * 2000),
    media(tracks=None),
    track(sample_rate=-1),
    track(sample_rate=1 << 31),
    track(channels=1 << 31),
    track(title="x" * 2000),
    track(tags=[["DURATION", "0"]] * 17),
    track(time_base=[1, 0]),
    track(time_base=[0, 1]),
    track(duration=1 << 63),
    {"event": "error", "kind": "other", "message": ""},
    b'{"event":"error","kind":"invalid","message":"\xff"}',
    frames(rate=0),
    frames(rate=1 << 31),
    frames(channels=0),
    frames(format="s24"),
    frames(channels=1 << 16),
    frames(frames=[[4, 1 << 63]]),
    frames(frames=[[4, 0.5]]),
    frames(frames=[[8, 0], [-4, 0]]),
    frames(frames=[]),
    frames(frames=[[-1, None]] * 5000),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: str(lie)[:60])
def test_what_cannot_be_is_no_event(lie: Event | bytes) -> None:
    with pytest.raises(GuestError, match="broke the protocol"):
        protocol.parse_event(_line(lie))


@pytest.mark.parametrize(
    "lie",
    [
        frames(channels=2),
        frames(format="s16"),
        frames(frames=[[3, 0]]),
        frames(frames=[[5, 0], [-1, 0]]),
        frames(frames=[[4, 0], [-1, 0]]),
        frames(frames=[[4, 0], [0, 0]]),
    ],
    ids=str,
)
def test_samples_are_as_many_as_announced(lie: Event) -> None:
    event = protocol.parse_event(_line(lie))
    assert isinstance(event, protocol.Block)
    with pytest.raises(GuestError, match="broke the protocol"):
        event.decoded(bytearray(16))


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        (END,),
        (payload(b"1234"),),
        (MEDIA, MEDIA),
        (MEDIA, payload(b"1234")),
        (MEDIA, frames(), END),
        (MEDIA, frames(), payload(b"1234")),
        (MEDIA, frames(), b"#16777217\n"),
    ],
    ids=lambda said: str(said)[-60:],
)
def test_a_lie_is_one_error(said: tuple[Event | bytes, ...], says: Says, decode: Decode) -> None:
    says(HELLO, *said)
    with pytest.raises(AudioError, match=r"jfk\.wav. cannot be decoded"):
        decode()


@pytest.mark.parametrize("kind", ["invalid", "unsupported", "memory"])
def test_a_file_that_cannot_be_opened_is_an_error_about_the_file(
    kind: str, says: Says, decode: Decode
) -> None:
    says(HELLO, {"event": "error", "kind": kind, "message": "\x1b[2J"})
    with pytest.raises(AudioError, match=r"jfk\.wav. is|jfk\.wav. takes more memory") as caught:
        decode()
    assert "\x1b" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("forever", [read(), read(spans=[[1 << 40, 4]]), b""], ids=str)
def test_what_has_no_end_is_ended(
    forever: Event | bytes,
    says: Says,
    monkeypatch: pytest.MonkeyPatch,
    decode: Decode,
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", "decoder.idle=1")
    says(HELLO, forever=forever)
    started = time.monotonic()
    with pytest.raises(AudioError, match=r"(did not answer|made no progress) for 1 s"):
        decode()
    assert time.monotonic() - started < 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "data"),
    [(frames(frames=[[-1, None]]), b""), (frames(rate=768_000), bytes(16))],
    ids=["damage", "little"],
)
def test_blocks_of_next_to_nothing_are_no_progress(
    block: Event, data: bytes, says: Says, monkeypatch: pytest.MonkeyPatch, decode: Decode
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", "decoder.idle=1")
    says(HELLO, MEDIA, forever=_line(block) + payload(data))
    with pytest.raises(AudioError, match="made no progress for 1 s"):
        decode()


def test_a_small_file_has_no_sound_without_end(says: Says, decode: Decode, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    says(HELLO, MEDIA, forever=_line(frames(rate=1)) + samples(0, 0, 0, 0))
    with pytest.raises(AudioError, match="more than a file of its size can hold"):
        decode(path)


def test_a_greeting_of_another_version_is_no_sandbox(says: Says, decode: Decode) -> None:
    says(HELLO | {"protocol": 2})
    with pytest.raises(PluginError, match="does not speak version 1"):
        decode()


def test_a_runtime_that_there_is_not_is_named(
    monkeypatch: pytest.MonkeyPatch, decode: Decode
) -> None:
    monkeypatch.setenv("WHISPERCTL_SANDBOX_RUNTIME", "wasmtme")
    with pytest.raises(UsageError, match=r'WHISPERCTL_SANDBOX_RUNTIME: .* mean "wasmtime"'):
        decode()
