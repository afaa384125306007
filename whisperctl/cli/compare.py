"""``whisperctl compare``: the same recordings through several engines, side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from rich.console import Console

from whisperctl import audio
from whisperctl.audio.source import STDIN
from whisperctl.cli.options import with_flags
from whisperctl.cli.options.comparison import MatrixFlags, MeasuringFlags
from whisperctl.cli.options.transcription import DecoderFlags, DecodingFlags, TrackFlags
from whisperctl.cli.support import console, progress
from whisperctl.cli.support.command import ConfiguredCommand
from whisperctl.compare import conclude, document, drift, fail_if, matrix, rerun
from whisperctl.compare.conclude import Setting, labels
from whisperctl.compare.fail_if import Condition
from whisperctl.compare.measure import Step
from whisperctl.compare.plan import Cell, Plan, PreparedRecording, Variant
from whisperctl.compare.reports import figures, table
from whisperctl.compare.result import Comparison
from whisperctl.errors import UsageError
from whisperctl.formats import console as formatted
from whisperctl.options import Topic
from whisperctl.storage.files import check_place, write_text
from whisperctl.text import quoted, unknown, visible
from whisperctl.transcript import Segment

if TYPE_CHECKING:
    from rich.progress import TaskID

    from whisperctl.compare.rerun import Samples
    from whisperctl.compare.result import Comparison
    from whisperctl.engine.registry import Unavailable
    from whisperctl.options import DecodeOptions


FORMATS = {
    "table": "",
    "markdown": ".md",
    "json": ".json",
    "csv": ".csv",
    "html": ".html",
}
"""What can be written, and the ending of a file's name that asks for it."""

