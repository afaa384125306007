"""The host's half of the protocol: what it writes and how it reads events."""

from __future__ import annotations

import base64
import json

import pytest

from whisperctl.errors import GuestError
from whisperctl_wasi import protocol


def test_a_request_is_one_line_of_json() -> None:
    line = protocol.request("transcribe", initial_prompt="two\nlines, größer")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"op": "transcribe", "initial_prompt": "two\nlines, größer"}


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[1]", b'{"kind": "x"}', b'{"event": 1}', b"\xff"]
)
def test_a_line_that_is_no_event_is_an_error(line: bytes) -> None:
    with pytest.raises(GuestError, match="something else than an event"):
        protocol.parse_event(line)


def test_a_character_split_over_two_tokens_is_whole_in_the_text() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    event: protocol.Event = {
        "event": "segment",
        "t0": 12,
        "t1": 150,
        "no_speech": 0.125,
        "temperature": 0.2,
        "tokens": [
            [7, 0.5, base64.b64encode(first).decode()],
            [8, 0.25, base64.b64encode(second).decode()],
        ],
    }
    segment = protocol.segment(event)
    assert segment.text == "é"
    assert (segment.start_s, segment.end_s) == (0.12, 1.5)
    assert (segment.no_speech_probability, segment.temperature) == (0.125, 0.2)
    assert [token.data for token in segment.tokens] == [first, second]
    assert [token.probability for token in segment.tokens] == [0.5, 0.25]
