"""How child processes live in a terminal, and what one that died leaves to be said of it."""

from __future__ import annotations

import signal
from typing import BinaryIO

from whisperctl.text import on_one_line

_STDERR_TAIL_BYTES = 4096


def ignore_terminal() -> None:
    """Leave it to the parent what comes of Ctrl-C, or of a terminal that is closed.

    Both reach every process of the terminal. A child ends when the parent's pipe does.
    """
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def exit_summary(code: int, errors: BinaryIO) -> str:
    """How it ended, as the rest of a sentence.

    Args:
        code: its exit code, negative for a signal as ``subprocess`` has it.
        errors: a file that its standard error went to.
    """
    said = _stderr_tail(errors)
    return f"its process {exit_reason(code)}" + (f": {on_one_line(said)}" if said else "")


def exit_reason(code: int) -> str:
    """What an exit code says, as the rest of a sentence; negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _stderr_tail(errors: BinaryIO) -> str:
    end = errors.seek(0, 2)
    errors.seek(max(0, end - _STDERR_TAIL_BYTES))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
