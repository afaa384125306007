"""Starts the processes that transcribe, hands them recordings, and ends them for certain."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import Any

from whisperctl.errors import BackendError, ModelError, UsageError, WhisperctlError
from whisperctl.jobs.events import KINDS, Event
from whisperctl.jobs.job import Job
from whisperctl.jobs.sources import Recording
from whisperctl.processes import WorkerProcess, command
from whisperctl.storage import records

MODULE = "whisperctl.jobs.executors.worker"
"""The module that such a process runs."""

_FATAL: dict[str, type[WhisperctlError]] = {
    kind.__name__: kind for kind in (UsageError, ModelError, BackendError)
}

Said = Event | WhisperctlError | None
"""An event, what makes the whole run fail, or ``None``: the process is gone."""


class Process(WorkerProcess):
    """A process that transcribes one recording at a time.

    ``index`` is the place in the run of the recording it works on, ``None`` while it has none, and
    ``since`` when that began, on the clock of ``time.monotonic``.
    """

    def __init__(self, job: Job, said: queue.SimpleQueue[tuple[Process, Said]]) -> None:
        super().__init__(command(MODULE), "working in separate processes", inherits_stdin=True)
        self.index: int | None = None
        self.since = 0.0
        self.send(records.line(job))
        threading.Thread(target=self._read, args=(said,), daemon=True).start()

    def begin(self, index: int, recording: Recording) -> None:
        """Hand it a recording."""
        self.index = index
        self.since = time.monotonic()
        self.send(records.line(recording))

    def _read(self, said: queue.SimpleQueue[tuple[Process, Said]]) -> None:
        for line in self.answers():
            said.put((self, _parsed(json.loads(line))))
        said.put((self, None))
        self.close_answers()


def _parsed(message: tuple[str, Any]) -> Event | WhisperctlError:
    kind, values = message
    if kind == "Fatal":
        return _FATAL[values["kind"]](values["message"])
    return records.restore(KINDS[kind], values)
