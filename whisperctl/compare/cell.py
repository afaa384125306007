"""The process that runs one engine: ``python -m whisperctl.compare.cell``.

It has nothing to itself but the one engine, so that its peak memory is the engine's. See ``wire``
for what is said; the process ends its run when its standard input does, as the parent is gone then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from whisperctl import engines
from whisperctl.audio import Audio
from whisperctl.backend import Session
from whisperctl.compare import wire
from whisperctl.decoding import DecodeOptions
from whisperctl.engines import Engine
from whisperctl.errors import WhisperctlError
from whisperctl.memory import peak_memory_bytes
from whisperctl.transcript import Transcript

OpenSession = Callable[[Engine, Path, int], Session]
"""Loads a model with a number of threads, and raises what ``engines.open_session`` does."""

_GRACE_S = 2.0


class _Abandoned(BaseException):
    """The parent is gone, or wants no result."""


def _open_session(engine: Engine, model: Path, threads: int) -> Session:
    return engines.open_session(engine, model, threads=threads)


def main(open_session: OpenSession = _open_session) -> int:
    """Serve one request.

    Args:
        open_session: opens what is asked for, for a program that runs engines of its own.

    Returns:
        The exit code: 0 if a result was sent, else 1.
    """
    # Ctrl-C reaches every process of the terminal; the parent decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _abandon)
    # Libraries that write to standard output would break the lines of ours.
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    try:
        result = _serve(sys.stdin.buffer, events, open_session)
        events.write(wire.line(result))
    except (_Abandoned, BrokenPipeError):
        return 1
    except WhisperctlError as error:
        _send_error(events, str(error))
        return 1
    except Exception as error:
        _send_error(events, f"{type(error).__name__}: {error}")
        return 1
    return 0


def _serve(requests: BinaryIO, events: BinaryIO, open_session: OpenSession) -> wire.Event:
    import numpy as np

    line = requests.readline()
    if not line:
        raise _Abandoned
    request: wire.Request = json.loads(line)
    samples = np.empty(request["n_samples"], np.float32)
    if samples.size:
        _read_into(requests, samples.data.cast("B"))
    threading.Thread(target=_watch, args=(requests.fileno(),), daemon=True).start()
    audio = Audio(samples, request["source"], request["decode_ms"])
    engine = Engine(request["backend"], request["runtime"])
    started = time.perf_counter()
    with open_session(engine, Path(request["model"]), request["threads"]) as session:
        open_ms = (time.perf_counter() - started) * 1000
        transcript = session.transcribe(
            audio,
            DecodeOptions(**request["options"]),
            on_segment=lambda segment: _send(events, wire.segment_event(segment)),
        )
    return wire.result_event(_with_memory(transcript), open_ms)


def _with_memory(transcript: Transcript) -> Transcript:
    if transcript.timings.peak_memory_bytes is not None:
        return transcript
    timings = dataclasses.replace(transcript.timings, peak_memory_bytes=peak_memory_bytes())
    return dataclasses.replace(transcript, timings=timings)


def _read_into(requests: BinaryIO, view: memoryview) -> None:
    while len(view):
        n_bytes = requests.readinto(view)  # type: ignore[attr-defined]  # BufferedReader has it
        if not n_bytes:
            raise _Abandoned
        view = view[n_bytes:]


def _watch(requests: int) -> None:
    """Wait for the end of standard input; nothing else comes after the samples."""
    # Not through the buffered reader, whose lock would be held when the interpreter ends.
    os.read(requests, 1)
    # In the main thread, where it closes the session on its way out.
    signal.raise_signal(signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


def _abandon(number: int, frame: FrameType | None) -> None:
    raise _Abandoned


def _send(events: BinaryIO, event: wire.Event) -> None:
    events.write(wire.line(event))


def _send_error(events: BinaryIO, message: str) -> None:
    with contextlib.suppress(OSError):  # the parent is gone
        _send(events, {"event": "error", "message": message})


if __name__ == "__main__":
    sys.exit(main())
