"""Starts the processes that transcribe, hands them recordings, and ends them for certain."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from whisperctl.errors import BackendError, ModelError, UsageError, WhisperctlError
from whisperctl.jobs.events import KINDS, Event
from whisperctl.jobs.job import Job
from whisperctl.jobs.sources import Recording
from whisperctl.processes import exit_summary
from whisperctl.storage import records, temporary

MODULE = "whisperctl.jobs.executors.worker"
"""The module that such a process runs."""

_GRACE_S = 1.0
_FATAL: dict[str, type[WhisperctlError]] = {
    kind.__name__: kind for kind in (UsageError, ModelError, BackendError)
}

Said = Event | WhisperctlError | None
"""An event, what makes the whole run fail, or ``None``: the process is gone."""


class Process:
    """A process that transcribes one recording at a time.

    ``index`` is the place in the run of the recording it works on, ``None`` while it has none, and
    ``since`` when that began, on the clock of ``time.monotonic``.
    """

    def __init__(self, job: Job, said: queue.SimpleQueue[tuple[Process, Said]]) -> None:
        self.index: int | None = None
        self.since = 0.0
        self._errors = temporary.open_file("working in separate processes")
        requests, self._requests = os.pipe()
        answers, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, nothing of a person's
                # -P, or modules of the current directory would come before the installed ones.
                [sys.executable, "-P", "-m", MODULE, str(requests), str(theirs)],
                pass_fds=(requests, theirs),
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
            )
        finally:
            os.close(requests)
            os.close(theirs)
        self._send(records.line(job))
        self._reader = threading.Thread(target=self._read, args=(answers, said), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def begin(self, index: int, recording: Recording) -> None:
        """Hand it a recording."""
        self.index = index
        self.since = time.monotonic()
        self._send(records.line(recording))

    def stop(self) -> None:
        """Ask it to end, whatever it does."""
        with suppress(OSError):
            os.close(self._requests)
        self._requests = -1

    def kill(self) -> None:
        """End it at once; that it is gone is said in the queue."""
        self._process.kill()

    def exit_summary(self) -> str:
        """How it ended, as the rest of a sentence."""
        return exit_summary(self._process.wait(), self._errors)

    def _send(self, line: bytes) -> None:
        # A process that died early says why on its standard error.
        with suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._requests, line) :]

    def _read(self, answers: int, said: queue.SimpleQueue[tuple[Process, Said]]) -> None:
        with os.fdopen(answers, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it died in the middle of a word
                said.put((self, _parsed(json.loads(line))))
        said.put((self, None))

    def end(self, deadline: float) -> None:
        """Wait until ``deadline`` for it to end, then end it; it is gone when this returns."""
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            self._process.kill()
            self._process.wait()
            self._errors.close()


def end_all(processes: Sequence[Process]) -> None:
    """End processes, politely first; they are gone when this returns."""
    for process in processes:
        process.stop()
    deadline = time.monotonic() + _GRACE_S
    while True:
        try:
            for process in processes:
                process.end(deadline)
        except KeyboardInterrupt:
            deadline = 0.0  # impatience changes nothing but the grace
            continue
        return


def _parsed(message: tuple[str, Any]) -> Event | WhisperctlError:
    kind, values = message
    if kind == "Fatal":
        return _FATAL[values["kind"]](values["message"])
    return records.restore(KINDS[kind], values)
