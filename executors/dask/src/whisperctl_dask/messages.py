"""Messages between the coordinator and workers.

The coordinator sends an ``Order`` for each recording, with the ``Setup`` of the run. While a worker
carries it out, it publishes ``Report``s under the topic of the run, which Dask's scheduler passes
on; the order's result is an ``Outcome``. Whatever a worker sends is validated here: its program may
be another one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from whisperctl import languages
from whisperctl.compare.result import Machine
from whisperctl.compare.runner import Result
from whisperctl.compare.statistics import NAMES
from whisperctl.errors import WhisperctlError
from whisperctl.jobs.events import (
    CheckpointReached,
    LanguageFound,
    RunMeasured,
    Transcribed,
    WorkerEvent,
)
from whisperctl.jobs.executors.processes import parse_answer
from whisperctl.jobs.job import Job, Task
from whisperctl.storage import records
from whisperctl.text import on_one_line
from whisperctl.transcript import PHASES

_MOST_LINES = 100_000
_LONGEST_S = 1e9
_MOST_DESCRIBED = 1 << 16


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file of the coordinator's: where it is, and how a worker tells that it sees the same.

    ``size`` is -1 if it can be read only once, such as standard input: it is never seen.
    """

    path: Path
    size: int
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """What all orders of a run have in common.

    ``topic`` is that of reports. ``versions`` are the coordinator's, of all that decides about
    results. ``files`` are the models. ``memory_bytes`` and ``threads``
    are for each recording.
    """

    topic: str
    job: Job
    versions: dict[str, str] = field(default_factory=dict)
    files: tuple[SharedFile, ...] = ()
    memory_bytes: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """A worker that measures comparisons: its machine, and threads that it has.

    ``refused`` says why it would give other results, and is empty if it does not.
    """

    machine: Machine
    threads: int
    refused: str = ""

    @property
    def key(self) -> str:
        """Equal for workers of one kind: those whose times may be set against each other."""
        machine = self.machine
        facts = (
            machine.cpu,
            sorted(machine.cpu_flags),
            machine.processors,
            machine.processors_allowed,
            self.threads,
        )
        return hashlib.sha256(records.line(facts)).hexdigest()


@dataclass(frozen=True, slots=True)
class Order:
    """One recording for a worker.

    ``number`` is new for each attempt of the coordinator's. ``files`` are the recording or a chunk
    of it, if it is a file. A worker may ask for these and for those of the ``Setup``, which are
    counted first.
    """

    number: int
    task: Task
    files: tuple[SharedFile, ...] = ()


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End of an order on a worker.

    ``line`` is the last event or an error for the whole run. Without one the work was abandoned, or
    ``refused`` says why this worker cannot do any.
    """

    line: bytes = b""
    refused: Annotated[str, Meta(max_length=4096)] = ""
    threads: Annotated[int, Meta(ge=0)] = 0


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker publishes of an order.

    ``attempt`` names the start of the work: a second one tells that Dask began it again, as after
    the loss of a worker. ``lines`` are events, as the ``processes`` executor writes them; the
    segments of a checkpoint are left out, as they are those reported since the one before. ``file``
    and ``offset`` ask for a part of a file of the order's; an offset of -1 asks for its hash.
    ``ticket`` is what the answer is to be delivered under. The last one is ``over`` and has the
    ``outcome``, unless that is large, and then the result of the order. Dask adds ``worker``.
    """

    number: int
    attempt: Annotated[str, Meta(max_length=64)]
    lines: Annotated[list[bytes], Meta(max_length=_MOST_LINES)] = []
    file: Annotated[int, Meta(ge=0, le=1000)] | None = None
    offset: Annotated[int, Meta(ge=-1)] = 0
    ticket: Annotated[str, Meta(max_length=64)] = ""
    outcome: Outcome | None = None
    over: bool = False
    worker: str = ""


class InvalidAnswerError(ValueError):
    """A worker sent something that no worker of ours sends."""


def description(value: object) -> Description:
    """Validate a worker's description, which is a line.

    Raises:
        InvalidAnswerError: it is none.
    """
    if not isinstance(value, bytes) or len(value) > _MOST_DESCRIBED:
        raise InvalidAnswerError("its description is not one")
    try:
        found = records.restore(Description, records.loads(value))
    except ValueError as error:
        raise InvalidAnswerError(str(error)) from error
    machine = found.machine
    if min(found.threads, machine.processors, machine.processors_allowed) < 1:
        raise InvalidAnswerError("impossible number of processors")
    return replace(
        found,
        refused=on_one_line(found.refused),
        machine=replace(
            machine,
            cpu=on_one_line(machine.cpu),
            system=on_one_line(machine.system),
            python=on_one_line(machine.python),
        ),
    )


def report(message: object) -> Report:
    """Validate a published message.

    Raises:
        InvalidAnswerError: it is not a ``Report``.
    """
    try:
        return msgspec.convert(message, Report, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise InvalidAnswerError(str(error)) from error


def outcome(value: object) -> Outcome:
    """Validate the result of an order, which is an ``Outcome`` in msgpack.

    Raises:
        InvalidAnswerError: it is not.
    """
    if not isinstance(value, bytes):
        raise InvalidAnswerError("the result is not bytes")
    try:
        return msgspec.msgpack.decode(value, type=Outcome)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidAnswerError(str(error)) from error


def event(line: bytes) -> WorkerEvent | WhisperctlError:
    """Validate a line: an event whose language exists and whose times can be, or an error.

    Raises:
        InvalidAnswerError: it is neither.
    """
    try:
        found = parse_answer(line)
    except ValueError as error:
        raise InvalidAnswerError(str(error)) from error
    language, times = "", []
    match found:
        case CheckpointReached(checkpoint):
            language = checkpoint.language
            times = [checkpoint.position_s]
        case LanguageFound(spoken):
            language = spoken.code
        case Transcribed(transcript):
            language = transcript.language
            times = [transcript.duration_s, *(one.end_s for one in transcript.segments)]
        case RunMeasured(result=None):
            times = [found.took_s]
            found = replace(found, error=on_one_line(found.error or "it failed"))
        case RunMeasured(result=Result() as result):
            if not result.values.keys() <= set(NAMES) or not result.counts.keys() <= set(PHASES):
                raise InvalidAnswerError("unknown measurements")
            if {"wall_ms", "cold_start_ms"} - result.values.keys():
                raise InvalidAnswerError("measurements are missing")
            language = result.transcript.language
            times = [
                found.took_s,
                *result.values.values(),
                *result.counts.values(),
                *(one.end_s for one in result.transcript.segments),
            ]
            found = replace(
                found, result=replace(result, transcript=result.transcript.visible()), error=""
            )
        case _:
            pass
    if language not in ("", languages.AUTO, *languages.LANGUAGES):
        raise InvalidAnswerError(f"unknown language {language:.40}")
    if not all(0 <= time_s < _LONGEST_S for time_s in times):
        raise InvalidAnswerError("impossible time")
    return found
