"""A process that transcribes recordings for another.

It is started as ``python -m whisperctl.jobs.executors.worker IN OUT``.

``IN`` and ``OUT`` are descriptors of pipes. On the first come lines of JSON, a ``Job`` and then a
``Recording`` at a time; into the second go events, a line each, ``[KIND, FIELDS]``. The last event
about a recording is ``Finished`` or ``Failed``; ``["Fatal", {"kind", "message"}]`` says that no
recording could be transcribed. The process ends when the pipe it reads from does, in the middle of
its work if need be, as whoever started it is gone then or wants no result.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO

from whisperctl.errors import ModelError, UsageError, WhisperctlError
from whisperctl.jobs import task
from whisperctl.jobs.events import Event, Failed, Logged
from whisperctl.jobs.job import Job
from whisperctl.jobs.opening import opened
from whisperctl.jobs.plan import label
from whisperctl.jobs.sources import Recording
from whisperctl.processes import Send, abandon, serve
from whisperctl.storage import records
from whisperctl.text import on_one_line
from whisperctl.transcription.transcriber import Transcriber


class _UnusableError(Exception):
    """What to transcribe with cannot be loaded."""


def main(requests: BinaryIO, send: Send) -> int:
    """Serve until there are no more requests; see ``whisperctl.processes.serve``."""
    with ExitStack() as stack:
        _serve(requests, send, stack)
    return 0


def _serve(requests: BinaryIO, send: Send, stack: ExitStack) -> None:
    first = requests.readline()
    if not first:
        return
    job = records.parse(Job, first)
    waiting: queue.SimpleQueue[Recording | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_read, args=(requests, waiting, busy), daemon=True).start()
    transcriber: list[Transcriber] = []

    def load() -> Transcriber:
        if not transcriber:
            try:
                transcriber.append(stack.enter_context(opened(job)))
            except WhisperctlError as error:
                raise _UnusableError from error
        return transcriber[0]

    def emit(event: Event) -> None:
        send(records.line([type(event).__name__, records.plain(event)]))

    if job.logs:
        _hand_over_logs(emit)
    while (recording := waiting.get()) is not None:
        busy.set()
        try:
            task.process(job, recording, load, emit)
        except _UnusableError as error:
            send(_fatal(error.__cause__))
            return
        except BrokenPipeError:
            raise
        except WhisperctlError as error:
            emit(Failed(str(error)))
        except Exception as error:
            reason = on_one_line(f"{type(error).__name__}: {error}")
            emit(Failed(f"{label(recording)}: {reason} (unexpected)"))
        busy.clear()


def _hand_over_logs(emit: Callable[[Event], None]) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            emit(Logged(record.name, record.levelno, record.getMessage()))

    root = logging.getLogger("whisperctl")
    root.addHandler(Handler())
    root.setLevel(logging.DEBUG)
    root.propagate = False


def _fatal(error: BaseException | None) -> bytes:
    kind = next((kind for kind in (UsageError, ModelError) if isinstance(error, kind)), None)
    name = "BackendError" if kind is None else kind.__name__
    return records.line(["Fatal", {"kind": name, "message": str(error)}])


def _read(
    requests: BinaryIO, waiting: queue.SimpleQueue[Recording | None], busy: threading.Event
) -> None:
    for line in requests:
        waiting.put(records.parse(Recording, line))
    waiting.put(None)
    abandon(interrupt=busy.is_set())


if __name__ == "__main__":
    sys.exit(serve(main))
