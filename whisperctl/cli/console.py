"""What commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from contextlib import suppress

from whisperctl.errors import OutputError

_MOST_SHOWN = 40


def result(text: str) -> None:
    """Write a line of the result at once, so that a reader of a pipe sees it as well.

    Raises:
        OutputError: standard output is closed, or what is behind it is full.
        BrokenPipeError: its reader is gone.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed: leave it open, or send it to a file")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise stdout_error(error) from error
    heard(text)


def stdout_error(error: OSError) -> OutputError:
    """The error for a standard output that cannot be written to."""
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    heard(text)
    with suppress(OSError):
        print(f"whisperctl: {text}", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    """Say which of several recordings comes next."""
    heard(text)
    with suppress(OSError):
        print(f"==> {text} <==", file=sys.stderr, flush=True)


def error(text: str) -> None:
    """Say that something failed, while the rest goes on."""
    note(f"error: {' '.join(text.split())}")


def line(text: str) -> None:
    """A line that belongs to the one before it."""
    heard(text)
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def heard(text: str) -> None:
    """Keep it in the log file too, if there may be one: only then is the module loaded."""
    logs = sys.modules.get("whisperctl.cli.logs")
    if logs is not None:
        logs.heard(text)


def shown(name: str) -> str:
    """A file's name as a bar has room for it: the end of its path, on one line."""
    from whisperctl.quoting import quoted

    text = quoted(name.rstrip("/").rpartition("/")[2])[1:-1]
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
