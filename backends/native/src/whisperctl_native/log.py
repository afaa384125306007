"""Brings whisper.cpp's log, which is one for the whole process, to the run that wrote it.

whisper.cpp and ggml log from the thread that called them, so each thread keeps its own lines and
sessions in several threads do not see each other's. What nobody captures is dropped; without that
it would be on standard error.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import _pywhispercpp as pw
from whisperctl.engine.toolkit.whisper_params import is_timing, message

_LOGGER = logging.getLogger("whisperctl.engine")

# enum ggml_log_level
_ERROR = 4
_CONTINUED = 5


@dataclass(slots=True)
class Log:
    """Lines of the log, and those of them that are errors."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _partial: str = ""
    _level: int = 0

    def add(self, level: int, text: str) -> None:
        """Take a piece of log: a line, part of one, or several."""
        if level != _CONTINUED and not self._partial:
            self._level = level
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            if line.strip():
                self.lines.append(line)
                if not is_timing(line):
                    _LOGGER.debug("%s", line)
                if self._level == _ERROR:
                    self.errors.append(line)

    def reason(self) -> str:
        """The first error, which is the cause of the others, as a person wants it."""
        return message(self.errors[0]) if self.errors else "it did not say why"


class _Here(threading.local):
    log: Log | None = None


_here = _Here()
_installing = threading.Lock()
_installed = False


@contextmanager
def capture() -> Iterator[Log]:
    """Capture whisper.cpp's log of this thread inside the ``with`` block."""
    _install()
    outer, _here.log = _here.log, Log()
    try:
        yield _here.log
    finally:
        _here.log = outer


def _install() -> None:
    global _installed
    with _installing:
        if not _installed:
            pw.whisper_log_set(_on_log)
            # The library outlives the interpreter, and then there is nothing to call.
            atexit.register(pw.whisper_log_set, None)
            _installed = True


def _on_log(level: int, text: str) -> None:
    if _here.log is not None:
        _here.log.add(level, text)
