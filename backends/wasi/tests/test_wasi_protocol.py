"""The host's half of the protocol: what it writes and how it reads events."""

from __future__ import annotations

import base64
import json
import random

import numpy as np
import pytest

from whisperctl.engine.toolkit.token_times import TokenTimes
from whisperctl.errors import GuestError
from whisperctl_wasi import protocol
from whisperctl_wasi.host.conversation import Event


def test_a_request_is_one_line_of_json() -> None:
    line = protocol.request("transcribe", initial_prompt="two\nlines, größer")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"op": "transcribe", "initial_prompt": "two\nlines, größer"}


HELLO = {
    "event": "hello", "protocol": 2, "variant": "x", "max_threads": 4, "whisper": "1.8.5",
    "system_info": "WASM_SIMD = 1",
}  # fmt: skip
TOKEN = [7, 0.5, base64.b64encode(b"words").decode()]
SEGMENT = {
    "event": "segment", "t0": 12, "t1": 150, "no_speech": 0.125, "temperature": 0.2,
    "text": "words", "tokens": [TOKEN],
}  # fmt: skip
DETECTED = {"event": "detected", "spans": [[0, 10]], "probabilities": "", "memory_bytes": 1}
GOOD: list[dict[str, object]] = [
    HELLO,
    {"event": "ready", "memory_bytes": 1, "multilingual": True, "n_vocab": 51865, "ftype": 1},
    {"event": "ready", "memory_bytes": 1},
    SEGMENT,
    {"event": "progress", "percent": 50},
    {"event": "log", "level": "info", "text": "whisper"},
    {"event": "result", "segments": 1, "language": "en", "memory_bytes": 1},
    DETECTED,
    {"event": "cancelled"},
    {"event": "quantized", "data": "AAAA"},
    {"event": "error", "message": "failed"},
]
DEEP = b"[" * 100_000


def line_of(event: dict[str, object], **changes: object) -> bytes:
    return json.dumps(event | changes).encode()


@pytest.mark.parametrize("event", GOOD, ids=lambda event: str(event["event"]))
def test_every_kind_of_event_is_read(event: dict[str, object]) -> None:
    assert isinstance(protocol.parse_event(line_of(event)), Event)


@pytest.mark.parametrize("event", GOOD, ids=lambda event: str(event["event"]))
def test_fields_that_are_not_known_are_passed_over(event: dict[str, object]) -> None:
    assert protocol.parse_event(line_of(event, more={"of": [1, None]})) is not None


def test_kinds_that_are_not_known_are_passed_over() -> None:
    assert protocol.parse_event(b'{"event": "dance", "tempo": 120}') is None


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"hello", b"[1]", b"null", b'{"kind": "x"}', b'{"event": 1}', b"\xff", DEEP),
        *(b'{"event": "log", "text": "\xff"}', b'{"event": "log", "text": "\\ud800"}'),
        b'{"event": "log", "text": ' + DEEP,
        b'{"event": "log", "text": "x", "more": ' + DEEP + b"]" * 100_000 + b"}",
        b'{"event": "progress", "percent": 1' + b"0" * 10_000 + b"}",
        *(b'{"event": "progress", "percent": %s}' % n for n in (b"NaN", b"Infinity", b"-1")),
        *(b'{"event": "progress", "percent": %s}' % n for n in (b"1e400", b"true", b"null")),
        *(b'{"event": "progress", "percent": %s}' % n for n in (b'"1"', b"1.5", b"[1]")),
        line_of(HELLO, max_threads=10**30),
        line_of(HELLO, max_threads=0),
        line_of(HELLO, system_info="x" * 100_000),
        line_of(HELLO, system_info=["x"]),
        line_of({"event": "ready"}),
        line_of({"event": "ready"}, memory_bytes=2**40),
        line_of({"event": "ready"}, memory_bytes=-1),
        line_of(SEGMENT, t0=-1),
        line_of(SEGMENT, t1=10**18),
        line_of(SEGMENT, t0=0.5),
        line_of(SEGMENT, no_speech=1.5),
        line_of(SEGMENT, no_speech=None),
        line_of(SEGMENT, temperature="0"),
        line_of(SEGMENT, tokens=None),
        line_of(SEGMENT, tokens=[[7, 0.5]]),
        line_of(SEGMENT, tokens=[[7, 0.5, "not base64!"]]),
        line_of(SEGMENT, tokens=[[-1, 0.5, ""]]),
        line_of(SEGMENT, tokens=[[7, None, ""]]),
        line_of(SEGMENT, tokens=[[7, 0.5, "A" * 100_000]]),
        line_of(SEGMENT, tokens=[TOKEN] * 20_000),
        line_of(SEGMENT, tokens={"0": TOKEN}),
        line_of(DETECTED, spans=[[0]]),
        line_of(DETECTED, spans=[[-5, 3]]),
        line_of(DETECTED, probabilities=[0.5]),
        line_of({"event": "quantized"}, data=7),
        line_of({"event": "error"}),
    ],
    ids=lambda line: line[:40].decode("ascii", "replace"),
)
def test_a_line_that_breaks_the_protocol_is_one_error(line: bytes) -> None:
    with pytest.raises(GuestError, match="broke the protocol") as caught:
        protocol.parse_event(line)
    assert len(str(caught.value)) < 1000


def test_mutants_of_events_never_fail_otherwise() -> None:
    chance = random.Random(10)
    lines = [line_of(event) for event in GOOD]
    parts = [b"", b"[", b"{", b'"', b"-", b"9" * 40, b"\xff", b"null", b"\\u0000", b"1e999", b","]
    refused = 0
    for _ in range(5000):
        mutant = bytearray(chance.choice(lines))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(mutant))
            mutant[at : at + chance.randrange(3)] = chance.choice(parts)
        try:
            event = protocol.parse_event(bytes(mutant))
        except GuestError:
            refused += 1
            continue
        if isinstance(event, protocol.SegmentEvent):
            protocol.segment(event)
    assert refused > 3000


def test_a_character_split_over_two_tokens_is_whole_in_the_text() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    event = protocol.parse_event(
        line_of(
            SEGMENT,
            tokens=[
                [7, 0.5, base64.b64encode(first).decode()],
                [8, 0.25, base64.b64encode(second).decode()],
            ],
        )
    )
    assert isinstance(event, protocol.SegmentEvent)
    segment = protocol.segment(event)
    assert segment.text == "é"
    assert (segment.start_s, segment.end_s) == (0.12, 1.5)
    assert (segment.no_speech_probability, segment.temperature) == (0.125, 0.2)
    assert [token.data for token in segment.tokens] == [first, second]
    assert [token.probability for token in segment.tokens] == [0.5, 0.25]


def test_times_that_are_needed_and_missing_break_the_protocol() -> None:
    event = protocol.parse_event(line_of(SEGMENT))
    assert isinstance(event, protocol.SegmentEvent)
    times = TokenTimes(np.zeros(16_000, np.float32), aligned=False)
    with pytest.raises(GuestError, match="a token without its times"):
        protocol.segment(event, times)
