"""Parts of every conversation with Whisper's guest: its greeting and its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from whisperctl.errors import UsageError
from whisperctl_wasi import protocol
from whisperctl_wasi.host import conversation
from whisperctl_wasi.host.conversation import Event
from whisperctl_wasi.host.guest import Guest
from whisperctl_wasi.protocol import Failed, Hello

_POLL_S = 0.1

E = TypeVar("E", bound=Event)


def hello(guest: Guest) -> Hello:
    """The guest's first event; see ``whisperctl_wasi.host.conversation.greeting``."""
    return conversation.greeting(guest, protocol.parse_event, Hello, protocol.VERSION)


def check_threads(guest: Guest, most: int, threads: int) -> None:
    """Check that the guest, which computes with at most ``most`` threads, can use so many.

    Raises:
        UsageError: it cannot.
    """
    if threads > most:
        raise UsageError(
            f"{guest.program.path.name} computes with at most {most} thread"
            f"{'s' if most > 1 else ''}, not {threads}; use --threads {most}"
        )


def next_event(guest: Guest, within_s: float, *, patient: bool = False) -> Event | None:
    """The guest's next event; see ``whisperctl_wasi.host.conversation.next_event``."""
    return conversation.next_event(guest, protocol.parse_event, within_s, patient=patient)


def answer(guest: Guest, kind: type[E], check: Callable[[], None]) -> E | Failed:
    """The next event of this kind, or of a failure.

    Args:
        guest: whose event.
        kind: what to wait for.
        check: called between short waits; what it raises ends them.

    Raises:
        GuestError: the guest has ended, says nothing for too long, or says what is not an event.
    """
    while True:
        check()
        event = next_event(guest, _POLL_S)
        if isinstance(event, (kind, Failed)):
            return event
