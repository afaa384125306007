"""What becomes of each recording of a run, said before any time is spent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whisperctl.batch import journal
from whisperctl.batch.job import Job, Results
from whisperctl.batch.sources import Recording
from whisperctl.errors import OutputError, UsageError
from whisperctl.languages import LANGUAGES
from whisperctl.output import PlannedOutput, output_path, plan_outputs, remove_leftovers
from whisperctl.quoting import quoted
from whisperctl.source import STDIN

Skip = Literal["", "exists", "finished"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A recording, its results, and why it is left alone, if it is.

    ``exists`` is that all its results are there, ``finished`` that an earlier run wrote them.
    """

    recording: Recording
    outputs: tuple[PlannedOutput, ...]
    skip: Skip = ""


def plan(job: Job, recordings: Sequence[Recording]) -> list[Planned]:
    """Name all results, check that they can be written, and find what need not be done.

    Raises:
        UsageError: two results would get one name, or one would replace a recording.
        OutputError: a place cannot be written to.
    """
    results = job.results
    outputs: dict[str, list[PlannedOutput]] = {}
    if not results.to_stdout:
        for output in plan_outputs(
            [recording.name for recording in recordings],
            results.directory,
            results.formats,
            template=results.template,
            folders=[recording.folder for recording in recordings],
            language=results.language,
        ):
            outputs.setdefault(output.source, []).append(output)
    planned = []
    for recording in recordings:
        own = tuple(outputs.get(recording.name, ()))
        skip: Skip = ""
        if job.skip_existing and own and all(is_there(results, recording, one) for one in own):
            skip = "exists"
        elif job.resume and journal.finished(job, recording):
            skip = "finished"
        planned.append(Planned(recording, own, skip))
    return planned


def is_there(results: Results, recording: Recording, output: PlannedOutput) -> bool:
    """Whether a result exists; in whatever language, while that is open."""
    if not output.language_open:
        return os.path.lexists(output.path)
    from whisperctl.formats import extension

    return any(
        os.path.lexists(
            output_path(
                recording.name,
                results.directory,
                extension(output.format),
                template=results.template,
                folder=recording.folder,
                language=code,
            )
        )
        for code in LANGUAGES
    )


def prepare(job: Job, planned: Sequence[Planned]) -> None:
    """Make the directory for results, and clear away what killed runs left.

    Raises:
        OutputError: the directory cannot be made.
    """
    journal.prune()
    if not job.resume:
        journal.forget(job, [item.recording for item in planned if not item.skip])
    for folder in dict.fromkeys(output.path.parent for item in planned for output in item.outputs):
        remove_leftovers(folder)


def check_directory(directory: Path) -> None:
    """Make the directory that results go to.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{quoted(directory)} cannot be made a directory for the results "
            f"({error.strerror or error}): choose another with --output-dir"
        ) from error


def check_one(recordings: Sequence[Recording], results: Results) -> None:
    """Check that what goes to standard output is one thing.

    Raises:
        UsageError: several formats would go there.
    """
    if results.to_stdout and len(results.formats) != 1:
        raise UsageError(
            'standard output takes one format: give one --output-format with --output "-"'
        )


def label(recording: Recording) -> str:
    """The recording's name as sentences show it."""
    return "standard input" if recording.name == STDIN else quoted(recording.name)
