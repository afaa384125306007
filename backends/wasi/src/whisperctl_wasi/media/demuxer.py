"""A recording in the sandbox: one guest, which asks for bytes of it and answers with samples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from whisperctl.audio.decoders.recording import Frames, Recording, unreadable
from whisperctl.errors import (
    AudioError,
    BackendError,
    DecoderStoppedError,
    GuestError,
    PluginError,
    UnsupportedMediaError,
)
from whisperctl_wasi.host import conversation
from whisperctl_wasi.host.conversation import ask, broken
from whisperctl_wasi.host.limits import VARIABLE
from whisperctl_wasi.media import protocol
from whisperctl_wasi.media.protocol import Block, End, Event, Failed, Hello, Media, Read
from whisperctl_wasi.media.starting import Starting

if TYPE_CHECKING:
    from whisperctl.audio.decoders.containers import ContainerFacts
    from whisperctl.audio.source import Source
    from whisperctl_wasi.host.guest import Guest

_POLL_S = 1.0

_PROGRESS_BYTES = 1 << 20
"""Reading this much further into a file is progress, even if nothing is decoded meanwhile."""

_PROGRESS_S = 1.0
"""So is decoding this much audio; a block of nothing but damage is none."""

_AMPLE_BYTES = 64 << 20
"""Memory with which a guest starts for certain."""

_MOST_S = 600.0
_MOST_S_PER_BYTE = 10.0
"""No file holds more audio: silence takes Monkey's Audio some bytes for the longest frames."""


class SandboxMedia(Recording):
    """See ``whisperctl.audio.decoders.Media``; closed, it leaves no process behind."""

    def __init__(self, source: Source, sandbox: _Sandbox) -> None:
        self._sandbox = sandbox
        super().__init__(source, sandbox.open)

    @classmethod
    def open(cls, source: Source, starting: Starting) -> Self:
        """Open a recording in a new sandbox.

        Args:
            source: the file, which the caller closes.
            starting: the guest, which ends with what is returned, or with the error.

        Raises:
            AudioError: the recording is damaged, or of a kind that is not read.
            PluginError: no sandbox can be started.
            UsageError: the environment chooses a runtime, or sets a limit, that there is not.
        """
        sandbox = _Sandbox(starting)
        try:
            return cls(source, sandbox)
        except BaseException:
            sandbox.close()
            raise

    def close(self) -> None:
        """Kill the guest; the source stays open."""
        super().close()
        self._sandbox.close()


