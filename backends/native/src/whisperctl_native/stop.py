"""Stopping a run, but not in the middle of what whisper.cpp cannot do without."""

from __future__ import annotations

import threading

from whisperctl_native.library import StopFlag


class Stop:
    """A request to stop, for one session.

    To align, whisper.cpp computes a pass of the decoder behind the last one of a window, and aborts
    the process when that is cut short. So while a session aligns, ggml is told to stop at its next
    operation only from the start of a window to the end of the encoder's pass, which takes the most
    time; from there on whisper.cpp's own callback is asked after every pass of the decoder.
    """

    def __init__(self, *, aligning: bool) -> None:
        self.flag = StopFlag()
        self._aligning = aligning
        self._lock = threading.Lock()
        self._requested = False
        self._at_once = True

    def request(self) -> None:
        """Stop the engine as soon as may be."""
        with self._lock:
            self._requested = True
            if self._at_once:
                self.flag.set()

    def clear(self) -> None:
        """Let the engine compute."""
        with self._lock:
            self._requested = False
            self._at_once = True
            self.flag.clear()

    def requested(self) -> bool:
        """True if the engine is to stop."""
        return self._requested

    def on_window(self) -> bool:
        """True to continue with the next window; whisper.cpp's ``encoder_begin_callback``."""
        with self._lock:
            self._at_once = True
            return not self._requested

    def on_pass(self) -> bool:
        """True to stop after a pass; whisper.cpp's ``abort_callback``."""
        with self._lock:
            self._at_once = not self._aligning
            return self._requested
