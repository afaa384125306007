"""What every conversation with a guest is made of: its greeting, data in pieces, and its events."""

from __future__ import annotations

import math
import time

from whisperctl.errors import GuestError, UsageError
from whisperctl_wasi import protocol
from whisperctl_wasi.guest import Guest

CHUNK_BYTES = 1 << 20
"""How much is sent at a time, so that Ctrl-C gets through between the pieces."""

_POLL_S = 0.1
_HELLO_TIMEOUT_S = 60.0


def hello(guest: Guest) -> protocol.Event:
    """The guest's first event.

    Raises:
        GuestError: it speaks another version of the protocol, or says nothing.
    """
    name = guest.module.path.name
    event = next_event(guest, _HELLO_TIMEOUT_S)
    if event is None:
        raise GuestError(f"{name} did not start within {_HELLO_TIMEOUT_S:.0f} s")
    if event["event"] != "hello" or event.get("protocol") != protocol.VERSION:
        raise GuestError(
            f"{name} does not speak version {protocol.VERSION} of the protocol; install matching "
            "versions of the package and its modules"
        )
    return event


def check_threads(guest: Guest, most: int, threads: int) -> None:
    """Check that the guest, which computes with at most ``most`` threads, can use so many.

    Raises:
        UsageError: it cannot.
    """
    if threads > most:
        raise UsageError(
            f"{guest.module.path.name} computes with at most {most} thread"
            f"{'s' if most > 1 else ''}, not {threads}; use --threads {most}"
        )


def send(guest: Guest, data: memoryview) -> None:
    """Send bytes in pieces.

    Raises:
        GuestError: the guest has ended.
    """
    for start in range(0, len(data), CHUNK_BYTES):
        guest.send(data[start : start + CHUNK_BYTES])


def next_event(guest: Guest, within_s: float) -> protocol.Event | None:
    """The guest's next event, ``None`` if there is none in time.

    Raises:
        GuestError: the guest has ended, or says what is no event.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        # In short waits, so that Ctrl-C gets through between them.
        line = guest.receive(_POLL_S)
        if line is not None:
            return protocol.parse_event(line)
    return None


def answer(guest: Guest, kind: str) -> protocol.Event:
    """The next event of this kind, or of an error, however long it takes.

    Raises:
        GuestError: the guest has ended, or says what is no event.
    """
    while True:
        event = next_event(guest, math.inf)
        if event is not None and event["event"] in (kind, "error"):
            return event
