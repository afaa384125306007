"""Starting the guest of a recording while the host is busy with something else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from whisperctl_wasi import modules, runtimes
from whisperctl_wasi.host.limits import limits_for

if TYPE_CHECKING:
    from whisperctl_wasi.host.guest import Guest

_MEMORY_BYTES = 512 << 20
_LINE_BYTES = 16 << 20
_IDLE_S = 60.0
_POLL_S = 0.1


class Starting:
    """A guest that starts in the background, until it is taken or killed.

    ``memory_bytes`` is its limit of linear memory, once ``guest`` has returned or raised.
    """

    def __init__(self) -> None:
        self.memory_bytes = _MEMORY_BYTES
        self._guest: Guest | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._start, name="whisperctl-start", daemon=True)
        self._thread.start()

    def guest(self) -> Guest:
        """The guest, once it runs; the caller kills it.

        Raises:
            BackendError: it cannot be started.
            UsageError: the environment chooses a runtime, or sets a limit, that there is not.
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
        try:
            limits = limits_for(
                "decoder",
                memory_bytes=_MEMORY_BYTES,
                line_bytes=_LINE_BYTES,
                threads=0,
                idle_s=_IDLE_S,
            )
            order = runtimes.decoder_order()
            self.memory_bytes = limits.memory_bytes
            self._guest = runtimes.start(None, modules.media(), limits, order=order)
        except BaseException as error:
            self._error = error  # raised where the guest is taken
