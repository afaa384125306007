"""The stdio protocol between host and guest; wasm-build/PROTOCOL.md is its description."""

from __future__ import annotations

import base64
import json
from typing import Any

from whisperctl.errors import GuestError
from whisperctl.models.alignment import Alignment
from whisperctl.token_times import RawTimes, TokenTimes
from whisperctl.transcript import Segment, Token
from whisperctl.words import text_of

VERSION = 2

CANCEL = b'{"op": "cancel"}\n'
"""The one request whose bytes are fixed: the guest looks for them in the middle of its work."""

Event = dict[str, Any]
"""One event of the guest; ``event`` names its kind."""


def request(op: str, **fields: object) -> bytes:
    """One request line."""
    return json.dumps({"op": op, **fields}, ensure_ascii=False).encode() + b"\n"


def load_request(n_bytes: int, alignment: Alignment | None = None) -> bytes:
    """What announces a Whisper model of so many bytes, to align with if an alignment is given."""
    return request(
        "load",
        bytes=n_bytes,
        flash_attn=alignment is None,  # it keeps nothing of what the heads say
        dtw_aheads_preset=alignment.preset if alignment else "",
        dtw_mem_size=alignment.memory_bytes if alignment else 0,
    )


def parse_event(line: bytes) -> Event:
    """One event line.

    Raises:
        GuestError: the line is no event: the module speaks another protocol.
    """
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise GuestError(
            f"the program in the sandbox wrote something else than an event: {line!r:.80}"
        )
    return event


def segment(event: Event, times: TokenTimes | None = None) -> Segment:
    """The segment of a ``segment`` event; its times come in hundredths of a second.

    Args:
        event: the event.
        times: what gives the tokens their times, if they are to have any.
    """
    tokens = tuple(
        Token(id=int(id_), data=base64.b64decode(data), probability=float(probability))
        for id_, probability, data, *_ in event["tokens"]
    )
    found = Segment(
        start_s=event["t0"] / 100,
        end_s=event["t1"] / 100,
        text=text_of(tokens),
        tokens=tokens,
        no_speech_probability=float(event["no_speech"]),
        temperature=round(float(event["temperature"]), 6),
    )
    if times is None:
        return found
    return times.timed(found, [RawTimes(*token[3:6]) for token in event["tokens"]])
