"""``whisperctl compare``: the same recordings through several engines, side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import console
from whisperctl.cli.command import ConfiguredCommand
from whisperctl.cli.options import DecodingFlags, TrackFlags, topics, with_flags
from whisperctl.cli.options.comparison import MatrixFlags, MeasuringFlags
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    from whisperctl.compare.comparison import Comparison


class CompareCommand(ConfiguredCommand):
    """``compare``, which compares every engine whatever ``transcribe`` is to use."""

    apart = frozenset({"backend", "runtime", "format", "output", "resume", "from", "show", "json"})
    # Names of models may have spaces, which otherwise part the values in a variable.
    whole = frozenset({"model", "threads"})


@with_flags
def compare(
    matrix: MatrixFlags,
    measuring: MeasuringFlags,
    flags: DecodingFlags,
    track: TrackFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help='Audio or video files; "-" is standard input.',
            show_default=False,
        ),
    ] = None,
    word_timestamps: Annotated[
        bool,
        typer.Option(
            "--word-timestamps/--no-word-timestamps",
            help="Ask every engine when each word is said, and compare that too.",
            show_default=False,
            rich_help_panel=topics.SPEECH,
        ),
    ] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="PATH",
            help="What is really said, to count errors against: a text or subtitle file for each "
            "recording, a folder of them, or a list (csv, tsv, json).",
            rich_help_panel=topics.MEASURING,
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="CONDITION",
            help='Exit with 1 if this holds for any cell, such as "wer>0.05" or "ratio>1.5".',
            rich_help_panel=topics.MEASURING,
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|markdown|json|csv|html",
            help="What to print.",
            show_default="table",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write this file too, in the format of its name, such as report.html; may be "
            "repeated.",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = None,
    phases: Annotated[
        bool,
        typer.Option(
            "--phases",
            help="Show every phase in the table, however many there are to compare.",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="The same as --format json.", rich_help_panel=topics.OUTPUT),
    ] = False,
) -> None:
    """Compare engines, models, quantizations and threads: times and texts.

    Everything that is asked for is combined with everything else. Each combination is measured in
    processes of its own, in turns, on the same samples and with the same options.
    """
    from whisperctl.cli import comparing
    from whisperctl.compare import fail_if as conditions

    started = time.perf_counter()
    documents = [path for path in (measuring.earlier, measuring.show) if path is not None]
    wanted = comparing.Wanted.of(
        "json" if as_json else output_format,
        output or [],
        [*(files or []), *(reference or []), *documents],
    )
    checks = [conditions.parse(text) for text in fail_if or []]
    repeats = measuring.repeats()
    if documents and (len(documents) > 1 or files or matrix.typed or reference):
        raise UsageError(
            "--from and --show take a comparison as it was: leave out the other of the two, files, "
            "references, and what is compared"
        )
    if measuring.show is not None:
        shown = comparing.show(measuring.show, wanted, phases=phases)
        _end(shown, failed=comparing.judge(shown, checks))
        return
    earlier = None
    if measuring.earlier is not None:
        from whisperctl.compare import document

        earlier = document.read(measuring.earlier)
        plan, setting = comparing.again(measuring.earlier, earlier, repeats)
    else:
        if not files:
            raise UsageError(
                "no recording is named: give files to compare engines on, or "
                '"-" for standard input; see: whisperctl compare --help'
            )
        decoding = flags.options(word_timestamps=word_timestamps)
        variants, left_out = matrix.variants(decoding, comparing.quantize)
        for other in left_out:
            console.note(f"{other.engine.label} is left out: {other.problem}")
        plan, setting = comparing.begin(
            variants,
            decoding,
            files,
            reference or [],
            audio_track=track.audio_track,
            baseline=matrix.baseline,
            repeats=repeats or 1,
            warm_up=measuring.warm_up,
            left_out=left_out,
        )
    comparison = comparing.run(plan, setting, earlier, resume=measuring.resume, started=started)
    samples = [one.audio.samples for one in plan.recordings]
    comparing.present(comparison, lambda: samples, wanted, phases=phases)
    _end(comparison, failed=comparing.judge(comparison, checks))


def _end(comparison: Comparison, *, failed: bool) -> None:
    if comparison.failed or failed:
        raise typer.Exit(1)
