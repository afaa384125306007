"""What a cell's process and its parent say to each other: JSON lines, and raw samples.

The parent writes a request, one line, and then the samples as the machine's own float32; it keeps
the pipe open for as long as it wants the result. The cell answers with events, a line each:
``segment``, then ``result`` or ``error``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypedDict

from whisperctl.compare.spec import Job
from whisperctl.engines import Engine
from whisperctl.transcript import Phase, Segment, Timings, Transcript

Event = dict[str, Any]


class Request(TypedDict):
    """What the parent asks for."""

    backend: str
    runtime: str | None
    model: str
    threads: int
    options: dict[str, Any]
    source: str
    decode_ms: float
    n_samples: int


def request(engine: Engine, job: Job) -> Request:
    """The request to run ``job`` on ``engine``."""
    return Request(
        backend=engine.backend,
        runtime=engine.runtime,
        model=str(job.model),
        threads=job.threads,
        options=asdict(job.options),
        source=job.audio.source,
        decode_ms=job.audio.decode_ms,
        n_samples=len(job.audio.samples),
    )


def line(message: Mapping[str, object]) -> bytes:
    """A message as a line; in ASCII, which also carries names that are not valid text."""
    return json.dumps(message).encode("ascii") + b"\n"


def segment_event(segment: Segment) -> Event:
    """A segment as an event, without its tokens."""
    return {"event": "segment", **segment_fields(segment)}


def segment_fields(segment: Segment) -> dict[str, Any]:
    """A segment's times and text."""
    return {"start_s": segment.start_s, "end_s": segment.end_s, "text": segment.text}


def result_event(transcript: Transcript, open_ms: float) -> Event:
    """The end of a run that went well."""
    return {
        "event": "result",
        "open_ms": open_ms,
        "segments": [segment_fields(segment) for segment in transcript.segments],
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "duration_s": transcript.duration_s,
        "system_info": transcript.system_info,
        "timings": timings_fields(transcript.timings),
    }


def timings_fields(timings: Timings) -> dict[str, Any]:
    """Timings, with the phases as plain dictionaries."""
    values = {field.name: getattr(timings, field.name) for field in fields(Timings)}
    values["phases"] = {name: asdict(phase) for name, phase in timings.phases.items()}
    return values


def segment(event: Event) -> Segment:
    """The segment of a ``segment`` event."""
    return Segment(event["start_s"], event["end_s"], event["text"])


def transcript(event: Event) -> Transcript:
    """The transcript of a ``result`` event."""
    timings = dict(event["timings"])
    phases = {name: Phase(**phase) for name, phase in timings.pop("phases").items()}
    return Transcript(
        segments=tuple(segment(values) for values in event["segments"]),
        language=event["language"],
        duration_s=event["duration_s"],
        timings=Timings(phases=phases, **timings),
        language_probability=event["language_probability"],
        system_info=event["system_info"],
    )
