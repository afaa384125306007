"""Output of commands: results to standard output, everything else to standard error, and the log.

Nothing else prints, so that no character that controls a terminal gets through. The log, for
``--verbose`` and ``--log-file``, is Python's own: engines log whisper.cpp's messages to
``whisperctl.engine``, other modules to loggers below ``whisperctl``; printed text is logged too.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import re
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from whisperctl.errors import OutputError, UsageError
from whisperctl.storage.files import reason
from whisperctl.text import on_one_line, quoted, visible

ROOT = logging.getLogger("whisperctl")
PRINTED = logging.getLogger("whisperctl.printed")
"""Logger of printed text, which ``--verbose`` need not show again."""

_HEAD_BYTES = 65536
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


def paragraph(text: str, *, indent: int, command: str = "") -> None:
    """Write a line of the result, on a terminal wrapped at words; in a pipe it stays one line.

    Args:
        text: the line.
        indent: spaces before the lines after the first.
        command: end of the line, which stays whole so that it can be copied.

    Raises:
        OutputError, BrokenPipeError: as for ``result``.
    """
    whole = f"{text} {command}".rstrip()
    width = shutil.get_terminal_size().columns
    if len(whole) > width and sys.stdout.isatty():
        lines = textwrap.wrap(
            text.strip(),
            width,
            initial_indent=text[: len(text) - len(text.lstrip())],
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        whole = "\n".join([*lines, command]).rstrip()
    result(whole)


_FIGURE = re.compile(r"[~+-]?\d")
_GAP = "  "


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "", longest: int = 120
) -> None:
    """Write a table as the result, without columns that are empty; columns of figures to the right.

    Args:
        heads: titles of the columns.
        rows: the cells of each row, as many as titles.
        indent: what each line begins with.
        longest: characters after which a cell is cut off.

    Raises:
        OutputError, BrokenPipeError: as for ``result``.
    """
    from rich.cells import cell_len

    lines = [""] * (len(rows) + 1)
    for head, *cells in zip(heads, *rows, strict=True):
        if rows and not any(cells):
            continue
        column = [shown(on_one_line(cell)[:longest]) for cell in (head, *cells)]
        width = max(map(cell_len, column))
        right = bool(rows) and all(_FIGURE.match(cell) for cell in cells if cell)
        for n, cell in enumerate(column):
            space = " " * (width - cell_len(cell))
            lines[n] += (f"{space}{cell}" if right else f"{cell}{space}") + _GAP
    for line in lines:
        result(f"{indent}{line}".rstrip())


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
    return OutputError(f"standard output cannot be written: {reason(error)}")


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


def is_dialog() -> bool:
    """Return true if a question would be seen and answered: by a person at a terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def agrees(question: str) -> bool:
    """Ask a question; anything but yes, or Enter for it, is no."""
    print(f"whisperctl: {on_one_line(question)} [Y/n] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:  # Ctrl-D
        line("")
    return answer.strip().lower() in ("y", "yes") or answer == "\n"


def keep(text: str) -> None:
    """Write printed text to the log too."""
    PRINTED.info("%s", text)


def short(name: str) -> str:
    """Return a file's name as short as a bar needs it: the end of its path, on one line."""
    text = quoted(name.rstrip("/").rpartition("/")[2])[1:-1]
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


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
                f"log file {quoted(path)} cannot be written: {reason(error)}"
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
                f"whisperctl: warning: log file {quoted(self._path)} can no longer be written: "
                f"{sys.exc_info()[1]}",
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        with suppress(OSError):  # a full disk was already reported
            super().close()
