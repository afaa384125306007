"""Limits as people write them, and the memory of processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from whisperctl.errors import UsageError
from whisperctl.jobs.job import RecordingLimits, resident_bytes, size_bytes, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2G", 2 << 30),
        ("1.5gb", 3 << 29),
        ("500M", 500 << 20),
        ("500 MiB", 500 << 20),
        ("64k", 64 << 10),
        ("4096", 4096),
    ],
)
def test_a_size_is_read(text: str, expected: int) -> None:
    assert size_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "2X", "-1G", "1,5G", "G", "9" * 400 + "G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size: write one such as 2G or 500M"):
        size_bytes(text)


def test_limits_are_above_zero() -> None:
    for timeout_s, memory_bytes in ((0.0, None), (-1.0, None), (float("nan"), None), (None, 0)):
        with pytest.raises(UsageError, match="above 0"):
            RecordingLimits(timeout_s, memory_bytes)


def test_a_size_is_shown_as_people_write_it() -> None:
    assert [size_text(n) for n in (2 << 30, 500 << 20, 100)] == ["2 GiB", "500 MiB", "100 bytes"]


HOLDS = "x = bytearray(b'1') * 100_000_000; print(len(x), flush=True); input()"


def held_by(code: str) -> tuple[int, int | None]:
    """The number of a process that has ended, and what it held once it had written a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        taken = resident_bytes(process.pid)
        process.communicate(b"\n")
    return process.pid, taken


def test_the_memory_of_a_process_grows_with_what_it_holds() -> None:
    pid, taken = held_by(HOLDS)

    assert taken is not None and 100_000_000 < taken < 200_000_000
    assert resident_bytes(pid) is None
    assert (resident_bytes(os.getpid()) or 0) > 1_000_000


def test_the_memory_of_a_process_is_that_of_its_children_too() -> None:
    """Such as the sandbox's, in which a recording is transcribed."""
    _, taken = held_by(
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {HOLDS!r}])\n"
        "child.wait()"
    )

    assert taken is not None and 100_000_000 < taken < 300_000_000
