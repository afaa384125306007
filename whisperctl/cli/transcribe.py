"""``whisperctl transcribe``: recordings to text on standard output, and to files."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.options.flags import with_flags
from whisperctl.cli.options.settings import Settings
from whisperctl.cli.options.transcription import TranscribeFlags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError
from whisperctl.formats import ALL, FORMATS

if TYPE_CHECKING:
    from whisperctl.jobs.job import Job, RecordingLimits, Results
    from whisperctl.jobs.plan import Planned

_STDOUT = "-"


@with_flags
def transcribe(
    flags: TranscribeFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help='Audio or video files, folders of them, or quoted patterns such as "**/*.mp4"; '
            '"-" is standard input.',
            show_default=False,
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            "-r",
            help="Look for recordings in the folders within folders too.",
            rich_help_panel=topics.MANY,
        ),
    ] = False,
    files_from: Annotated[
        list[str] | None,
        typer.Option(
            "--files-from",
            metavar="LIST",
            help='Take names from a file, one a line; "-" is standard input.',
            rich_help_panel=topics.MANY,
        ),
    ] = None,
    null: Annotated[
        bool,
        typer.Option(
            "--null",
            "-0",
            help="Names in lists end with NUL, as of find -print0.",
            rich_help_panel=topics.MANY,
        ),
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            help="Backend to use.",
            autocompletion=completion.engines,
            show_default="native, or the first that works",
            rich_help_panel=topics.ENGINE,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="The backend's runtime.",
            autocompletion=completion.runtimes,
            show_default="the first that works",
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
            help=f"Write files as well: {', '.join(FORMATS)}, or {ALL}; several with commas.",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            metavar="DIRECTORY",
            help="Where the files go; made if it is missing.",
            show_default="the current directory",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="NAME",
            help="How files are named, with {stem}, {name}, {lang} and {ext} filled in; "
            '"-" writes one format to standard output, without the segments.',
            show_default="{stem}.{ext}",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave result files alone that are there, and recordings that have all of theirs.",
            rich_help_panel=topics.MANY,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where a run that was stopped left off, in the middle of a recording too.",
            rich_help_panel=topics.MANY,
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            help="Recordings to work on at once, each in a process with the model loaded.",
            rich_help_panel=topics.MANY,
        ),
    ] = 1,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="NAME",
            help="Executor that runs the transcriptions: this process, worker processes, or a "
            "plugin.",
            autocompletion=completion.executors,
            show_default="the preferred one that can do what is asked for",
            rich_help_panel=topics.MANY,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            help="Give a recording up that takes longer.",
            rich_help_panel=topics.MANY,
        ),
    ] = None,
    stall_timeout: Annotated[
        float | None,
        typer.Option(
            "--stall-timeout",
            metavar="SECONDS",
            help="Fail a recording if the engine makes no progress for this long; 0 for no limit.",
            show_default="1800",
            rich_help_panel=topics.MANY,
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory",
            metavar="SIZE",
            help="Give a recording up that takes more memory, such as 2G or 500M.",
            rich_help_panel=topics.MANY,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what would be read and written, and do nothing.",
            rich_help_panel=topics.MANY,
        ),
    ] = False,
) -> None:
    """Print what is said in recordings, and write subtitles.

    Each segment is printed as soon as it is decided.
    The text goes to standard output, everything else to standard error. No file is written unless
    --output-format asks for it; then talk.mp4 gives talk.srt, in the current directory or the one
    of --output-dir. A recording that fails does not stop the others.
    """
    from whisperctl.cli.options import subtitles
    from whisperctl.cli.support import console, logs
    from whisperctl.engine import registry, stall
    from whisperctl.jobs import executors, plan, sources
    from whisperctl.jobs.job import Job
    from whisperctl.transcription.transcriber import find_vad_model

    if not files and not files_from:
        raise UsageError(
            'no recording is named: give files to transcribe, or "-" for standard input; '
            "see: whisperctl transcribe --help"
        )
    results = _results(output_format or [], output_dir, output)
    limits = _limits(jobs, timeout, max_memory)
    stall_timeout_s = stall.timeout(stall.TIMEOUT_S if stall_timeout is None else stall_timeout)
    lists = [sources.FileList(name, null_separated=null) for name in files_from or []]
    recordings = sources.find(files or [], lists, recursive=recursive)
    if executor is not None:
        executors.choose(executor, min(jobs, len(recordings)), limits)
    settings = flags.resolve()
    engine = registry.choose(backend, runtime)
    job = Job(
        engine,
        settings.model,
        _threads(flags, settings, min(jobs, len(recordings))),
        settings.transcription,
        plan.with_language(results, settings.model, settings.decoding, settings.subtitles),
        vad_model=find_vad_model(settings.transcription, settings.vad_model),
        resume=resume,
        skip_existing=skip_existing,
        logs=logs.ROOT.isEnabledFor(logging.DEBUG),
        stall_timeout_s=stall_timeout_s,
    )
    others = [("the list", Path(name)) for name in files_from or [] if name != _STDOUT]
    for what, path in (
        ("the prompt", flags.decoding.initial_prompt_file),
        ("the log", flags.messages.log_file),
    ):
        if path is not None:
            others.append((what, path))
    planned = plan.plan(job, recordings, others)
    warning = subtitles.ignored(results.formats, settings.subtitles)
    if warning and not flags.messages.quiet:
        console.note(warning)
    if dry_run:
        _print_plan(job, planned)
        return
    failed = _run(job, planned, flags, jobs, limits, executor)
    if failed:
        raise typer.Exit(1)


def _run(
    job: Job,
    planned: Sequence[Planned],
    flags: TranscribeFlags,
    jobs: int,
    limits: RecordingLimits,
    executor: str | None,
) -> bool:
    """Run what is planned; True if anything failed."""
    from whisperctl.cli.support import console, logs
    from whisperctl.cli.support.progress import Bars
    from whisperctl.cli.support.reporter import Reporter
    from whisperctl.formats import console as lines
    from whisperctl.jobs import executors, plan, runner

    messages = flags.messages
    quiet = messages.quiet
    colors = logs.colored(messages.print_colors, sys.stdout)
    plan.prepare(job, planned)
    due = [item.recording for item in planned if not item.skip]
    n_finished = sum(item.skip == "finished" for item in planned)
    n_existing = sum(item.skip == "exists" for item in planned)
    if n_finished and not quiet:
        console.note(f"{n_finished} of {len(planned)} recordings were finished before")
    if n_existing and not quiet:
        console.note(f"{n_existing} of {len(planned)} recordings are skipped: their results exist")
    if not due:
        return False
    with Bars(due, wanted=not (quiet or messages.verbose)) as bars:
        reporter = Reporter(
            due,
            bars,
            partial(lines.line, times=messages.timestamps, colors=colors),
            several=len(planned) > 1,
            quiet=quiet,
            shows_segments=not job.results.to_stdout,
            writes_files=bool(job.results.formats) and not job.results.to_stdout,
        )
        jobs = min(jobs, len(due))
        chosen = executors.choose(executor, jobs, limits)
        runner.run(job, due, reporter.event, jobs=jobs, limits=limits, executor=chosen)
    reporter.summarize(len(planned))
    return bool(reporter.failures)


def _print_plan(job: Job, planned: Sequence[Planned]) -> None:
    from whisperctl.cli.support import console
    from whisperctl.jobs.plan import describe

    for line in describe(job, planned):
        console.result(line)


def _results(output_format: Sequence[str], directory: Path | None, output: str | None) -> Results:
    from whisperctl.formats import parse
    from whisperctl.jobs.deliver import TEMPLATE
    from whisperctl.jobs.job import Results

    formats = parse(output_format)
    if output == _STDOUT:
        if len(formats) != 1 or directory is not None:
            raise UsageError(
                '--output "-" writes one format to standard output: give one --output-format, '
                "and no --output-dir"
            )
        return Results(tuple(formats), to_stdout=True)
    suffix = Path(output or "").suffix[1:]
    if not formats and suffix in FORMATS:
        formats = [suffix]  # as its name says
    if not formats and (directory is not None or output is not None):
        option = "--output" if directory is None else "--output-dir"
        raise UsageError(f"{option} needs --output-format, which says what files to write")
    return Results(tuple(formats), directory or Path(), output or TEMPLATE)


def _limits(jobs: int, timeout: float | None, max_memory: str | None) -> RecordingLimits:
    from whisperctl.jobs.job import RecordingLimits, size_bytes

    if jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
    return RecordingLimits(timeout, None if max_memory is None else size_bytes(max_memory))


def _threads(flags: TranscribeFlags, settings: Settings, jobs: int) -> int:
    """Threads for each recording: those asked for, else a share of the processors."""
    if flags.engine.threads is not None or jobs < 2:
        return settings.threads
    from whisperctl.jobs.runner import share_of_threads

    return share_of_threads(settings.threads, jobs)
