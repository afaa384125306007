"""Which cells are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.subjects import Subject
from whisperctl.compare.plan import Cell, ModelFile, PreparedRecording, Variant
from whisperctl.options import DecodeOptions

MODELS = ("tiny.en", "base")
FORMATS = ("f16", "q8_0", "q5_1")
THREADS = (1, 2)
JFK = "jfk"
LONG = "long"
RECORDINGS = (JFK, LONG)

OPTIONS = DecodeOptions(language="en", beam_size=1, temperature=0.0, temperature_increment=0.0)
"""Greedy and without fallback, so that every engine does the same work."""

_LONG_MODELS = ("tiny.en",)
_LONG_FORMATS = ("f16", "q8_0", "float32", "int8")


@dataclass(frozen=True, slots=True)
class SubjectVariant(Variant):
    """A variant that one of our subjects runs; ``weights.quant`` is the format that tables show."""

    subject: Subject


def subject(cell: Cell) -> Subject:
    """What runs a cell of ours."""
    assert isinstance(cell.variant, SubjectVariant)
    return cell.variant.subject


def start(variant: Variant) -> tuple[str, ...]:
    """The command of the process that runs one of our variants."""
    assert isinstance(variant, SubjectVariant)
    return variant.subject.start


def group(cell: Cell) -> tuple[str, str, int]:
    """What cells that are compared with each other have in common."""
    return cell.recording.label, cell.variant.weights.name, cell.variant.threads


def label(cell: Cell) -> str:
    """On one line."""
    one = cell.variant
    threads = f"{one.threads} thread{'s' if one.threads > 1 else ''}"
    return f"{subject(cell).label}, {one.weights.label}, {threads}, {cell.recording.label}"


def cells(
    subjects: Sequence[Subject],
    recordings: Sequence[PreparedRecording],
    path: Callable[[Subject, str, str], Path],
    models: Sequence[str] = MODELS,
    formats: Sequence[str] = FORMATS,
    threads: Sequence[int] = THREADS,
    *,
    whole: bool = True,
) -> list[Cell]:
    """Every cell, those that are compared with each other side by side.

    Args:
        subjects: what is measured.
        recordings: what is transcribed, by labels of ours.
        path: gives the file that a subject reads for a model and a format.
        models: by name.
        formats: those of whisper.cpp; a subject with others is measured with all of its own.
        threads: how many to compute with, each.
        whole: else the long recording is only for the smaller model in two formats.
    """
    every = dict.fromkeys([*formats, *(name for one in subjects for name in one.own_formats)])
    found = []
    for recording, model, n_threads, name in product(recordings, models, threads, every):
        long = recording.label == LONG
        if whole or not long or (model in _LONG_MODELS and name in _LONG_FORMATS):
            for one in subjects:
                if name in (one.own_formats or formats):
                    weights = ModelFile(model, name, path(one, model, name))
                    variant = SubjectVariant(one.engine(name), weights, n_threads, one)
                    found.append(Cell(recording, variant))
    return found
