"""A plan in words, for a person who wants to see it before it is carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass

from whisperctl.batch.job import Job
from whisperctl.batch.plan import Planned, label
from whisperctl.formats.layout import SubtitleOptions
from whisperctl.quoting import quoted, visible
from whisperctl.transcription.options import TranscriptionOptions

_WHY = {"exists": "skipped: its results exist", "finished": "skipped: finished before"}


def describe(job: Job, planned: Sequence[Planned]) -> Iterator[str]:
    """What would be read, with what, and what would be written, a line each."""
    yield f"model: {quoted(job.model)}"
    yield f"engine: {job.engine.label}, {job.threads} thread{'s' if job.threads > 1 else ''}"
    changed = [
        *_changed(job.options, TranscriptionOptions()),
        *_changed(job.results.subtitles, SubtitleOptions()),
    ]
    yield f"options: {visible(', '.join(changed)) or 'the defaults'}"
    for item in planned:
        name = label(item.recording)
        if item.skip:
            yield f"{name}: {_WHY[item.skip]}"
        elif item.outputs:
            yield f"{name} -> {', '.join(quoted(output.path) for output in item.outputs)}"
        else:
            yield f"{name} -> standard output"


def _changed(options: object, default: object) -> Iterator[str]:
    """Options that are not as they would be by themselves."""
    assert is_dataclass(options)
    for field in fields(options):
        value, usual = getattr(options, field.name), getattr(default, field.name)
        if is_dataclass(value) and is_dataclass(usual):
            yield from _changed(value, usual)
        elif value != usual:
            name = field.name.replace("_", " ")
            shown = value if isinstance(value, str | int | float) else repr(value)
            yield name if value is True else f"no {name}" if value is False else f"{name} {shown}"
