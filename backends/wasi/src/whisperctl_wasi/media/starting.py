"""Starting the guest of a recording while the host is busy with something else."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from whisperctl.errors import GuestError, UsageError
from whisperctl.text import unknown
from whisperctl_wasi.host.process import DISTRIBUTIONS, Process

if TYPE_CHECKING:
    from whisperctl_wasi.host.guest import Guest

DECODER_VARIABLE = "WHISPERCTL_SANDBOX_RUNTIME"
"""Environment variable with the runtime that the sandbox decoder is to use."""

_DECODER_ORDER = ("wasmtime", "wasmer")
"""Wasmtime starts in half the time, and reading a recording takes little more than that."""

_MEMORY_BYTES = 512 << 20
_LINE_BYTES = 16 << 20
_IDLE_S = 60.0
_POLL_S = 0.1


def decoder_order() -> Sequence[str]:
    """Runtimes of the sandbox decoder, the preferred one first.

    Raises:
        UsageError: ``DECODER_VARIABLE`` names another.
    """
    wanted = os.environ.get(DECODER_VARIABLE)
    if not wanted:
        return _DECODER_ORDER
    if wanted not in DISTRIBUTIONS:
        raise UsageError(
            f"environment variable {DECODER_VARIABLE}: {unknown('runtime', wanted, DISTRIBUTIONS)}"
        )
    return (wanted,)


class Starting:
    """A guest that starts in the background, until it is taken or killed.

    Its process starts at once, and loads the runtime while this one imports what gives it its
    order. ``memory_bytes`` is its limit of linear memory, once ``guest`` has returned or raised.

    Raises:
        UsageError: the environment chooses a runtime that there is not.
    """

    def __init__(self) -> None:
        self.memory_bytes = _MEMORY_BYTES
        self._guest: Guest | None = None
        self._error: BaseException | None = None
        self._order = decoder_order()
        self._process: Process | None = None
        try:
            self._process = Process(self._order[0])
        except GuestError as error:
            self._error = error
        self._thread = threading.Thread(target=self._start, name="whisperctl-start", daemon=True)
        self._thread.start()

    def guest(self) -> Guest:
        """The guest, once it runs; the caller kills it.

        Raises:
            BackendError: it cannot be started.
            UsageError: the environment sets a limit that there is not.
        """
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise
        if self._error is not None:
            raise self._error
        assert self._guest is not None
        return self._guest

    def kill(self) -> None:
        """Stop the guest that nobody took."""
        self._wait()
        if self._guest is not None:
            self._guest.kill()

    def _wait(self) -> None:
        while self._thread.is_alive():
            self._thread.join(_POLL_S)  # in short waits, so that Ctrl-C gets through

    def _start(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            try:
                from whisperctl_wasi import modules, runtimes
                from whisperctl_wasi.host.limits import limits_for

                limits = limits_for(
                    "decoder",
                    memory_bytes=_MEMORY_BYTES,
                    line_bytes=_LINE_BYTES,
                    threads=0,
                    idle_s=_IDLE_S,
                )
                self.memory_bytes = limits.memory_bytes
                module = modules.media()
            except BaseException:
                process.kill()
                raise
            self._guest = runtimes.start(None, module, limits, order=self._order, process=process)
        except BaseException as error:
            self._error = error  # raised where the guest is taken
