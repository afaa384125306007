"""Output of commands: results to standard output, everything else to standard error.

Nothing else prints, so that no character that controls a terminal gets through.
"""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress

from whisperctl.errors import OutputError
from whisperctl.text import on_one_line, quoted, visible

_MOST_SHOWN = 40
_STYLE = re.compile("(\x1b\\[[0-9;]*m)")
"""ECMA-48's SGR, which changes how text looks and nothing else."""


class ClosedOutput(io.TextIOBase):
    """Stand-in for a standard output that is closed: writing a result to it is an error."""

    def write(self, text: str) -> int:
        """Refuse it.

        Raises:
            OutputError: always.
        """
        raise OutputError("standard output is closed: leave it open, or send it to a file")


def result(text: str, *, prose: bool = False, styled: bool = False) -> None:
    """Write a line of the result at once, so that a reader of a pipe sees it as well.

    Args:
        text: a line, or several.
        prose: true for a transcript or a document, see ``visible``.
        styled: true if it holds our own colors.

    Raises:
        OutputError: standard output is closed, or what is behind it is full.
        BrokenPipeError: its reader is gone.
    """
    text = shown(text, prose=prose, styled=styled)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise stdout_error(error) from error
    keep(text)


def path(name: str | os.PathLike[str]) -> None:
    """Write the path of a file as the result: exactly where a program reads it.

    Raises:
        OutputError: standard output is closed, or what is behind it is full.
        BrokenPipeError: its reader is gone.
    """
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None or sys.stdout.isatty():
        result(os.fspath(name))
        return
    try:
        sys.stdout.flush()
        stream.write(os.fsencode(name) + b"\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise stdout_error(error) from error


def shown(text: str, *, prose: bool = False, styled: bool = False) -> str:
    """Return ``text`` as ``result`` writes it."""
    if styled:
        parts = _STYLE.split(text)  # every other one is a style
        return "".join(p if i % 2 else shown(p, prose=prose) for i, p in enumerate(parts))
    if prose:
        return visible(text, prose=True)
    return "\n".join(map(visible, text.split("\n")))


def stdout_error(error: OSError) -> OutputError:
    """Return the error for a standard output that cannot be written to."""
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def note(text: str) -> None:
    """Print a message that is not part of the result."""
    text = on_one_line(text)
    line(f"whisperctl: {text}", log=text)


def heading(text: str) -> None:
    """Print which of several recordings comes next."""
    text = on_one_line(text)
    line(f"==> {text} <==", log=text)


def error(text: str) -> None:
    """Print that something failed while the rest continues."""
    note(f"error: {text}")


def line(text: str, *, log: str | None = None) -> None:
    """Print a line without the program's name, such as one that belongs to the line before it.

    ``log`` is the text for a log file, if it differs.
    """
    keep(text if log is None else log)
    with suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


def keep(text: str) -> None:
    """Write text to the log file too, if there is one: only then is the module loaded."""
    logs = sys.modules.get("whisperctl.cli.support.logs")
    if logs is not None:
        logs.keep(text)


def short(name: str) -> str:
    """Return a file's name as short as a bar needs it: the end of its path, on one line."""
    text = quoted(name.rstrip("/").rpartition("/")[2])[1:-1]
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
