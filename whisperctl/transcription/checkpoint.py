"""Where a run stands between two pieces of a recording, so that another run can go on there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whisperctl.transcript import Segment


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the next piece needs to know of those before it.

    ``position_s`` is where the next piece begins, in seconds from the recording's start.
    ``segments`` are those since the checkpoint before; a run that goes on is given all of them in
    one checkpoint. ``language`` is empty while no speech has been heard. ``previous_text`` is what
    the decoder is conditioned on. ``done`` says that the whole recording is transcribed.
    """

    position_s: float
    segments: tuple[Segment, ...]
    language: str = ""
    language_probability: float | None = None
    previous_text: str = ""
    done: bool = False


OnCheckpoint = Callable[[Checkpoint], None]
