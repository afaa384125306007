"""The stdio protocol between host and guest; wasm-build/PROTOCOL.md is its description.

``parse_event`` checks what the guest says against the classes below, see
``whisperctl_wasi.host.conversation``.
"""

from __future__ import annotations

import json
from typing import Annotated

from msgspec import Meta, Struct

from whisperctl.engine.toolkit.token_times import RawTimes, TokenTimes
from whisperctl.engine.toolkit.words import text_of
from whisperctl.models.alignment import Alignment
from whisperctl.transcript import Segment, Token
from whisperctl_wasi.host.conversation import Event, Parser, broken

VERSION = 2

CANCEL = b'{"op": "cancel"}\n'
"""The one request whose bytes are fixed: the guest looks for them in the middle of its work."""

_MOST_TEXT = 1 << 16
_MOST_CS = 7 * 24 * 60 * 60 * 100

Name = Annotated[str, Meta(max_length=1000)]
Text = Annotated[str, Meta(max_length=_MOST_TEXT)]
MemoryBytes = Annotated[int, Meta(ge=0, le=1 << 32)]
Centiseconds = Annotated[int, Meta(ge=0, le=_MOST_CS)]
"""A time in hundredths of a second."""
FractionalCentiseconds = Annotated[float, Meta(ge=0, le=_MOST_CS)]
TokenCentiseconds = Annotated[int, Meta(ge=-_MOST_CS, le=_MOST_CS)]
"""A token's time; negative where whisper.cpp has none."""
Probability = Annotated[float, Meta(ge=0, le=1.001)]
"""whisper.cpp's sums of float32 go a little beyond 1."""


class Hello(Event, frozen=True, tag="hello"):
    """The greeting."""

    protocol: Annotated[int, Meta(ge=0, le=1000)]
    max_threads: Annotated[int, Meta(ge=1, le=1024)]
    whisper: Name
    system_info: Text


class Ready(Event, frozen=True, tag="ready"):
    """A model is loaded; the last two fields are of Whisper models."""

    memory_bytes: MemoryBytes
    multilingual: bool = False
    n_vocab: Annotated[int, Meta(ge=0, le=1 << 20)] = 0


class GuestToken(Struct, frozen=True, array_like=True):
    """A token of a segment; the times, if there are any, are in hundredths of a second."""

    id: Annotated[int, Meta(ge=0, le=1 << 20)]
    probability: Probability
    data: Annotated[bytes, Meta(max_length=4096)]
    t0: TokenCentiseconds | None = None
    t1: TokenCentiseconds | None = None
    t_dtw: TokenCentiseconds | None = None


class SegmentEvent(Event, frozen=True, tag="segment"):
    """A segment is decided. Its text is that of its tokens."""

    t0: Centiseconds
    t1: Centiseconds
    no_speech: Probability
    temperature: Annotated[float, Meta(ge=0, le=10)]
    tokens: Annotated[list[GuestToken], Meta(max_length=10_000)]


class ProgressEvent(Event, frozen=True, tag="progress"):
    """Progress of a run."""

    percent: Annotated[int, Meta(ge=0, le=1000)]


class Log(Event, frozen=True, tag="log"):
    """A line of whisper.cpp's log."""

    text: Text


class Result(Event, frozen=True, tag="result"):
    """A run has ended."""

    memory_bytes: MemoryBytes


class Detected(Event, frozen=True, tag="detected"):
    """Spans of speech.

    ``spans`` are starts and ends in hundredths of a second, ``probabilities`` little-endian
    float32, one for every 512 samples.
    """

    spans: Annotated[
        list[tuple[FractionalCentiseconds, FractionalCentiseconds]], Meta(max_length=1 << 20)
    ]
    probabilities: bytes


class Cancelled(Event, frozen=True, tag="cancelled"):
    """A run was stopped."""


class Quantized(Event, frozen=True, tag="quantized"):
    """Blocks of a quantized tensor."""

    data: bytes


class Failed(Event, frozen=True, tag="error"):
    """A request failed; the guest goes on."""

    message: Text


_KINDS = (
    Hello, Ready, SegmentEvent, ProgressEvent, Log, Result, Detected, Cancelled, Quantized, Failed
)  # fmt: skip


parse_event: Parser[Event] = Parser(_KINDS)
"""Reads a line as one of the events above."""


def request(op: str, **fields: object) -> bytes:
    """One request line."""
    return json.dumps({"op": op, **fields}, ensure_ascii=False).encode() + b"\n"


def load_request(n_bytes: int, alignment: Alignment | None = None) -> bytes:
    """Request that announces a Whisper model of this many bytes, with an alignment if given."""
    return request(
        "load",
        bytes=n_bytes,
        flash_attn=alignment is None,  # it keeps nothing of what the heads say
        dtw_aheads_preset=alignment.preset if alignment else "",
        dtw_mem_size=alignment.memory_bytes if alignment else 0,
    )


def segment(event: SegmentEvent, times: TokenTimes | None = None) -> Segment:
    """The segment of a ``segment`` event.

    Args:
        event: the event.
        times: what gives the tokens their times, if they are to have any.

    Raises:
        GuestError: ``times`` is given, and a token has none.
    """
    tokens = tuple(
        Token(id=token.id, data=token.data, probability=min(token.probability, 1.0))
        for token in event.tokens
    )
    found = Segment(
        start_s=event.t0 / 100,
        end_s=event.t1 / 100,
        text=text_of(tokens),
        tokens=tokens,
        no_speech_probability=min(event.no_speech, 1.0),
        temperature=round(event.temperature, 6),
    )
    if times is None:
        return found
    return times.timed(found, [_raw_times(token) for token in event.tokens])


def _raw_times(token: GuestToken) -> RawTimes:
    if token.t0 is None or token.t1 is None or token.t_dtw is None:
        raise broken("a token without its times")
    return RawTimes(token.t0, token.t1, token.t_dtw)