_ENDINGS = {ending: name for name, ending in FORMATS.items() if ending} | {
    ".markdown": "markdown",
    ".htm": "html",
}
_WIDTH = 80
_WIDE = 160
_MOST_SEGMENTS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be printed, ``""`` for nothing, and what is to be written where."""

    printed: str
    files: tuple[tuple[Path, str], ...]

    @classmethod
    def of(cls, chosen: str | None, paths: Sequence[Path], inputs: Sequence[str | Path]) -> Self:
        """Settle what was asked for.

        A file is of the format that its name says or, where that says nothing, of the one chosen.
        The chosen one is not printed when a file has it.

        Raises:
            UsageError: there is no such format, or a file has none, or HTML is to be printed on a
                terminal, or a file would replace an input or another.
            OutputError: a file cannot be written there.
        """
        if chosen is not None and chosen not in FORMATS:
            raise UsageError(unknown("format", chosen, FORMATS))
        files: list[tuple[Path, str]] = []
        for path in paths:
            name = _ENDINGS.get(path.suffix.lower(), chosen)
            if name is None:
                raise UsageError(
                    f"{quoted(path)} does not say its format: end its name in "
                    f"{', '.join(_ENDINGS)}, or give --format"
                )
            check_place(path, [*inputs, *(path for path, _ in files)])
            files.append((path, name))
        printed = chosen or "table"
        if chosen is not None and chosen in [name for _, name in files]:
            printed = ""
        if printed == "html" and sys.stdout.isatty():
            raise UsageError("HTML is for a browser: give --output report.html")
        return cls(printed, tuple(files))


def quantize(model: str, quant: str) -> Path:
    """Make a quantized model, and say so."""
    from whisperctl.engine import registry
    from whisperctl.models.quantize import quantize as make

    console.note(f"{model} is quantized to {quant}, once")
    return make(model, quant, registry.open_quantizer).path


def begin(
    variants: tuple[Variant, ...],
    decoding: DecodeOptions,
    files: Sequence[str],
    reference: Sequence[str],
    *,
    audio_track: str | None,
    decoder: str,
    filters: tuple[str, ...],
    baseline: str | None,
    repeats: int,
    warm_up: bool,
    left_out: Sequence[Unavailable],
) -> tuple[Plan, Setting]:
    """Read the recordings, and settle what is compared with what.

    Raises:
        UsageError: a reference does not fit, or the baseline is not compared.
        AudioError: a recording cannot be read.
    """
    name = matrix.baseline_name(baseline, variants)
    baselines = matrix.baselines(name, variants)
    recordings = _recordings(files, reference, audio_track, decoder, filters)
    plan = Plan(recordings, variants, decoding, repeats, warm_up)
    return plan, conclude.setting(sys.argv[1:], name, baselines, left_out)


def again(path: Path, earlier: Comparison, repeats: int | None) -> tuple[Plan, Setting]:
    """The plan of an earlier run, whose document is at ``path``.

    Raises:
        UsageError: the earlier run cannot be repeated.
        AudioError: a recording cannot be read any more.
        ModelError: a model is not here any more.
    """
    plan = rerun.plan(earlier, path.parent, repeats=repeats)
    for now, then in zip(plan.recordings, earlier.recordings, strict=True):
        _warn(now, then.warnings)
    baselines = matrix.baselines(earlier.baseline, plan.variants)
    return plan, conclude.setting(sys.argv[1:], earlier.baseline, baselines, ())


def _recordings(
    files: Sequence[str],
    reference: Sequence[str],
    audio_track: str | None,
    decoder: str,
    filters: tuple[str, ...],
) -> tuple[PreparedRecording, ...]:
    if files.count(STDIN) > 1:
        raise UsageError('standard input can be read once: give "-" once')
    names = list(dict.fromkeys(files))
    short = [Path(name).name for name in names]
    labels = [
        "standard input" if name == STDIN else base if short.count(base) == 1 else name
        for name, base in zip(names, short, strict=True)
    ]
    paths = [None if name == STDIN else Path(name) for name in names]
    references: Sequence[Any] = [None] * len(names)
    if reference:
        from whisperctl.compare import references as finding

        references = finding.find(reference, list(zip(labels, paths, strict=True)))
    found = []
    for name, label, path, said in zip(names, labels, paths, references, strict=True):
        samples = audio.load(name, track=audio_track, decoder=decoder, filters=filters)
        found.append(
            PreparedRecording(visible(label), path, samples, said, audio_track, decoder, filters)
        )
        _warn(found[-1], ())
        if reference and said is None:
            console.note(f"{label} has no reference")
    return tuple(found)


def _warn(recording: PreparedRecording, known: Sequence[str]) -> None:
    for warning in recording.audio.warnings:
        if warning not in known:
            console.note(f"warning: {warning}")


def run(
    plan: Plan, setting: Setting, earlier: Comparison | None, *, resume: bool, started: float
) -> Comparison:
    """Measure everything, and conclude; the document is kept where ``--from`` finds it.

    Raises:
        ModelError: a model cannot be read any more.
        AudioError: a recording cannot be read any more.
    """
    pass  # MERGED
    from whisperctl.compare.journal import Journal
    from whisperctl.compare.measure import measure

    with Journal.open(plan, resume=resume) as journal, Display(plan) as display:
        _warn_of(journal.problem)
        try:
            said = journal.problem
            measurements = measure(plan, on_step=display.step, journal=journal)
        except KeyboardInterrupt:
            display.interrupted()
            raise
        if journal.problem != said:
            _warn_of(journal.problem)
        comparison = conclude.conclude(
            plan, measurements, setting, elapsed_s=time.perf_counter() - started
        )
        if not comparison.failed:
            journal.done()
    if earlier is not None:
        comparison = drift.with_drift(earlier, comparison)
    kept = rerun.save(comparison)
    if kept is not None and sys.stderr.isatty():
        console.note(f"to repeat this: whisperctl compare --from {quoted(kept)}")
    return comparison


def _warn_of(problem: str) -> None:
    if problem:
        console.note(f"warning: {problem}")


def show(path: Path, wanted: Request, *, phases: bool) -> Comparison:
    """Present a comparison from its document; see ``present``.

    Raises:
        UsageError: the document cannot be read, or is none.
        OutputError: something cannot be written.
    """
    comparison = document.read(path)

    def samples() -> list[Samples | None]:
        found = rerun.samples(comparison, path.parent)
        for recording, one in zip(comparison.recordings, found, strict=True):
            if one is None:
                console.note(f"{recording.label} is not as it was, and left out of the page")
        return found

    present(comparison, samples, wanted, phases=phases)
    return comparison


def present(
    comparison: Comparison,
    samples: Callable[[], Sequence[Samples | None]],
    wanted: Request,
    *,
    phases: bool,
) -> None:
    """Write the files, then print.

    Args:
        comparison: the result.
        samples: gives each recording's, ``None`` where there are none; called if they are wanted.
        wanted: what to write.
        phases: show the phases of every cell in tables.

    Raises:
        OutputError: something cannot be written.
    """
    for path, name in wanted.files:
        write_text(path, _text(comparison, samples, name, phases=phases))
        console.note(f"{quoted(path)} is written")
    if wanted.printed == "table":
        plain = not sys.stdout.isatty()
        terminal = Console(width=_WIDTH if plain else None, color_system=None if plain else "auto")
        made = _table(comparison, terminal, plain=plain, phases=phases)
        console.result(made, prose=True, styled=not plain)
    elif wanted.printed:
        made = _text(comparison, samples, wanted.printed, phases=phases)
        console.result(made.rstrip("\n"), prose=True)


def _text(
    comparison: Comparison,
    samples: Callable[[], Sequence[Samples | None]],
    name: str,
    *,
    phases: bool,
) -> str:
    if name == "json":
        return document.text(comparison)
    if name == "csv":
        from whisperctl.compare.reports import csv_report

        return csv_report.text(comparison)
    if name == "markdown":
        from whisperctl.compare.reports import markdown

        return markdown.text(comparison)
    if name == "html":
        from whisperctl.compare.reports.html import page

        return page(comparison, samples())
    wide = Console(width=_WIDE, color_system=None, force_terminal=False)
    return _table(comparison, wide, plain=True, phases=phases) + "\n"


def _table(comparison: Comparison, terminal: Console, *, plain: bool, phases: bool) -> str:
    """The texts that were heard, then the tables."""
    lines = list(_heard(comparison))
    with terminal.capture() as capture:
        for part in table.tables(comparison, width=terminal.width, plain=plain, phases=phases):
            terminal.print(part, highlight=False)
    return "\n".join([*lines, *(line.rstrip() for line in capture.get().splitlines())])


def _heard(comparison: Comparison) -> Iterator[str]:
    """What the first cell of each recording heard, as ``transcribe`` prints it."""
    for index, recording in enumerate(comparison.recordings):
        cells = [cell for cell in figures.cells_of(comparison, index) if not cell.error]
        if not cells:
            continue
        cell = next(filter(figures.is_baseline, cells), cells[0])
        yield f"{recording.label}, by {figures.label(comparison, cell)}:"
        for segment in cell.segments[:_MOST_SEGMENTS]:
            yield formatted.line(Segment(segment.start_s, segment.end_s, segment.text))
        if not cell.segments:
            yield "(no speech)"
        if len(cell.segments) > _MOST_SEGMENTS:
            yield f"... and {len(cell.segments) - _MOST_SEGMENTS} segments more"
        yield ""


def judge(comparison: Comparison, conditions: Sequence[Condition]) -> bool:
    """Say which conditions hold, and for which cells.

    Raises:
        UsageError: a condition could never hold.
    """
    held = False
    for condition in conditions:
        for violation in fail_if.check(comparison, condition):
            held = True
            cell = comparison.cells[violation.cell]
            console.error(
                f"{condition.text}: it is {violation.number:.4g} with "
                f"{comparison.variants[cell.variant].label} on "
                f"{comparison.recordings[cell.recording].label}"
            )
    return held


class Display:
    """Shows the steps of a comparison; a context manager."""

    def __init__(self, plan: Plan) -> None:
        self._several = len(plan.recordings) > 1
        self._labels = dict(zip(plan.variants, labels(plan.variants), strict=True))
        self._progress = progress.bars() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        self._n_done = 0
        self._n_resumed = 0

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._task = self._progress.add_task("", total=None, note="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def step(self, step: Step) -> None:
        """Show a step."""
        self._n_done = step.n_done
        if step.state == "resumed":
            self._n_resumed += 1
        if step.state == "failed":
            console.error(f"{self._label(step.cell)} failed: {step.error}")
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task,
                description=f"{step.n_done}/{step.n_total} {self._label(step.cell)}",
                total=step.n_total,
                completed=step.n_done,
                note=progress.eta(step.eta_s),
            )

    def interrupted(self) -> None:
        """Say how to go on, if there is something to go on from."""
        if self._n_done:
            console.note(f"{self._n_done} runs are kept: the same command with --resume goes on")

    def _label(self, cell: Cell) -> str:
        label = self._labels[cell.variant]
        return f"{label} on {cell.recording.label}" if self._several else label


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
    decoder: DecoderFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help='Audio or video files; "-" is standard input.',
            show_default=False,
        ),
    ] = None,
    word_timestamps: Annotated[
        bool,
        typer.Option(
            "--word-timestamps/--no-word-timestamps",
            help="Find and compare start and end of each word too.",
            show_default=False,
            rich_help_panel=Topic.SPEECH.value,
        ),
    ] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="PATH",
            help="Count errors against this reference: a text or subtitle file for each recording, "
            "a directory of them, or a list (csv, tsv, json).",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="CONDITION",
            help='Exit with 1 if this holds for any result, such as "wer>0.05" or "ratio>1.5".',
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|markdown|json|csv|html",
            help="Print the result in this format.",
            show_default="table",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the result to this file too, in the format of its extension, such as "
            "report.html; may be repeated.",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = None,
    phases: Annotated[
        bool,
        typer.Option(
            "--phases",
            help="Show every phase in the table, however many results there are.",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="The same as --format json.", rich_help_panel=Topic.OUTPUT.value
        ),
    ] = False,
) -> None:
    """Compare the speed and the output of engines, models and quantizations.

    All given backends, models, quantizations and numbers of threads are combined. Every run is a
    fresh process; runs are interleaved, on the same samples and with the same options.
    """
    pass  # MERGED
    from whisperctl.compare import fail_if as conditions

    started = time.perf_counter()
    documents = [path for path in (measuring.earlier, measuring.show) if path is not None]
    wanted = Request.of(
        "json" if as_json else output_format,
        output or [],
        [*(files or []), *(reference or []), *documents],
    )
    checks = [conditions.parse(text) for text in fail_if or []]
    repeats = measuring.repeat
    if documents and (len(documents) > 1 or files or matrix.typed or reference):
        raise UsageError(
            "--from and --show take a comparison as it was: leave out the other of the two, files, "
            "references, and what is compared"
        )
    if measuring.show is not None:
        shown = show(measuring.show, wanted, phases=phases)
        _end(shown, failed=judge(shown, checks))
        return
    earlier = None
    if measuring.earlier is not None:
        from whisperctl.compare import document

        earlier = document.read(measuring.earlier)
        plan, setting = again(measuring.earlier, earlier, repeats)
    else:
        if not files:
            raise UsageError(
                "no input files: pass one or more files, or "
                '"-" for standard input; see: whisperctl compare --help'
            )
        from whisperctl.audio.filters import chain

        decoding = flags.options(word_timestamps=word_timestamps)
        filters = tuple(track.filters)
        chain.check(filters)  # before a model is quantized
        variants, left_out = matrix.variants(decoding, quantize)
        for other in left_out:
            console.note(f"{other.engine.label} is left out: {other.problem}")
        plan, setting = begin(
            variants,
            decoding,
            files,
            reference or [],
            audio_track=track.audio_track,
            decoder=decoder.checked(),
            filters=filters,
            baseline=matrix.baseline,
            repeats=repeats or 1,
            warm_up=measuring.warm_up,
            left_out=left_out,
        )
    comparison = run(plan, setting, earlier, resume=measuring.resume, started=started)
    samples = [one.audio.samples for one in plan.recordings]
    present(comparison, lambda: samples, wanted, phases=phases)
    _end(comparison, failed=judge(comparison, checks))


def _end(comparison: Comparison, *, failed: bool) -> None:
    if comparison.failed or failed:
        raise typer.Exit(1)
