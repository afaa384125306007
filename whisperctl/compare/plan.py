"""The plan of a comparison: recordings, variants, and the order of their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.engine.registry import Engine

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.compare.references import Reference
    from whisperctl.options import DecodeOptions


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file: ``name`` as people call it (``tiny.en``) and how it is quantized (``q8_0``)."""

    name: str
    quant: str
    path: Path

    @property
    def label(self) -> str:
        """On one line."""
        return f"{self.name} {self.quant}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to transcribe a recording, compared with the others."""

    engine: Engine
    weights: ModelFile
    threads: int

    @property
    def label(self) -> str:
        """On one line."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.engine.label}, {self.weights.label}, {threads}"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRecording:
    """What is transcribed.

    ``label`` tells it from the others of one plan: its file's name, or its path where two names
    are alike. ``path`` is ``None`` for standard input. ``audio_track`` is the number or language of
    the track that was asked for, if one was, and ``decoder`` the choice of the decoder.
    ``filters`` were applied to ``audio``, in order.
    """

    label: str
    path: Path | None
    audio: Audio
    reference: Reference | None = None
    audio_track: str | None = None
    decoder: str = AUTO
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One recording by one variant: what is measured ``Plan.repeats`` times."""

    recording: PreparedRecording
    variant: Variant


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be measured.

    ``warm_up`` makes every process transcribe the recording's first window before what counts.
    ``only`` are the cells to measure, in order, where that is not the cross product.
    """

    recordings: tuple[PreparedRecording, ...]
    variants: tuple[Variant, ...]
    options: DecodeOptions
    repeats: int = 1
    warm_up: bool = True
    only: tuple[Cell, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cross product: recording by recording, and in each the variants in order."""
        return self.only or tuple(
            Cell(recording, variant) for recording in self.recordings for variant in self.variants
        )


T = TypeVar("T")


def interleaved(groups: Sequence[Sequence[T]], repeat: int, repeats: int) -> list[T]:
    """The order of one repeat: groups stay together, and groups and their members take turns.

    Each repeat begins at another place of the list of groups, and at another place of each group,
    so that over all repeats each has been early and late.

    Args:
        groups: what is compared with each other, a group each.
        repeat: which one, from 0.
        repeats: how many there are.
    """
    return [
        one for group in _turned(groups, repeat, repeats) for one in _turned(group, repeat, repeats)
    ]


def _turned(items: Sequence[T], repeat: int, repeats: int) -> list[T]:
    start = repeat * len(items) // repeats
    return [*items[start:], *items[:start]]
