"""``whisperctl transcribe``: recordings to text on standard output, and to files."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli.options import with_flags
from whisperctl.cli.options.running import OutputFlags, RunFlags
from whisperctl.cli.options.transcription import Settings, TranscribeFlags, ignored
from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS
from whisperctl.text import quoted, unknown

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
            help="Audio or video files, directories of them, or quoted patterns such as "
            '"**/*.mp4", also as URLs (https, s3, gs); "-" is standard input.',
            show_default=False,
        ),
    ] = None,
) -> None:
    """Transcribe recordings to text and subtitles.

    Segments are printed to standard output as they are decoded, messages to standard error. Files
    are written only with --output-format: talk.mp4 becomes talk.srt, in the current directory or in
    --output-dir. If a recording fails, the others are still transcribed.
    """
    from whisperctl.cli.support import console
    from whisperctl.engine import registry, stall
    from whisperctl.jobs import executors, plan, sources
    from whisperctl.jobs.job import Job
    from whisperctl.transcription.transcriber import find_vad_model

    names, run = flags.input.files_from or [], flags.run
    if not files and not names:
        raise UsageError(
            'no input files: pass one or more files, or "-" for standard input; '
            "see: whisperctl transcribe --help"
        )
    results = _results(flags.output)
    limits = _limits(run)
    stall_timeout_s = stall.timeout(
        stall.TIMEOUT_S if run.stall_timeout is None else run.stall_timeout
    )
    lists = [sources.FileList(name, null_separated=flags.input.null) for name in names]
    recordings = sources.find(files or [], lists, recursive=flags.input.recursive)
    n_jobs = run.jobs or 1
    chunked = n_jobs > 1 and len(recordings) == 1
    if run.executor is not None:
        jobs = n_jobs if chunked else min(n_jobs, len(recordings))
        executors.choose(run.executor, jobs, limits)
    settings = flags.resolve()
    engine = registry.choose(flags.engine.backend, flags.engine.runtime)
    if flags.engine.backend == registry.AUTO and not flags.messages.quiet:
        _, untuned = registry.fastest()
        if untuned:
            console.note(f"{untuned}; using {engine.label}")
    job = Job(
        engine,
        settings.model,
        _threads(flags, settings, min(n_jobs, len(recordings))),
        settings.transcription,
        plan.with_language(results, settings.model, settings.decoding, settings.subtitles),
        vad_model=find_vad_model(settings.transcription, settings.vad_model),
        resume=run.resume,
        skip_existing=run.skip_existing,
        logs=console.ROOT.isEnabledFor(logging.DEBUG),
        stall_timeout_s=stall_timeout_s,
        chunk_threads=_threads(flags, settings, n_jobs) if chunked else None,
    )
    others = [("the list", Path(name)) for name in names if name != _STDOUT]
    for what, path in (
        ("the prompt", flags.prompt.initial_prompt_file),
        ("the log", flags.messages.log_file),
    ):
        if path is not None:
            others.append((what, path))
    planned = plan.plan(job, recordings, others)
    warning = ignored(results.formats, settings.subtitles)
    if warning and not flags.messages.quiet:
        console.note(warning)
    failed = _print_plan(job, planned) if run.dry_run else _run(job, planned, flags, limits)
    if failed:
        raise typer.Exit(1)


def _run(
    job: Job, planned: Sequence[Planned], flags: TranscribeFlags, limits: RecordingLimits
) -> bool:
    """Carry out the plan; true if anything failed."""
    from whisperctl.cli.support import console
    from whisperctl.cli.support.progress import Bars, Reporter
    from whisperctl.formats import console as lines
    from whisperctl.jobs import executors, journal, plan, runner

    messages = flags.messages
    quiet = messages.quiet
    colors = console.colored(messages.print_colors, sys.stdout)
    plan.prepare(job, planned)
    due = [item.recording for item in planned if not item.skip]
    n_finished = sum(item.skip == "finished" for item in planned)
    n_existing = sum(item.skip == "exists" for item in planned)
    if n_finished and not quiet:
        console.note(f"{n_finished} of {len(planned)} recordings were finished by an earlier run")
    if n_existing and not quiet:
        console.note(f"{n_existing} of {len(planned)} recordings are skipped: their outputs exist")
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
        jobs = flags.run.jobs
        n_jobs = jobs or 1
        if job.chunk_threads is None:
            n_jobs = min(n_jobs, len(due))
        try:
            runner.run(
                job,
                due,
                reporter.event,
                jobs=jobs,
                limits=limits,
                executor=executors.choose(flags.run.executor, n_jobs, limits),
                address=executors.address_of(flags.run.executor),
                threads=flags.engine.threads,
            )
        except KeyboardInterrupt:
            if not quiet and any(journal.kept(job, recording) for recording in due):
                console.note("what is done is kept: run the same command with --resume to go on")
            raise
    reporter.summarize(len(planned))
    return bool(reporter.failures)


def _print_plan(job: Job, planned: Sequence[Planned]) -> bool:
    """Print what would be done; true if a recording is missing."""
    from whisperctl.cli.support import console
    from whisperctl.jobs.plan import describe, is_missing

    for line in describe(job, planned):
        console.result(line)
    missing = [item.recording.label for item in planned if is_missing(item.recording)]
    if missing:
        verb = "do" if len(missing) > 1 else "does"
        console.error(f"{', '.join(missing)} {verb} not exist: check the name")
    return bool(missing)


def _results(flags: OutputFlags) -> Results:
    from whisperctl.formats import parse
    from whisperctl.jobs.deliver import TEMPLATE
    from whisperctl.jobs.job import Results
    from whisperctl.storage import urls
    from whisperctl.storage.paths import at_home

    there, output = flags.output_dir, flags.output
    # A URL of a file is a path.
    place = None if there is None else urls.local_path(there)
    url = place if place is not None and urls.is_url(place) else ""
    directory = None if place is None or url else at_home(place)
    formats = parse(flags.output_format or [])
    if output == _STDOUT:
        if len(formats) != 1 or there is not None:
            raise UsageError(
                '--output "-" writes one format to standard output: give one --output-format, '
                "and no --output-dir"
            )
        return Results(tuple(formats), to_stdout=True)
    if directory is not None and _is_meant_for_output(directory):
        raise UsageError(
            f"--output-dir {quoted(directory)} is not a directory: "
            f"write --output {shlex.quote(str(directory))} instead"
        )
    if url and Path(url).suffix[1:] in FORMATS:
        raise UsageError(
            f"--output-dir {quoted(urls.shown(url))} is not a directory: name the one above it, "
            "and the file with --output"
        )
    suffix = Path(output or "").suffix[1:]
    if not formats and suffix in FORMATS:
        formats = [suffix]  # as its name says
    if not formats and suffix and "{" not in suffix:
        raise UsageError(f"--output {quoted(output or '')}: {unknown('format', suffix, FORMATS)}")
    if not formats and (there is not None or output is not None):
        option = "--output" if there is None else "--output-dir"
        raise UsageError(f"{option} needs --output-format: name the formats to write")
    if output is not None and urls.is_url(output):
        raise UsageError(
            "--output is a name, not a URL: name a directory with --output-dir, and the file in it "
            "with --output"
        )
    return Results(tuple(formats), directory or Path(), output or TEMPLATE, url=url)


def _is_meant_for_output(directory: Path) -> bool:
    """Return true if a directory is named like a file of ours, or standard output."""
    return str(directory) == _STDOUT or (directory.suffix[1:] in FORMATS and not directory.is_dir())


def _limits(run: RunFlags) -> RecordingLimits:
    from whisperctl.jobs.job import RecordingLimits, size_bytes

    memory_bytes = None if run.max_memory is None else size_bytes(run.max_memory)
    return RecordingLimits(run.timeout, memory_bytes)


def _threads(flags: TranscribeFlags, settings: Settings, jobs: int) -> int:
    """Return the threads for each recording: those asked for, else a share of the processors."""
    if flags.engine.threads is not None or jobs < 2:
        return settings.threads
    from whisperctl.jobs.runner import share_of_threads

    return share_of_threads(settings.threads, jobs)
