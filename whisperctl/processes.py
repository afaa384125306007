"""Worker processes: one of our modules in a child process, with a pipe in each direction.

The parent makes a ``WorkerProcess`` and reads its answers; the module that runs in the child calls
``serve``. A child ignores the signals of the terminal, which are its parent's business, and ends
when its parent does, however that ended: the pipe that it reads from is closed then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import BinaryIO

from whisperctl.errors import BackendError
from whisperctl.storage import files
from whisperctl.storage.files import reason
from whisperctl.text import on_one_line, quoted

Send = Callable[[bytes], None]
"""Sends a line to the parent; lines sent by several threads are never mixed."""

_STDERR_TAIL_BYTES = 4096
_PARENT_GRACE_S = 1.0
_CHILD_GRACE_S = 2.0


def command(module: str, python: str = sys.executable) -> tuple[str, ...]:
    """Command that runs a module; ``python`` may be the interpreter of another environment."""
    # -P, or modules of the current directory would come before the installed ones.
    return python, "-P", "-m", module


class WorkerProcess:
    """A child process that runs one of our modules.

    The numbers of its ends of the pipes are added to its command line. It has no standard output,
    and its standard error goes to a temporary file, whose end is in ``exit_summary``.

    Args:
        start: the command, see ``command``.
        purpose: what the process is for, as messages name it.
        inherits_stdin: True to have the child read our standard input.

    Raises:
        BackendError: the command cannot be started.
        OutputError: there is no place for a temporary file.
    """

    def __init__(self, start: Sequence[str], purpose: str, *, inherits_stdin: bool = False) -> None:
        self._errors = files.open_temporary(purpose)
        requests, self._requests = os.pipe()
        answers, theirs = os.pipe()
        self._answers = os.fdopen(answers, "rb")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, nothing of a person's
                [*start, str(requests), str(theirs)],
                pass_fds=(requests, theirs),
                stdin=None if inherits_stdin else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
        except OSError as error:
            self._close()
            raise BackendError(
                f"{purpose} failed: {quoted(start[0])} cannot be started ({reason(error)})"
            ) from error
        finally:
            os.close(requests)
            os.close(theirs)

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    def send(self, data: bytes | memoryview) -> None:
        """Send bytes; a process that has died takes them silently, and its end says why."""
        left = memoryview(data).cast("B")
        with suppress(BrokenPipeError):
            while left:
                left = left[os.write(self._requests, left) :]

    def answers(self) -> Iterator[bytes]:
        """Lines that it sends, until it ends; half a line that it died in is left out."""
        for line in self._answers:
            if not line.endswith(b"\n"):
                return
            yield line

    def stop(self) -> None:
        """Ask it to end by closing its pipe; safe to call again."""
        if self._requests != -1:
            with suppress(OSError):
                os.close(self._requests)
            self._requests = -1

    def kill(self) -> None:
        """Kill it; ``answers`` then ends."""
        self._process.kill()

    def exit_summary(self) -> str:
        """Wait for its end: exit reason and last line of its standard error, as a clause."""
        reason = f"its process {exit_reason(self._process.wait())}"
        tail = self._stderr_tail()
        return f"{reason}: {on_one_line(tail)}" if tail else reason

    def end(self, deadline: float) -> None:
        """Wait until ``deadline`` (``time.monotonic``) and kill it; it is gone on return."""
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            self._process.kill()
            self._process.wait()
            self._errors.close()

    def close_answers(self) -> None:
        """Close our end of its answers; not while another thread reads them."""
        self._answers.close()

    def _close(self) -> None:
        self.stop()
        self._answers.close()
        self._errors.close()

    def _stderr_tail(self) -> str:
        end = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, end - _STDERR_TAIL_BYTES))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def end_all(processes: Sequence[WorkerProcess]) -> None:
    """End processes, politely first; they are gone on return."""
    for process in processes:
        process.stop()
    deadline = time.monotonic() + _PARENT_GRACE_S
    while True:
        try:
            for process in processes:
                process.end(deadline)
        except KeyboardInterrupt:
            deadline = 0.0  # impatience changes nothing but the grace
            continue
        return


def exit_reason(code: int) -> str:
    """Describe an exit code, negative for a signal, as the rest of a sentence."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (possibly out of memory)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


class Abandoned(BaseException):
    """The parent is gone, or no longer wants the result."""


def serve(work: Callable[[BinaryIO, Send], int]) -> int:
    """Run ``work`` as the child of a ``WorkerProcess``, with the pipes of the command line.

    ``work`` gets the requests and sends answers. What libraries write to standard output goes to
    standard error. When the parent is gone ``work`` ends with ``Abandoned`` or ``BrokenPipeError``.

    Returns:
        The exit code: that of ``work``, or 1.
    """
    try:
        _ignore_terminal()
        signal.signal(signal.SIGTERM, _raise_abandoned)
        requests, answers = map(int, sys.argv[-2:])
        answers = os.dup(answers)  # it may be standard output, as through ssh
        os.dup2(2, 1)
        writing = threading.Lock()

        def send(line: bytes) -> None:
            with writing:
                left = memoryview(line)
                while left:
                    left = left[os.write(answers, left) :]

        # Not closed here: another thread may still be reading it.
        return work(os.fdopen(requests, "rb"), send)
    except (Abandoned, BrokenPipeError):
        return 1


def watch_parent(requests: BinaryIO) -> None:
    """Abandon the work once the pipe of requests ends, of which nothing more is to be read."""

    def watch() -> None:
        # Not through the buffered reader, whose lock would be held when the interpreter ends.
        os.read(requests.fileno(), 1)
        abandon()

    threading.Thread(target=watch, daemon=True).start()


def abandon(*, interrupt: bool = True) -> None:
    """End this process from another thread than the main one.

    The main thread is interrupted with ``Abandoned``, so that it closes its session on the way out,
    or, without ``interrupt``, is about to end by itself. Where it does not, the process is ended.
    """
    if interrupt:
        signal.raise_signal(signal.SIGTERM)
    time.sleep(_CHILD_GRACE_S)
    os._exit(1)


def _ignore_terminal() -> None:
    """Ignore Ctrl-C and a closed terminal, which reach every process of the terminal."""
    for name in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def _raise_abandoned(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Abandoned
