"""Messages for ``--verbose`` and ``--log-file``, through Python's logging.

Engines log messages of whisper.cpp to ``whisperctl.engine``, other modules to loggers below
``whisperctl``. Printed text is handed to ``keep``, so that a log file has everything.
"""

from __future__ import annotations

import codecs
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from whisperctl.errors import OutputError, UsageError
from whisperctl.text import on_one_line, quoted, visible

ROOT = logging.getLogger("whisperctl")
PRINTED = logging.getLogger("whisperctl.printed")
"""Logger of printed text, which ``--verbose`` need not show again."""

_HEAD_BYTES = 65536


@contextmanager
def messages(*, verbose: bool, log_file: Path | None) -> Iterator[None]:
    """Show and keep messages inside the ``with``; an error that leaves it is kept too.

    Raises:
        UsageError: the file is not text.
        OutputError: the file cannot be opened.
    """
    handlers: list[logging.Handler] = []
    if verbose:
        shown = _Shown()
        shown.addFilter(lambda record: not record.name.startswith(PRINTED.name))
        handlers.append(shown)
    if log_file is not None:
        handlers.append(_Kept(log_file))
    before = ROOT.level, ROOT.propagate
    ROOT.propagate = False
    ROOT.setLevel(logging.DEBUG if handlers else logging.WARNING)
    for handler in handlers or [logging.NullHandler()]:
        ROOT.addHandler(handler)
    try:
        yield
    except BaseException as error:
        import typer

        # An exit follows errors that were already printed.
        if log_file is not None and not isinstance(error, typer.Exit):
            from whisperctl.cli import signal_behind

            number = signal_behind(error)
            if number is None:
                PRINTED.error("terminated by %s: %s", type(error).__name__, error)
            else:
                PRINTED.error("terminated by %s", signal.Signals(number).name)
        raise
    finally:
        for handler in list(ROOT.handlers):
            ROOT.removeHandler(handler)
            handler.close()
        ROOT.level, ROOT.propagate = before


def keep(text: str) -> None:
    """Log printed text, if there is a log file."""
    PRINTED.info("%s", text)


def colored(wanted: bool, stream: TextIO | None) -> bool:
    """Return true if text to ``stream`` is to be colored, for a person who ``wanted`` that or not.

    ``NO_COLOR`` forbids it (https://no-color.org), and only on a terminal is it done, unless
    ``FORCE_COLOR`` is set.
    """
    if not wanted or stream is None or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _check_text(path: Path) -> None:
    """Check that a file to append to is text, if it is there: a recording would be damaged.

    Raises:
        UsageError: it is not.
    """
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
        if b"\0" not in head:
            return
    except UnicodeDecodeError:
        pass
    except (OSError, ValueError):
        return  # who opens it to write says why it cannot be
    raise UsageError(f"--log-file {quoted(path)} is not a text file: name another")


class _Shown(logging.Handler):
    """Writes to standard error, as long as somebody reads it."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            print(f"whisperctl: {on_one_line(record.getMessage())}", file=sys.stderr, flush=True)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        # Results may be of several lines; a message of them could pass for others.
        return visible(text, prose=True) if record.name == PRINTED.name else on_one_line(text)


class _Kept(logging.FileHandler):
    """Appends to a file; says once when that fails, and does without it then."""

    def __init__(self, path: Path) -> None:
        _check_text(path)
        try:
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise OutputError(
                f"{quoted(path)} cannot be written as a log: {error.strerror or error}"
            ) from error
        self._path = path
        self._broken = False
        self.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if not self._broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        self._broken = True
        with suppress(OSError, ValueError):
            print(
                f"whisperctl: warning: the log {quoted(self._path)} cannot be written any more: "
                f"{sys.exc_info()[1]}",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        with suppress(OSError):  # a full disk was already reported
            super().close()
