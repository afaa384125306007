"""Which combinations are measured, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from bench.subjects import Subject

_T = TypeVar("_T")

MODELS = ("tiny.en", "base")
FORMATS = ("f16", "q8_0", "q5_1")
THREADS = (1, 2)
JFK = "jfk"
LONG = "long"
RECORDINGS = (JFK, LONG)

_LONG_MODELS = ("tiny.en",)
_LONG_FORMATS = ("f16", "q8_0", "float32", "int8")


@dataclass(frozen=True, slots=True)
class Combination:
    """One thing to measure, and a row of the table."""

    subject: Subject
    model: str
    format: str
    threads: int
    recording: str

    @property
    def group(self) -> tuple[str, str, int]:
        """What combinations that are compared with each other have in common."""
        return self.recording, self.model, self.threads

    @property
    def label(self) -> str:
        """On one line."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.subject.label}, {self.model} {self.format}, {threads}, {self.recording}"


def combinations(
    subjects: Sequence[Subject],
    models: Sequence[str] = MODELS,
    formats: Sequence[str] = FORMATS,
    threads: Sequence[int] = THREADS,
    recordings: Sequence[str] = RECORDINGS,
    *,
    whole: bool = True,
) -> list[Combination]:
    """Every combination, those that are compared with each other side by side.

    ``formats`` are those of whisper.cpp; an engine with others is measured with all of its own.
    Without ``whole`` the long recording is only for the smaller model in two formats.
    """
    every = dict.fromkeys([*formats, *(name for one in subjects for name in one.own_formats)])
    found = []
    for recording, model, n_threads, name in product(recordings, models, threads, every):
        if whole or recording != LONG or (model in _LONG_MODELS and name in _LONG_FORMATS):
            found += [
                Combination(subject, model, name, n_threads, recording)
                for subject in subjects
                if name in (subject.own_formats or formats)
            ]
    return found


def order(all_of_them: Iterable[Combination], repeat: int, repeats: int) -> list[Combination]:
    """The order of one repeat: groups stay together, and groups and their members take turns.

    Each repeat begins at another place of the list of groups, and at another place of each group,
    so that over all repeats each has been early and late.
    """
    groups: dict[tuple[str, str, int], list[Combination]] = {}
    for one in all_of_them:
        groups.setdefault(one.group, []).append(one)
    rotated = _rotated(list(groups.values()), repeat, repeats)
    return [one for group in rotated for one in _rotated(group, repeat, repeats)]


def _rotated(items: list[_T], repeat: int, repeats: int) -> list[_T]:
    start = repeat * len(items) // repeats if repeats else 0
    return items[start:] + items[:start]
