"""The process that runs one engine: ``python -m whisperctl.compare.worker``.

It runs nothing but the one engine, so that its peak memory is the engine's. ``runner`` has its
requests and events; the run ends when the pipe of requests does, as the parent is gone then.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import BinaryIO

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.compare import runner
from whisperctl.compare.statistics import BY_NAME, rounded
from whisperctl.engine import registry
from whisperctl.engine.session import HostSession
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import WhisperctlError
from whisperctl.processes import Abandoned, Send, serve, watch_parent
from whisperctl.storage import records
from whisperctl.text import on_one_line
from whisperctl.transcript import Timings, Transcript

WINDOW_S = 30
"""Seconds of a recording that are transcribed to warm up: one window."""

_OPENING = ("load",)
"""Phases that belong to opening: a session may load its model again before a later run."""


def main(requests: BinaryIO, send: Send) -> int:
    """Serve one request; see ``whisperctl.processes.serve``.

    Returns:
        The exit code: 0 if a result was sent, else 1.
    """
    try:
        send(runner.event_line(_serve(requests, send)))
    except BrokenPipeError:
        raise
    except WhisperctlError as error:
        send(runner.event_line(runner.Failure(str(error))))
        return 1
    except Exception as error:
        message = on_one_line(f"{type(error).__name__}: {error}")
        send(runner.event_line(runner.Failure(message)))
        return 1
    return 0


def _serve(requests: BinaryIO, send: Send) -> runner.Result:
    import numpy as np

    line = requests.readline()
    if not line:
        raise Abandoned
    request = records.parse(runner.Request, line)
    samples = np.empty(request.n_samples, np.float32)
    if samples.size:
        _read_into(requests, samples.data.cast("B"))
    watch_parent(requests)
    audio = Audio(samples, request.source, request.decode_ms)
    checking = time.perf_counter()
    # The check is the same for every engine, and not part of its start.
    model = registry.check_model(request.model)
    opening = time.perf_counter()
    with registry.open_session(
        request.engine,
        model,
        threads=request.threads,
        word_timestamps=request.options.word_timestamps,
    ) as loaded:
        session = HostSession(loaded, model=request.model)
        values = {
            "start_ms": (checking - request.started_s) * 1000,
            "open_ms": (time.perf_counter() - opening) * 1000,
        }
        first = None
        if request.warm_up:
            window = Audio(samples[: WINDOW_S * SAMPLE_RATE], request.source)
            first = session.transcribe(window, request.options)
        transcript = session.transcribe(
            audio,
            request.options,
            on_segment=lambda segment: send(runner.event_line(segment.visible())),
        )
    timings = transcript.timings
    opened = first.timings if first is not None else timings
    values["first_ms"] = opened.wall_ms
    values["cold_start_ms"] = values["start_ms"] + values["open_ms"] + values["first_ms"]
    values |= _of(timings, opened, audio)
    return runner.Result(
        {name: rounded(value, BY_NAME[name].unit) for name, value in values.items()},
        {name: phase.runs for name, phase in timings.phases.items()},
        _finished(transcript, with_words=request.options.word_timestamps),
    )


def _finished(transcript: Transcript, *, with_words: bool) -> Transcript:
    """Transcript as ``transcribe`` would give it: with words, and without control characters.

    Sessions with times of tokens leave it to the host to make words of them.
    """
    segments = transcript.segments
    if with_words:
        segments = tuple(
            segment
            if segment.words
            else dataclasses.replace(segment, words=words_of(segment, transcript.language))
            for segment in segments
        )
    return dataclasses.replace(transcript, segments=segments).visible()


def _of(timings: Timings, opened: Timings, audio: Audio) -> dict[str, float]:
    """Values of a run, by their names in ``statistics``.

    Args:
        timings: of the run that counts.
        opened: of the first run, before which the session was opened.
        audio: what was transcribed.
    """
    phases = dict(timings.phases) | {
        name: opened.phases[name] for name in _OPENING if name in opened.phases
    }
    values: dict[str, float | None] = {
        f"{name}_ms": phase.total_ms for name, phase in phases.items()
    }
    values |= {
        "audio_decode_ms": audio.decode_ms,
        "module_compile_ms": opened.module_compile_ms,
        "instantiate_ms": opened.instantiate_ms,
        "wall_ms": timings.wall_ms,
        "real_time_factor": timings.wall_ms / 1000 / audio.duration_s if audio.duration_s else None,
        "cpu_ms": timings.cpu_ms,
        "peak_memory_bytes": timings.peak_memory_bytes,
        "linear_memory_bytes": timings.linear_memory_bytes,
    }
    return {name: value for name, value in values.items() if value is not None and name in BY_NAME}


def _read_into(requests: BinaryIO, view: memoryview) -> None:
    while len(view):
        n_bytes = requests.readinto(view)  # type: ignore[attr-defined]  # BufferedReader has it
        if not n_bytes:
            raise Abandoned
        view = view[n_bytes:]


if __name__ == "__main__":
    sys.exit(serve(main))
