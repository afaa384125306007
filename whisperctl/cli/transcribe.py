"""``whisperctl transcribe``: recordings to text on standard output, and to files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion, console
from whisperctl.cli.options import MessageFlags, Settings, TranscribeFlags, topics, with_flags
from whisperctl.errors import AudioError, BackendError, OutputError, UsageError
from whisperctl.formats import FORMATS
from whisperctl.quoting import quoted

if TYPE_CHECKING:
    from whisperctl.audio import Audio
    from whisperctl.backend import Session
    from whisperctl.engines import Engine
    from whisperctl.output import PlannedOutput
    from whisperctl.transcript import Segment, Transcript

_ALL = "all"


@with_flags
def transcribe(
    flags: TranscribeFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help='Audio or video files; "-" is standard input.',
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            help="Backend to use.",
            autocompletion=completion.engines,
            rich_help_panel=topics.ENGINE,
            show_default="native, or the first that works",
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="The backend's runtime.",
            show_default="the first that works",
            autocompletion=completion.runtimes,
            rich_help_panel=topics.ENGINE,
        ),
    ] = None,
    output_format: Annotated[
        list[str] | None,
        typer.Option(
            "--output-format",
            "-f",
            metavar="FORMAT",
            autocompletion=completion.formats,
            rich_help_panel=topics.OUTPUT,
            help=f"Write files as well: {', '.join(FORMATS)}, or {_ALL}; several with commas.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            metavar="DIRECTORY",
            rich_help_panel=topics.OUTPUT,
            help="Where the files go; made if it is missing.",
            show_default="the current directory",
        ),
    ] = None,
) -> None:
    """Print what is said in recordings, and write subtitles.

    Each segment is printed as soon as it is decided.
    The text goes to standard output, everything else to standard error. No file is written unless
    --output-format asks for it; then talk.mp4 gives talk.srt, in the current directory or the one
    of --output-dir. A recording that fails does not stop the others.
    """
    sources = files or []
    if not sources:
        raise UsageError(
            'no recording is named: give files to transcribe, or "-" for standard input; '
            "see: whisperctl transcribe --help"
        )
    if sources.count("-") > 1:
        raise UsageError('standard input can be read once: give "-" once')
    formats = _formats(output_format or [])
    if output_dir is not None and not formats:
        raise UsageError("--output-dir needs --output-format, which says what files to write")

    from whisperctl import engines

    settings = flags.resolve()
    engine = engines.choose(backend, runtime)
    outputs = _prepare_outputs(sources, output_dir or Path(), formats)
    with ExitStack() as stack:
        run = _Run(engine, settings, outputs, stack, messages=flags.messages)
        failed = [source for source in sources if not run.one(source, several=len(sources) > 1)]
    if failed and len(sources) > 1:
        names = ", ".join(quoted(source) for source in failed)
        console.error(f"{len(failed)} of {len(sources)} recordings failed: {names}")
    if failed:
        raise typer.Exit(1)


class _Run:
    """One command: a model that is loaded once, and recordings one after the other."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        outputs: Sequence[PlannedOutput],
        stack: ExitStack,
        *,
        messages: MessageFlags,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._outputs = outputs
        self._stack = stack
        self._messages = messages
        self._quiet = messages.quiet
        self._session: Session | None = None

    def one(self, source: str, *, several: bool) -> bool:
        """Transcribe one recording; whether that went well."""
        from whisperctl import audio

        if several and not self._quiet:
            console.heading(source)
        try:
            recording = audio.load(source)
        except AudioError as error:
            console.error(str(error))
            return False
        if not self._quiet:
            for warning in recording.warnings:
                console.note(f"warning: {warning}")
        session = self._opened()  # what fails here fails for every recording
        try:
            transcript = self._transcribe(session, recording)
        except BackendError as error:
            console.error(f"{quoted(recording.source)}: {error}")
            return False
        try:
            self._write(source, transcript)
        except OutputError as error:
            console.error(str(error))
            return False
        return True

    def _opened(self) -> Session:
        # Only when there is something to transcribe, so that a mistyped name shows at once.
        if self._session is None:
            from whisperctl import engines

            settings = self._settings
            session = engines.open_session(self._engine, settings.model, threads=settings.threads)
            self._session = self._stack.enter_context(session)
        return self._session

    def _transcribe(self, session: Session, recording: Audio) -> Transcript:
        from whisperctl.cli import logs
        from whisperctl.formats import console as lines

        colors = logs.colored(self._messages.print_colors, sys.stdout)

        def on_segment(segment: Segment) -> None:
            console.result(lines.line(segment, times=self._messages.timestamps, colors=colors))

        with console.progress(
            recording.source, wanted=not (self._quiet or self._messages.verbose)
        ) as on_progress:
            transcript = session.transcribe(
                recording, self._settings.decoding, on_segment=on_segment, on_progress=on_progress
            )
        logs.timings(transcript)
        if not self._quiet:
            self._report(recording, transcript)
        return transcript

    def _report(self, recording: Audio, transcript: Transcript) -> None:
        from whisperctl.languages import LANGUAGES

        if not transcript.segments:
            console.note(f"no speech found in {quoted(recording.source)}")
        elif transcript.language_probability is not None:
            name = LANGUAGES.get(transcript.language, transcript.language).title()
            console.note(f"detected language: {name} (p = {transcript.language_probability:.2f})")

    def _write(self, source: str, transcript: Transcript) -> None:
        from whisperctl.output import write_atomic

        for output in self._outputs:
            if output.source == source:
                writer = FORMATS[output.format]
                write_atomic(output.path, partial(writer, transcript))


def _formats(asked: Sequence[str]) -> list[str]:
    """Names of formats, from options that may each hold several with commas."""
    from whisperctl import formats

    names = [name.strip().lower() for option in asked for name in option.split(",")]
    if _ALL in names:
        return list(FORMATS)
    for name in names:
        formats.writer(name)
    return list(dict.fromkeys(names))


def _prepare_outputs(
    sources: Sequence[str], directory: Path, formats: Sequence[str]
) -> list[PlannedOutput]:
    from whisperctl.output import plan_outputs

    if not formats:
        return []
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{quoted(directory)} cannot be made a directory for the results "
            f"({error.strerror or error}): choose another with --output-dir"
        ) from error
    return plan_outputs(sources, directory, formats)
