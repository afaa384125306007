"""Base class of sessions, detectors and quantizers: open, busy, closed."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from whisperctl.engine.protocol import Closing
from whisperctl.errors import BackendError


class Handle(Closing):
    """An engine that has one user at a time, and that any thread may close.

    Args:
        noun: its name in messages, such as "session".
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._busy = threading.Lock()
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[None]:
        """Use the engine; if it is closed meanwhile, it is freed at the end.

        Raises:
            BackendError: it is in use, or closed.
        """
        if not self._busy.acquire(blocking=False):
            raise BackendError(
                f"the {self._noun} is busy with another call: open one for each thread"
            )
        try:
            if self._closed:
                raise BackendError(f"the {self._noun} is already closed")
            yield
        finally:
            self._busy.release()
            # After the release, so that a close meanwhile in another thread leaves nothing behind.
            if self._closed:
                self.close()

    def close(self) -> None:
        """Free the engine; safe to call again. A run in progress in another thread fails."""
        self._closed = True
        self._request_stop()
        if self._busy.acquire(blocking=False):
            self._free()
            self._busy.release()

    def _check_open(self) -> None:
        """Raise BackendError if it was closed during the run."""
        if self._closed:
            raise BackendError(f"the run was stopped because its {self._noun} was closed")

    @abstractmethod
    def _request_stop(self) -> None:
        """Make a run in progress end soon; there may be none."""

    @abstractmethod
    def _free(self) -> None:
        """Release the engine's resources, if they have not been released."""
