"""A guest's output: how it is cut into lines and payloads, and how much of it is kept."""

from __future__ import annotations

import os
import random
import select
from collections.abc import Iterator
from dataclasses import replace

import pytest

from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.host.output import FloodError, Output, Payload

LIMITS = replace(Limits(), line_bytes=1000, output_bytes=10_000)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def written(output: Output, pipe: tuple[int, int], *pieces: bytes) -> None:
    for piece in pieces:
        os.write(pipe[1], piece)
        while select.select([pipe[0]], [], [], 0)[0]:
            assert output.read(pipe[0])


def taken(output: Output) -> list[bytes | Payload]:
    parts = []
    while (part := output.take(0)) is not None:
        parts.append(part)
    return parts


@pytest.mark.parametrize("seed", range(20))
def test_output_is_cut_alike_however_it_arrives(seed: int, pipe: tuple[int, int]) -> None:
    chance = random.Random(seed)
    payload = bytearray(chance.choice(b"#1\n") for _ in range(500))
    said = b"one\n\n#500\n" + payload + b"#0\n#3\n###two\n"
    pieces = []
    while said:
        n_bytes = chance.choice([1, 2, 7, 100, 400])
        pieces.append(said[:n_bytes])
        said = said[n_bytes:]
    output = Output(LIMITS)
    written(output, pipe, *pieces)
    assert taken(output) == [
        b"one", b"", Payload(payload), Payload(bytearray()), Payload(bytearray(b"###")), b"two"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"#1001\n", "it sent more than .* at once"),
        (b"#99999999999999999999\n", "it announced bytes, but not how many"),
        (b"#-1\n", "it announced bytes, but not how many"),
        (b"#\n", "it announced bytes, but not how many"),
        (b"#1e3\n", "it announced bytes, but not how many"),
        (b"x" * 1001, "it wrote a line of more than"),
        (b"x\n" * 1000, "it wrote more than .* of output"),
        ((b"#1000\n" + bytes(1000)) * 10, "it wrote more than .* of output"),
    ],
)
def test_what_is_too_much_is_an_error(said: bytes, reason: str, pipe: tuple[int, int]) -> None:
    output = Output(LIMITS)
    with pytest.raises(FloodError, match=reason):
        written(output, pipe, said)


def test_output_that_nobody_takes_counts_in_the_next_request_too(pipe: tuple[int, int]) -> None:
    """Or a guest that says a little too much each time would fill the memory of the host."""
    output = Output(LIMITS)
    payload = b"#900\n" + bytes(900)
    for _ in range(100):
        output.begin()
        written(output, pipe, payload)
        assert output.take(0) is not None
    for _ in range(9):
        output.begin()
        written(output, pipe, payload)
    output.begin()
    with pytest.raises(FloodError, match="of output"):
        written(output, pipe, payload, payload)


def test_the_end_comes_after_all_that_was_written(pipe: tuple[int, int]) -> None:
    output = Output(LIMITS)
    written(output, pipe, b"a\n")
    output.close()
    assert output.take(0) == b"a"
    for _ in range(2):
        with pytest.raises(EOFError):
            output.take(0)
