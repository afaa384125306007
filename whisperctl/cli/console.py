"""What commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from whisperctl.errors import OutputError


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
    _heard(text)


def stdout_error(error: OSError) -> OutputError:
    """The error for a standard output that cannot be written to."""
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    _heard(text)
    with suppress(OSError):
        print(f"whisperctl: {text}", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    """Say which of several recordings comes next."""
    _heard(text)
    with suppress(OSError):
        print(f"==> {text} <==", file=sys.stderr, flush=True)


def error(text: str) -> None:
    """Say that something failed, while the rest goes on."""
    note(f"error: {' '.join(text.split())}")


def _heard(text: str) -> None:
    """Keep it in the log file too, if there may be one: only then is the module loaded."""
    logs = sys.modules.get("whisperctl.cli.logs")
    if logs is not None:
        logs.heard(text)


@contextmanager
def progress(label: str, *, wanted: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar on standard error for a run of which only the end can otherwise be seen.

    There is none when standard error is no terminal, or when the segments scroll by on it.

    Yields:
        A function that takes a fraction from 0 to 1, or ``None``.
    """
    if not wanted or not sys.stderr.isatty() or (sys.stdout is not None and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task(label, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)
