"""Conversation with a guest whose events are lines of JSON: requests, events and their waits.

Guests are not trusted. A ``Parser`` is the one place where what they say is checked, against the
classes that it is given: names, types, ranges and sizes. Numbers are finite (JSON has no others),
text is UTF-8. Unknown kinds and fields are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from whisperctl.errors import GuestError
from whisperctl_wasi.host.guest import Guest
from whisperctl_wasi.host.output import Payload

_POLL_S = 0.1
_GREETING_S = 60.0


class Event(Struct, frozen=True, tag_field="event"):
    """One event of a guest."""


E = TypeVar("E", bound=Event)


class _Kind(Struct, frozen=True):
    event: Annotated[str, Meta(max_length=100)]


_KIND = msgspec.json.Decoder(_Kind)


class Parser(Generic[E]):
    """Reads lines as events.

    Args:
        kinds: the classes of the events, each with a tag of its own.
    """

    def __init__(self, kinds: Sequence[type[E]]) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[E]] = {
            str(kind.__struct_config__.tag): msgspec.json.Decoder(kind) for kind in kinds
        }

    def __call__(self, line: bytes) -> E | None:
        """One event; ``None`` if it is of a kind that this host does not know.

        Raises:
            GuestError: the line is not an event, or one whose fields are not as they must be.
        """
        try:
            decoder = self._decoders.get(_KIND.decode(line).event)
            return None if decoder is None else decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise broken(f"{error} in {line!r:.80}") from error


def broken(what: str) -> GuestError:
    """The error for a guest that says what cannot be, with ``what`` it was."""
    return GuestError(f"the program in the sandbox broke the protocol: {what}")


def greeting(
    guest: Guest, parse: Callable[[bytes], Event | None], kind: type[E], version: int
) -> E:
    """The guest's first event.

    Args:
        guest: whose event.
        parse: reads a line, such as a ``Parser``.
        kind: the class of the greeting, which has a field ``protocol``.
        version: of the protocol that the host speaks.

    Raises:
        GuestError: the guest speaks another version, or says nothing.
    """
    name = guest.program.path.name
    event = next_event(guest, parse, _GREETING_S)
    if event is None:
        raise GuestError(f"{name} did not start within {_GREETING_S:.0f} s")
    if not isinstance(event, kind) or getattr(event, "protocol", None) != version:
        raise GuestError(
            f"{name} does not speak version {version} of the protocol; install matching "
            "versions of the package and its modules"
        )
    return event


def ask(guest: Guest, request: bytes) -> None:
    """Send a request line, from which on the guest may write as much as one request's answer.

    Raises:
        GuestError: the guest has ended.
    """
    guest.begin()
    guest.send(request)


def next_event(
    guest: Guest, parse: Callable[[bytes], E | None], within_s: float, *, patient: bool = False
) -> E | None:
    """The guest's next event of a kind that is known, ``None`` if there is none in time.

    Args:
        guest: whose event.
        parse: reads a line, such as a ``Parser``.
        within_s: how long to wait, in seconds.
        patient: see ``Guest.receive``.

    Raises:
        GuestError: the guest has ended, or what it says is not an event.
    """
    deadline = time.monotonic() + within_s
    while (part := _next_part(guest, deadline, patient=patient)) is not None:
        if isinstance(part, Payload):
            raise broken(f"{len(part.data)} bytes where an event was due")
        event = parse(part)
        if event is not None:
            return event
    return None


def next_payload(guest: Guest, within_s: float) -> bytearray | None:
    """The guest's next payload, ``None`` if it has not come in time.

    Args:
        guest: whose payload.
        within_s: how long to wait, in seconds.

    Raises:
        GuestError: the guest has ended, or says something else.
    """
    part = _next_part(guest, time.monotonic() + within_s)
    if isinstance(part, bytes):
        raise broken(f"a line where bytes were due: {part!r:.80}")
    return None if part is None else part.data


def _next_part(guest: Guest, deadline: float, *, patient: bool = False) -> bytes | Payload | None:
    while (left_s := deadline - time.monotonic()) > 0:
        # In short waits, so that Ctrl-C gets through between them.
        part = guest.receive(min(_POLL_S, left_s), patient=patient)
        if part is not None:
            return part
    return None
