"""``whisperctl compare``: one recording on several engines, side by side."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion, console
from whisperctl.cli.command import ConfiguredCommand
from whisperctl.cli.options import DecodingFlags, topics, with_flags
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    from whisperctl.backend import OnSegment
    from whisperctl.compare.result import Comparison
    from whisperctl.compare.spec import Cell, Job
    from whisperctl.engines import Engine
    from whisperctl.transcript import Segment

_WIDE = 10_000


class CompareCommand(ConfiguredCommand):
    """``compare``, which compares every engine whatever ``transcribe`` is to use."""

    apart = frozenset({"backend", "json"})


@with_flags
def compare(
    flags: DecodingFlags,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help='An audio or video file; "-" is standard input.',
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            autocompletion=completion.engines,
            help="An engine to run, such as native or wasi/wasmtime; may be repeated.",
            show_default="all that work here",
            rich_help_panel=topics.ENGINE,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON document and nothing else.",
            rich_help_panel=topics.OUTPUT,
        ),
    ] = False,
) -> None:
    """Compare engines on one recording: times and texts.

    The engines run one after the other, each in a process of its own, on the same samples, model
    and options. Ratios and word differences are against native, or else the first engine.
    """
    if file is None:
        raise UsageError(
            'no recording is named: give a file to compare engines on, or "-" for standard input; '
            "see: whisperctl compare --help"
        )
    from whisperctl import audio
    from whisperctl.compare import spec
    from whisperctl.compare.result import conclude

    settings = flags.resolve()
    engines, left_out = spec.plan(backend or [])
    for other in left_out:
        console.note(f"{other.engine.label} is left out: {other.problem}")
    recording = audio.load(file)
    for warning in recording.warnings:
        console.note(f"warning: {warning}")
    job = spec.Job(recording, settings.model, settings.threads, settings.decoding)

    cells = []
    for engine in engines:
        if not as_json:
            console.result(f"{engine.label}:")
        cell = _run(engine, job, None if as_json else _print_segment)
        _report(cell, as_json=as_json)
        cells.append(cell)
    comparison = conclude(job, cells, left_out)
    if as_json:
        _print_json(comparison)
    else:
        _print_report(comparison)
    if comparison.failed:
        raise typer.Exit(1)


def _run(engine: Engine, job: Job, on_segment: OnSegment | None) -> Cell:
    from whisperctl.compare import plan, runner, spec, wire

    variant = plan.Variant(engine, plan.Weights("", "", job.model), job.threads)
    cell = plan.Cell(plan.Recording(job.audio.source, None, job.audio), variant)
    outcome = runner.run(cell, job.options, warm_up=False, on_segment=on_segment)
    if isinstance(outcome, wire.Failure):
        return spec.Cell(engine, error=outcome.message)
    return spec.Cell(engine, outcome.transcript, outcome.values["open_ms"])


def _print_segment(segment: Segment) -> None:
    from whisperctl.formats import console as lines

    console.result(lines.line(segment))


def _report(cell: Cell, *, as_json: bool) -> None:
    if cell.transcript is None:
        console.error(f"{cell.engine.label} failed: {cell.error}")
    elif not cell.transcript.segments:
        console.note(f"{cell.engine.label}: no speech found")
    if not as_json:
        console.result("")


def _print_json(comparison: Comparison) -> None:
    import json

    from whisperctl.compare.document import document

    console.result(json.dumps(document(comparison), indent=2))


def _print_report(comparison: Comparison) -> None:
    from rich.console import Console

    from whisperctl.compare import report

    plain = not sys.stdout.isatty()
    # Away from a terminal there is no width to keep to, and nothing is to be cut off.
    wide = Console(width=_WIDE, color_system=None, force_terminal=False)
    terminal = wide if plain else Console()
    with terminal.capture() as capture:
        terminal.print(report.table(comparison, plain=plain), highlight=False)
    console.result(report.title(comparison))
    for line in capture.get().splitlines():
        console.result(line.rstrip())
    console.result(report.LEGEND)
    for line in [*report.differences(comparison), *report.system_info(comparison)]:
        console.result(line)
