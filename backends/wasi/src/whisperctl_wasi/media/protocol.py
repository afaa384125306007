"""Events of the guest that reads media; wasm-build/PROTOCOL.md is their description.

The guest is not trusted: a media file may have taken it over. This is the one place where what it
says is checked: numbers are in range, text is bounded, and samples are as many as announced.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from whisperctl.audio.decoders.containers import ContainerFacts, TrackFacts
from whisperctl.audio.decoders.recording import Frames
from whisperctl_wasi.host import conversation
from whisperctl_wasi.host.conversation import Parser, broken

VERSION = 1

MOST_READ_BYTES = 1 << 20
"""Bytes of the file in one answer."""

NEXT = b"next\n"

_INT64 = 1 << 63

Text = Annotated[str, Meta(max_length=1100)]
Time = Annotated[int, Meta(ge=-_INT64, le=_INT64 - 1)]
Positive = Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]
NotNegative = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]


class Event(conversation.Event, frozen=True):
    """One event of the guest."""


class Hello(Event, frozen=True, tag="hello"):
    """The greeting."""

    protocol: Annotated[int, Meta(ge=0, le=1000)]
    ffmpeg: Text


class Read(Event, frozen=True, tag="read"):
    """A request for bytes of the file: offsets and lengths."""

    spans: Annotated[
        list[
            tuple[
                Annotated[int, Meta(ge=0, le=_INT64 - 1)],
                Annotated[int, Meta(ge=1, le=MOST_READ_BYTES)],
            ]
        ],
        Meta(min_length=1, max_length=128),
    ]

    def __post_init__(self) -> None:
        if sum(n for _, n in self.spans) > MOST_READ_BYTES:
            raise ValueError("spans of more bytes than one answer has")


class Track(msgspec.Struct, frozen=True):
    """An audio track; times are in units of ``time_base``, a fraction of a second."""

    codec: Text
    sample_rate: NotNegative
    channels: NotNegative
    language: Text
    title: Text
    default: bool
    tags: Annotated[list[tuple[Text, Text]], Meta(max_length=16)]
    time_base: tuple[Positive, Positive] | None
    start: Time | None
    duration: Time | None

    def facts(self) -> TrackFacts:
        """The same as the decoder knows it."""
        fields = msgspec.structs.asdict(self)
        return TrackFacts(**fields | {"tags": dict(self.tags)})


class Media(Event, frozen=True, tag="media"):
    """A file was opened; times are in microseconds."""

    format: Text
    start_us: Time | None
    duration_us: Time | None
    n_video: Annotated[int, Meta(ge=0, le=10_000)]
    tracks: Annotated[list[Track], Meta(max_length=10_000)]

    def facts(self) -> ContainerFacts:
        """The same as the decoder knows it."""
        fields = msgspec.structs.asdict(self)
        return ContainerFacts(**fields | {"tracks": tuple(track.facts() for track in self.tracks)})


class Failed(Event, frozen=True, tag="error"):
    """A file could not be opened."""

    kind: Literal["invalid", "unsupported", "memory"]
    message: Text


class Block(Event, frozen=True, tag="block"):
    """Frames of a track; a payload with their samples follows.

    ``frames`` are numbers of samples and timestamps. (-1, ``None``) is a packet that could not be
    decoded. ``format`` is that of the samples: little-endian int16 or float32.
    """

    rate: Positive
    channels: Annotated[int, Meta(ge=1, le=1024)]
    format: Literal["s16", "f32"]
    frames: Annotated[
        list[tuple[Annotated[int, Meta(ge=-1, le=1 << 22)], Time | None]],
        Meta(min_length=1, max_length=4096),
    ]

    def decoded(self, payload: bytearray) -> Frames:
        """The frames with their samples as float32.

        Raises:
            GuestError: they are not as many as announced.
        """
        n_samples = sum(n for n, _ in self.frames if n > 0)
        if not all(n > 0 or (n < 0 and pts is None) for n, pts in self.frames):
            raise broken("a frame without samples")
        stored = np.dtype("<i2" if self.format == "s16" else "<f4")
        if len(payload) != stored.itemsize * n_samples * self.channels:
            raise broken(
                f"{len(payload)} bytes for {n_samples} samples of {self.channels} channels"
            )
        samples = np.frombuffer(payload, stored).astype(np.float32, copy=False)
        if self.format == "s16":
            samples *= np.float32(2.0**-15)
        return Frames(self.rate, samples.reshape(n_samples, self.channels), self.frames)


class End(Event, frozen=True, tag="end"):
    """The track has ended."""


parse_event: Parser[Event] = Parser((Hello, Read, Media, Failed, Block, End))
"""Reads one line."""


def open_request(n_bytes: int) -> bytes:
    """Request to open a file of this many bytes."""
    return b"open %d\n" % n_bytes


def decode_request(track: int) -> bytes:
    """Request to decode a track, counted from 1; it has no answer."""
    return b"decode %d\n" % track
