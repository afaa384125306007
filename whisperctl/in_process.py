"""What backends share whose engine computes in this process."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from whisperctl.backend import Closing
from whisperctl.errors import BackendError


class OneAtATime(Closing):
    """An engine that has one user at a time, and that any thread may close.

    Args:
        noun: what it is called in messages.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._busy = threading.Lock()
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[None]:
        """Use the engine; what was closed meanwhile is freed at the end.

        Raises:
            BackendError: it is in use, or closed.
        """
        if not self._busy.acquire(blocking=False):
            raise BackendError(
                f"the {self._noun} is busy with another recording: open one for each"
            )
        try:
            if self._closed:
                raise BackendError(f"the {self._noun} is already closed")
            yield
        finally:
            if self._closed:
                self._free()
            self._busy.release()

    def close(self) -> None:
        """Free the engine; safe to call again. A run still under way in another thread fails."""
        self._closed = True
        self._request_stop()
        if self._busy.acquire(blocking=False):
            self._free()
            self._busy.release()

    @abstractmethod
    def _request_stop(self) -> None:
        """Make a run that is under way end soon; no run need be."""

    @abstractmethod
    def _free(self) -> None:
        """Release what the engine holds, if it has not been released."""
