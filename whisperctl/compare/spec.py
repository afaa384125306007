"""What is to be compared: the same samples, model and options for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl import engines
from whisperctl.engines import Engine, Unavailable
from whisperctl.errors import BackendError

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.decoding import DecodeOptions
    from whisperctl.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Job:
    """What every engine gets."""

    audio: Audio
    model: Path
    threads: int
    options: DecodeOptions


@dataclass(frozen=True, slots=True)
class Cell:
    """What one engine made of a job: a transcript, or in ``error`` why there is none.

    ``open_ms`` is the time that loading the model and starting the engine took.
    """

    engine: Engine
    transcript: Transcript | None = None
    open_ms: float | None = None
    error: str = ""


def plan(asked: Sequence[str]) -> tuple[list[Engine], list[Unavailable]]:
    """The engines to run, in order, and those left out because they do not work here.

    Args:
        asked: ``BACKEND[/RUNTIME]`` each; none of them stands for every engine that works.

    Raises:
        UsageError: a backend or runtime is unknown.
        BackendError: a backend that was asked for is not installed, or nothing works here.
    """
    if asked:
        chosen = [engines.settle(engines.parse(text)) for text in asked]
        return list(dict.fromkeys(chosen)), []
    usable, others = engines.available()
    if not usable:
        reasons = "; ".join(f"{other.engine.label}: {other.problem}" for other in others)
        raise BackendError(f"no backend can be used here ({reasons})")
    return usable, others