class _Sandbox:
    """The guest of one recording, for all parts that are joined in it."""

    def __init__(self, starting: Starting) -> None:
        self._starting: Starting | None = starting
        self._guest: Guest | None = None

    def open(self, source: Source, place: tuple[int, int] | None) -> SandboxDemuxer:
        """Open the recording, or a part of it; see ``OpenDemuxer``.

        A part that was closed before its end takes its guest with it, and the next part starts
        another.
        """
        if self._guest is None:
            starting, self._starting = self._starting or Starting(), None
            self._guest = _greeted(starting)
        return SandboxDemuxer(self, self._guest, source, place or (0, source.size_bytes))

    def close(self) -> None:
        """Kill the guest, if there is one."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.kill()
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.kill()


class SandboxDemuxer:
    """See ``whisperctl.audio.decoders.recording.Demuxer``."""

    facts: ContainerFacts

    def __init__(
        self, sandbox: _Sandbox, guest: Guest, source: Source, place: tuple[int, int]
    ) -> None:
        self._sandbox = sandbox
        self._guest = guest
        self._source = source
        self._start, self._end = place
        self._furthest = 0
        self._asked = False
        self._stalled_s = 0.0
        try:
            self.facts = self._open()
        except BaseException:
            self.close()
            raise

    def frames(self, track: int) -> Iterator[Frames]:
        """Decode one track; see ``whisperctl.audio.decoders.recording.Demuxer.frames``."""
        most_s = _MOST_S + _MOST_S_PER_BYTE * (self._end - self._start)
        total_s = progress_s = 0.0
        self._ask(protocol.decode_request(track) + protocol.NEXT)
        while (decoded := self._next()) is not None:
            total_s += len(decoded.samples) / decoded.rate
            if total_s >= progress_s + _PROGRESS_S:
                progress_s = total_s
                self._stalled_s = 0.0
            if total_s > most_s:
                raise AudioError(
                    f"{self._source.label} is damaged: it goes on after {total_s:.0f} s, more than "
                    "a file of its size can hold"
                )
            yield decoded

    def close(self) -> None:
        """Leave the guest as it is if it waits for a request, and kill it otherwise."""
        if self._asked:
            self._asked = False
            self._sandbox.close()

    def _open(self) -> ContainerFacts:
        self._ask(protocol.open_request(self._end - self._start))
        label = self._source.label
        with self._translated():
            event = self._answer()
            if not isinstance(event, Media | Failed):
                raise broken(f"{type(event).__name__} where a file was to be opened")
        self._asked = False
        if isinstance(event, Media):
            return event.facts()
        if event.kind == "memory":
            raise AudioError(
                f"{label} takes more memory than the sandbox gives: raise decoder.memory in "
                f"{VARIABLE}, or copy or record it again"
            )
        unknown = UnsupportedMediaError(f"{label} is not a recording that the sandbox decodes")
        # FFmpeg would read the second, but the module does not.
        if event.kind == "unsupported" or self._source.peek(7) == b"NIST_1A":
            raise unknown
        raise unreadable(self._source, unknown)

    def _next(self) -> Frames | None:
        with self._translated():
            event = self._answer()
            if not isinstance(event, Block | End):
                raise broken(f"{type(event).__name__} where a block was due")
            if isinstance(event, End):
                self._asked = False
                return None
            # The guest finds the next request behind the samples that it writes now: it never waits
            # for the host, which works on this block while the guest does on the next one.
            self._ask(protocol.NEXT)
            return event.decoded(self._payload())

    def _ask(self, request: bytes) -> None:
        self._asked = True
        with self._translated():
            ask(self._guest, request)

    def _answer(self) -> Event:
        """The next event that is no request for bytes; those are served."""
        while True:
            started = time.monotonic()
            event = conversation.next_event(self._guest, protocol.parse_event, _POLL_S)
            self._count(time.monotonic() - started)
            if isinstance(event, Read):
                self._serve(event)
            elif event is not None:
                return event

    def _count(self, elapsed_s: float) -> None:
        """Count time without progress.

        Raises:
            GuestError: it is too much, whatever the guest says meanwhile.
        """
        # A host that was stopped meanwhile has not waited.
        self._stalled_s += min(elapsed_s, 2 * _POLL_S)
        most_s = self._guest.limits.idle_s
        if self._stalled_s > most_s:
            raise GuestError(f"the program in the sandbox made no progress for {most_s:g} s")

    def _payload(self) -> bytearray:
        while True:
            payload = conversation.next_payload(self._guest, _POLL_S)
            if payload is not None:
                return payload

    def _serve(self, wanted: Read) -> None:
        parts = [b""]
        for offset, n_wanted in wanted.spans:
            n_bytes = max(0, min(n_wanted, self._end - self._start - offset))
            part = self._source.peek(n_bytes, self._start + offset) if n_bytes else b""
            parts.append(part)
            if offset + len(part) >= self._furthest + _PROGRESS_BYTES:
                self._furthest = offset + len(part)
                self._stalled_s = 0.0
                self._guest.begin()
            if len(part) < n_wanted:
                break
        parts[0] = sum(map(len, parts)).to_bytes(4, "little")
        self._guest.send(b"".join(parts))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Blame the recording for what becomes of the guest that reads it.

        Raises:
            DecoderStoppedError: the guest ended, or says what cannot be.
        """
        try:
            yield
        except GuestError as error:
            raise DecoderStoppedError(
                f"{self._source.label} cannot be decoded ({error}): copy or record it again"
            ) from error


def _greeted(starting: Starting) -> Guest:
    """A guest that has greeted.

    Raises:
        PluginError: it cannot be started.
        UsageError: the environment chooses a runtime, or sets a limit, that there is not.
    """
    try:
        guest = starting.guest()
        try:
            conversation.greeting(guest, protocol.parse_event, Hello, protocol.VERSION)
        except BaseException:
            guest.kill()
            raise
    except BackendError as error:
        fix = (
            "raise decoder.memory in WHISPERCTL_WASI_LIMITS"
            if starting.memory_bytes < _AMPLE_BYTES
            else "check the installation of whisperctl-wasi"
        )
        raise PluginError(f"the decoder sandbox cannot start ({error}): {fix}") from error
    return guest
