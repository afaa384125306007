"""What a run says of each recording while it works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whisperctl.transcript import Segment


@dataclass(frozen=True, slots=True)
class Started:
    """Work on the recording begins."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A segment is certain, or was when an earlier run stopped."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far it is, in seconds of audio; ``total_s`` is ``None`` when nobody knows."""

    done_s: float
    total_s: float | None


@dataclass(frozen=True, slots=True)
class Noted:
    """A remark, one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of Python's logging, from another process."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The result as text, where it was asked for instead of files."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """It went well. ``computed_s`` is the audio transcribed now and not in an earlier run.

    ``quality`` says what is off about the text, empty if nothing is.
    """

    duration_s: float
    computed_s: float
    n_segments: int
    language: str
    language_probability: float | None = None
    quality: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not; one line that names the recording or the result."""

    reason: str


Event = Started | Opened | Heard | Advanced | Noted | Logged | Written | Finished | Failed
OnEvent = Callable[[int, Event], None]
"""Gets the recording's place in the run, from 0, and what is said of it."""

KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (Started, Opened, Heard, Advanced, Noted, Logged, Written, Finished, Failed)
}
"""Every kind of event, by its name."""
