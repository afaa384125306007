"""The plan of a run: inputs, outputs and actions, decided before any time is spent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Literal

from whisperctl.audio.source import STDIN
from whisperctl.errors import OutputError
from whisperctl.jobs import journal
from whisperctl.jobs.deliver import PlannedOutput, is_there, plan_outputs
from whisperctl.jobs.job import Job, Results
from whisperctl.jobs.sources import Recording
from whisperctl.options import Clip, DecodeOptions, SubtitleOptions, TranscriptionOptions
from whisperctl.storage import files, state, urls
from whisperctl.text import counted, quoted, visible

Skip = Literal["", "exists", "finished"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A recording, its results, and why it is skipped, if it is.

    ``exists``: all its results exist. ``finished``: an earlier run wrote them.
    """

    recording: Recording
    outputs: tuple[PlannedOutput, ...]
    skip: Skip = ""


def plan(
    job: Job, recordings: Sequence[Recording], others: Sequence[tuple[str, Path]] = ()
) -> list[Planned]:
    """Name all results, check that they can be written, and find recordings to skip.

    Args:
        job: what to do.
        recordings: what to do it with.
        others: files that no result may replace, besides recordings and models; see
            ``plan_outputs``.

    Raises:
        UsageError: two results would get one name, or one would replace an input.
        OutputError: a result cannot be written.
    """
    results = job.results
    if results.url:
        urls.check_folder(results.url)
    outputs: dict[str, list[PlannedOutput]] = {}
    if not results.to_stdout:
        for output in plan_outputs(
            [recording.name for recording in recordings],
            results.directory,
            results.formats,
            template=results.template,
            folders=[recording.folder for recording in recordings],
            language=results.language,
            makes_directory=True,
            url=results.url,
            others=[("the model", job.model), *others],
        ):
            outputs.setdefault(output.source, []).append(output)
    keys = journal.Keys(job)
    planned = []
    for recording in recordings:
        own = tuple(outputs.get(recording.name, ()))
        skip: Skip = ""
        if job.skip_existing and own and all(is_there(results, recording, one) for one in own):
            skip = "exists"
        elif job.resume and journal.finished(job, recording, keys):
            skip = "finished"
        if not skip and not job.skip_existing and not results.url:
            for output in own:
                files.check_replaceable(output.path)
        planned.append(Planned(recording, own, skip))
    return planned


def prepare(job: Job, planned: Sequence[Planned]) -> None:
    """Make the directory for results, and remove leftovers of earlier runs.

    Raises:
        OutputError: the directory cannot be made.
    """
    if job.results.formats and not job.results.to_stdout and not job.results.url:
        try:
            job.results.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"output directory {quoted(job.results.directory)} cannot be created "
                f"({files.reason(error)}): choose another with --output-dir"
            ) from error
    state.prune()
    if not job.resume:
        journal.forget(job, [item.recording for item in planned if not item.skip])
    outputs = (output for item in planned for output in item.outputs if not output.url)
    for folder in dict.fromkeys(output.path.parent for output in outputs):
        files.remove_leftovers(folder)


def with_language(
    results: Results, model: Path, decoding: DecodeOptions, subtitles: SubtitleOptions
) -> Results:
    """Set the language of results, if it is known before the run, and their layout.

    Raises:
        ModelError: the model is not a ggml file.
        UsageError: the model does not know the language.
    """
    from whisperctl import languages
    from whisperctl.models import ggml

    info = ggml.inspect(model)
    if decoding.task == "translate" or not info.multilingual:
        language = "en"
    elif decoding.language == languages.AUTO:
        language = ""
    else:
        language = languages.resolve(decoding.language, True, decoding.task)
    return replace(results, language=language, subtitles=subtitles)


_WHY = {"exists": "skipped: its results exist", "finished": "skipped: finished before"}


def describe(job: Job, planned: Sequence[Planned]) -> Iterator[str]:
    """Lines that say what would be read and written, with which model, engine and options."""
    yield f"model: {quoted(job.model)}"
    yield f"engine: {job.engine.label}, {counted(job.threads, 'thread')}"
    changed = [
        *_changed(job.options, TranscriptionOptions()),
        *_changed(job.results.subtitles, SubtitleOptions()),
    ]
    yield f"options: {visible(', '.join(changed)) or 'the defaults'}"
    for item in planned:
        name = item.recording.label
        if item.skip:
            yield f"{name}: {_WHY[item.skip]}"
        elif is_missing(item.recording):
            yield f"{name}: does not exist"
        elif item.outputs:
            yield f"{name} -> {', '.join(quoted(output.place) for output in item.outputs)}"
        else:
            yield f"{name} -> standard output"


def is_missing(recording: Recording) -> bool:
    """Return true if a recording is a path where nothing is."""
    name = recording.name
    return name != STDIN and not recording.is_url and not os.path.lexists(name)


def _changed(options: object, default: object) -> Iterator[str]:
    """Options that differ from their defaults, as text."""
    assert is_dataclass(options)
    for field in fields(options):
        value, usual = getattr(options, field.name), getattr(default, field.name)
        name, unit = field.name, ""
        for suffix, shown in (("_ms", " ms"), ("_s", " s")):
            if name.endswith(suffix):
                name, unit = name.removesuffix(suffix), shown
        name = name.replace("_", " ")
        if is_dataclass(value) and not isinstance(value, type):
            if usual is None:
                yield name
            yield from _changed(value, type(value)() if usual is None else usual)
        elif value == usual:
            pass
        elif isinstance(value, bool):
            yield name if value else f"no {name}"
        else:
            yield f"{name} {_shown(value)}{unit}"


def _shown(value: object) -> object:
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, tuple) and all(isinstance(item, Clip) for item in value):
        ends = ((clip.start_s, clip.end_s) for clip in value)
        return ", ".join(f"{start:g}-{'' if end is None else f'{end:g}'}" for start, end in ends)
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str | int) else repr(value)
