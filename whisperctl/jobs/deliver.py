"""Results: how they are named and planned before work, and written after it."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, TextIO

from whisperctl.audio.source import STDIN
from whisperctl.errors import OutputError, UsageError
from whisperctl.formats import FORMATS, Writer, extension, writer
from whisperctl.languages import LANGUAGES
from whisperctl.storage import files, urls
from whisperctl.text import quoted
from whisperctl.transcript import Transcript

if TYPE_CHECKING:
    from whisperctl.jobs.job import Job, Results
    from whisperctl.jobs.sources import Recording

TEMPLATE = "{stem}.{ext}"
"""Default name of a result: ``talk.mp4`` gives ``talk.srt``."""

_PLACEHOLDERS = ("stem", "name", "lang", "ext")
_INPUT = "the input"


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """One file to write: ``source`` as the person named it, in the format ``format``.

    While the language is unknown (``language_open``), ``path`` holds ``{lang}`` in its place. With
    ``url``, ``path`` is below that URL.
    """

    source: str
    format: str
    path: Path
    language_open: bool = False
    url: str = ""

    @property
    def place(self) -> str:
        """Path or URL of the file."""
        return urls.join(self.url, self.path) if self.url else str(self.path)


def output_path(
    source: str | Path,
    directory: Path | None,
    extension: str,
    *,
    template: str = TEMPLATE,
    folder: str = "",
    language: str = "",
) -> Path:
    """Name the file for one source in one format.

    Args:
        source: a recording, or ``"-"``, whose output is called ``stdin``.
        directory: directory of the file; ``None`` is that of the recording, or the current one if
            the recording is standard input, a pipe or a URL.
        extension: the format's file extension.
        template: the name, with ``{stem}`` and ``{name}`` for the recording's name without and with
            its extension, ``{lang}`` for the language and ``{ext}`` for ``extension``.
        folder: a path below ``directory`` that comes before the name.
        language: value of ``{lang}``; empty leaves the placeholder.

    Raises:
        UsageError: the template holds another placeholder, or an unmatched brace.
    """
    name = "stdin" if str(source) == STDIN else urls.file_name(str(source))
    stem = Path(name).stem
    if stem == os.pardir:  # of "...wav"; a template may make a directory of it
        stem = name
    if directory is None:
        path = Path(source)
        alone = urls.is_url(str(source)) or files.is_special(path)
        directory = Path() if alone else path.parent
    values = {"stem": stem, "name": name, "lang": language or "{lang}", "ext": extension}
    parts = []
    for text, field in _parsed(template):
        parts.append(text)
        if field is not None:
            parts.append(values[field])
    return directory / folder / "".join(parts)


def has_language(template: str) -> bool:
    """True if names made by the template hold the language.

    Raises:
        UsageError: the template holds an unknown placeholder, or an unmatched brace.
    """
    return any(field == "lang" for _, field in _parsed(template))


def _parsed(template: str) -> list[tuple[str, str | None]]:
    known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    try:
        fields = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(
            f"the output name {quoted(template)} has an unmatched brace: write {{{{ or }}}} "
            f"for a literal brace, and {known} for fields"
        ) from error
    for _, field, spec, conversion in fields:
        if field is not None and (field not in _PLACEHOLDERS or spec or conversion):
            raise UsageError(
                f"the output name {quoted(template)} has an unknown field {{{field}}}: "
                f"choose from {known}"
            )
    last = Path(template).name
    if not last or last in (os.curdir, os.pardir) or template.endswith("/"):
        raise UsageError(f"the output name {quoted(template)} is not a file name: try {TEMPLATE}")
    return [(text, field) for text, field, _, _ in fields]


def plan_outputs(
    sources: Sequence[str | Path],
    directory: Path | None,
    formats: Sequence[str],
    *,
    template: str = TEMPLATE,
    folders: Sequence[str] = (),
    language: str = "",
    makes_directory: bool = False,
    url: str = "",
    others: Sequence[tuple[str, Path]] = (),
) -> list[PlannedOutput]:
    """Name and check every file that a run will write, before it spends time on anything.

    A format named twice counts once. Directories below ``directory`` need not exist.

    Args:
        sources: the recordings.
        directory: where to write, as for ``output_path``.
        formats: names of formats.
        template: how to name the files, as for ``output_path``.
        folders: path below ``directory`` for each source; empty for none.
        language: language of all recordings, if it is known before they are transcribed.
        makes_directory: True if ``directory`` need not exist either.
        url: URL that ``directory`` is below, if it is not on a disk.
        others: other files that must not be replaced, each with its description, such as
            "the list".

    Raises:
        UsageError: two files would get one name, one would replace a recording or another input, or
            the template cannot be filled in.
        OutputError: a directory to write to is missing or may not be written to, a file's name is a
            directory's, or a file system does not take a name or path.
    """

    def shown(name: str) -> str:
        return quoted(urls.shown(name))

    language_open = not language and has_language(template)
    inputs = {files.identity(path): (what, str(path)) for what, path in others}
    inputs |= {
        shown if remote else files.identity(Path(shown)): (_INPUT, shown)
        for shown, remote in ((urls.shown(str(s)), urls.is_url(str(s))) for s in sources)
        if shown != STDIN
    }
    planned: dict[object, PlannedOutput] = {}
    alike: dict[str, PlannedOutput] = {}
    for source, folder in zip(map(str, sources), folders or [""] * len(sources), strict=True):
        for fmt in dict.fromkeys(formats):
            path = output_path(
                source,
                directory,
                extension(fmt),
                template=template,
                folder=folder,
                language=language,
            )
            output = PlannedOutput(source, fmt, path, language_open, url)
            if url and (path.is_absolute() or os.pardir in path.parts):
                raise UsageError(
                    f"{quoted(str(path))} is not below {quoted(url)}: choose another output name"
                )
            if not url:
                files.check_name(
                    output_path(
                        source,
                        directory,
                        extension(fmt),
                        template=template,
                        folder=folder,
                        language=language or max(LANGUAGES, key=len),
                    )
                )
            key = output.place if url else files.identity(path)
            if key in inputs:
                raise files.replaces(output.place, *inputs[key])
            other = planned.setdefault(key, output)
            if other is output and not url:
                twin = alike.setdefault(_folded(path), output)
                if twin is not output and _one_file(twin.path, path):
                    other = twin
            if other is not output and (other.source != source or other.format == fmt):
                raise UsageError(
                    f"{shown(other.source)} and {shown(source)} would both be written to "
                    f"{quoted(output.place)}: rename one, or keep their endings with "
                    '--output "{name}.{ext}"'
                )
            if other is not output:
                raise UsageError(
                    f"formats {other.format} and {fmt} of {shown(source)} would both be written "
                    f"to {quoted(output.place)}: put {{ext}} into the output name"
                )
            if not url:
                files.check_folder(path, None if makes_directory else directory)
    return list(planned.values())


def _folded(path: Path) -> str:
    """Value that is equal for names that a file system may take for one."""
    name = unicodedata.normalize("NFC", os.path.realpath(path))
    return unicodedata.normalize("NFC", name.casefold())


def _one_file(one: Path, other: Path) -> bool:
    """True if two names that differ in case or in how characters are composed name one file.

    Where neither exists, the file system is asked, with an empty directory that is removed at once.
    """
    if files.status_of(one) is not None or files.status_of(other) is not None:
        return False  # or their identities would be the same
    place = files.nearest(one.parent)
    probe = files.temporary_beside(place / "any")
    first, second = (Path(os.path.realpath(path)).parts for path in (one, other))
    differing = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    try:
        probe.mkdir(mode=0o700)
        try:
            return all(_same_name(probe, a, b) for a, b in differing)
        finally:
            probe.rmdir()
    except OSError:
        return False  # whoever tries to write there says what is wrong


def _same_name(folder: Path, one: str, other: str) -> bool:
    """True if two names stand for one file in an empty directory, which is left empty."""
    file = folder / one
    file.touch(exist_ok=False)
    try:
        return os.path.lexists(folder / other)
    finally:
        file.unlink()


def is_there(results: Results, recording: Recording, output: PlannedOutput) -> bool:
    """True if a result exists; in any language, while the language is unknown."""
    paths = [output.path]
    if output.language_open:
        paths = [_path_of(results, recording, output.format, code) for code in LANGUAGES]
    if results.url:
        return urls.any_exists([urls.join(results.url, path) for path in paths])
    return any(os.path.lexists(path) for path in paths)


@dataclass(frozen=True, slots=True)
class WrittenResults:
    """Files of a recording by path or URL, or the text of its one format where none is written.

    ``kept`` are those of ``places`` that existed before and were not written. ``warning`` says
    which cues do not keep to the profile of subtitles.
    """

    places: tuple[str, ...] = ()
    text: str | None = None
    kept: tuple[str, ...] = ()
    warning: str | None = None


def write_results(job: Job, recording: Recording, transcript: Transcript) -> WrittenResults:
    """Write the results of a recording, each file whole or not at all.

    With ``job.skip_existing`` files that exist are kept.

    Raises:
        OutputError: one cannot be written.
    """
    results = job.results
    if results.to_stdout:
        return WrittenResults(
            text="".join(_text(results, name, transcript) for name in results.formats),
            warning=_not_kept(results, transcript),
        )
    # The text of a translation is English, whatever was spoken.
    language = "en" if transcript.task == "translate" else transcript.language
    places: list[str] = []
    kept: list[str] = []
    for name in results.formats:
        path = _path_of(results, recording, name, results.language or language or "und")
        place = urls.join(results.url, path) if results.url else str(path)
        places.append(place)
        if results.url:
            if job.skip_existing and urls.any_exists([place]):
                kept.append(place)
            else:
                urls.write(place, _text(results, name, transcript).encode("utf-8"))
            continue
        if job.skip_existing and os.path.lexists(path):
            kept.append(place)
            continue
        _make_folder(path)
        write = writer(name)

        def write_to(out: TextIO, write: Writer = write) -> None:
            write(transcript, out, results.subtitles)

        files.write_atomic(path, write_to)
    return WrittenResults(tuple(places), kept=tuple(kept), warning=_not_kept(results, transcript))


def _text(results: Results, name: str, transcript: Transcript) -> str:
    """A transcript in one format."""
    text = io.StringIO()
    writer(name)(transcript, text, results.subtitles)
    return text.getvalue()


def _not_kept(results: Results, transcript: Transcript) -> str | None:
    if results.subtitles.profile is None:
        return None
    from whisperctl.subtitles.lint import not_kept

    if not any("max_line_count" in FORMATS[name].honours for name in results.formats):
        return None
    return not_kept(transcript, results.subtitles)


def _path_of(results: Results, recording: Recording, name: str, language: str) -> Path:
    return output_path(
        recording.name,
        results.directory,
        extension(name),
        template=results.template,
        folder=recording.folder,
        language=language,
    )


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{quoted(path)} cannot be written: its directory cannot be made "
            f"({files.reason(error)}); choose another"
        ) from error
