"""``whisperctl compare``: the same recordings with several engines, side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from whisperctl.cli import completion
from whisperctl.cli.options import options_of, parameter_of, with_flags
from whisperctl.cli.options.comparison import MatrixFlags, MeasuringFlags
from whisperctl.cli.options.transcription import (
    DecoderFlags,
    DecodingFlags,
    TrackFlags,
    check_fit,
)
from whisperctl.cli.support import console, progress
from whisperctl.cli.support.command import ConfiguredCommand, is_typed, leave_out
from whisperctl.cli.support.help_text import long_name
from whisperctl.compare.reports import BY_EXTENSION, REPORTS
from whisperctl.errors import PluginError, UsageError
from whisperctl.options import Topic
from whisperctl.storage.files import check_place, write_text
from whisperctl.text import quoted, unknown

if TYPE_CHECKING:
    from rich.progress import TaskID

    from whisperctl.cli.support.command import Context
    from whisperctl.compare.measure import Step
    from whisperctl.compare.plan import Cell, Plan, PreparedRecording
    from whisperctl.compare.reports import Recordings
    from whisperctl.compare.result import Comparison, LeftOut
    from whisperctl.compare.statistics import Condition
    from whisperctl.jobs.executors import ComparingExecution
    from whisperctl.options import DecodeOptions


@dataclass(frozen=True, slots=True)
class Outputs:
    """Format to print, or "" for none, and files to write with their formats."""

    printed: str
    files: tuple[tuple[Path, str], ...]

    @classmethod
    def parse(cls, chosen: str | None, paths: Sequence[Path], inputs: Sequence[str | Path]) -> Self:
        """Resolve ``--format`` and ``--output``.

        The format of a file is that of its extension, or else the chosen one. The chosen format is
        not printed if a file has it.

        Raises:
            UsageError: a format is unknown, a file has none, HTML would be printed on a terminal,
                or a file would replace an input or another output.
            OutputError: a file cannot be written.
        """
        if chosen is not None and chosen not in REPORTS:
            raise UsageError(unknown("format", chosen, REPORTS))
        files: list[tuple[Path, str]] = []
        for path in paths:
            name = BY_EXTENSION.get(path.suffix.lower(), chosen)
            if name is None:
                raise UsageError(
                    f"the name of {quoted(path)} does not show a format: end it in "
                    f"{', '.join(BY_EXTENSION)}, or give --format"
                )
            check_place(path, [*inputs, *(path for path, _ in files)])
            files.append((path, name))
        printed = chosen or "table"
        if chosen is not None and chosen in [name for _, name in files]:
            printed = ""
        if printed == "html" and sys.stdout.isatty():
            raise UsageError("HTML is for a browser: give --output report.html")
        return cls(printed, tuple(files))

    def deliver(self, comparison: Comparison, recordings: Recordings, *, phases: bool) -> None:
        """Write the files, then print.

        Raises:
            OutputError: a file cannot be written.
        """
        for path, name in self.files:
            write_text(path, REPORTS[name].render(comparison, recordings, phases))
            console.note(f"wrote {quoted(path)}")
        if self.printed == "table":
            _print_table(comparison, phases=phases)
        elif self.printed:
            text = REPORTS[self.printed].render(comparison, recordings, phases)
            console.result(text.rstrip("\n"), prose=True)


_READING = "reading the recordings"


def _print_table(comparison: Comparison, *, phases: bool) -> None:
    from rich.console import Console

    from whisperctl.compare.reports import terminal

    plain = not sys.stdout.isatty()
    width = terminal.PIPE_WIDTH if plain else None
    drawn = Console(width=width, color_system=None if plain else "auto")
    text = terminal.text(comparison, drawn, plain=plain, phases=phases)
    console.result(text, prose=True, styled=not plain)


def quantize(model: str, quant: str) -> Path:
    """Quantize a model, and say so."""
    from whisperctl.engine import registry
    from whisperctl.models.quantize import quantize as make

    console.note(f"quantizing {model} to {quant}, which is needed only once")
    return make(model, quant, registry.open_quantizer).path


def _planned(
    files: Sequence[str],
    references: Sequence[str],
    matrix: MatrixFlags,
    measuring: MeasuringFlags,
    options: DecodeOptions,
    track: TrackFlags,
    decoder: str,
) -> Plan:
    """Plan from options."""
    from whisperctl.cli.models import offer_missing
    from whisperctl.compare.matrix import choose_chains, split
    from whisperctl.compare.plan import Plan, baseline_name, baselines, load_recordings
    from whisperctl.compare.result import LeftOut

    chains = choose_chains(track.filters, matrix.filter_chains or [])
    models: list[str | None] = [*split(matrix.model or [])]
    for model in (models or [None]) if console.is_dialog() else ():
        offer_missing(model)
    variants, unavailable = matrix.variants(options, quantize)
    left_out = tuple(LeftOut(one.engine.label, one.problem) for one in unavailable)
    _report_engines(left_out)
    baseline = baseline_name(matrix.baseline, variants)
    baselines(baseline, variants)  # refuses a wrong name before anything is measured
    with progress.waiting(_READING):
        recordings = load_recordings(
            files, references, audio_track=track.audio_track, decoder=decoder, chains=chains
        )
    _report_recordings(recordings, references)
    repeats = measuring.repeat or 1
    return Plan(recordings, variants, options, repeats, measuring.warm_up, baseline, left_out)


def _planned_by(path: Path, references: Sequence[str], repeats: int | None) -> Plan:
    """Plan from a plan file."""
    from whisperctl.compare import matrix

    file = matrix.read_plan_file(path)
    with progress.waiting(_READING):
        plan = matrix.plan_from_file(
            file, path.parent, quantize, references=references, repeats=repeats
        )
    for model in dict.fromkeys(variant.model for variant in plan.variants):
        check_fit(model.path, plan.options)
    _report_engines(plan.left_out)
    _report_recordings(plan.recordings, references)
    return plan


def _report_engines(left_out: Sequence[LeftOut]) -> None:
    """Report engines that are left out."""
    for one in left_out:
        console.note(f"{one.engine} is left out: {one.reason}")


def _report_recordings(recordings: Sequence[PreparedRecording], references: Sequence[str]) -> None:
    """Report warnings of recordings, and missing references."""
    _warn(recordings)
    for recording in recordings if references else ():
        if recording.info.reference is None:
            console.note(f"{recording.label} has no reference")


def _repeated(path: Path, repeats: int | None) -> tuple[Plan, Comparison]:
    """Plan that repeats the comparison of a document, and that comparison."""
    from whisperctl.compare import document

    earlier = document.read(path)
    with progress.waiting(_READING):
        plan = document.repeat_plan(earlier, path.parent, repeats=repeats)
    _warn(plan.recordings, [recording.warnings for recording in earlier.recordings])
    return plan, earlier


def _warn(recordings: Sequence[PreparedRecording], known: Sequence[Sequence[str]] = ()) -> None:
    """Print the warnings of recordings but for those that are known."""
    for n, recording in enumerate(recordings):
        for warning in recording.audio.warnings:
            if n >= len(known) or warning not in known[n]:
                console.note(f"warning: {warning}")


def run(
    plan: Plan,
    earlier: Comparison | None,
    *,
    resume: bool,
    started: float,
    executor: str | None = None,
) -> Comparison:
    """Measure a plan, and keep the result for ``--from``.

    Args:
        plan: what to measure.
        earlier: the comparison that it repeats.
        resume: keep the runs of an earlier process.
        started: when the command began, by ``time.perf_counter``.
        executor: where to measure, if not on this machine.

    Raises:
        ModelError: a model cannot be read.
        WhisperctlError: the executor cannot be used.
    """
    from whisperctl.compare import document
    from whisperctl.compare.conclude import Start, conclude
    from whisperctl.compare.measure import Journal, measure

    start = Start.now(sys.argv[1:])
    with ExitStack() as stack:
        execution = kind = None
        if executor is not None:
            execution = stack.enter_context(closing(_opened(plan, executor)))
            kind = execution.kind()
            if kind.note:
                console.note(f"warning: {kind.note}")
        key = "" if kind is None else kind.key
        journal = stack.enter_context(Journal.open(plan, resume=resume, kind=key))
        display = stack.enter_context(Display(plan))
        problem = journal.problem
        if problem:
            console.note(f"warning: {problem}")
        try:
            measurements = measure(
                plan,
                on_step=display.step,
                journal=journal,
                execution=execution,
                on_warning=console.note,
            )
        except KeyboardInterrupt:
            display.interrupted()
            raise
        if journal.problem not in ("", problem):
            console.note(f"warning: {journal.problem}")
        elapsed_s = time.perf_counter() - started
        comparison = conclude(plan, measurements, start, elapsed_s=elapsed_s, kind=kind)
        if not comparison.failed:
            journal.done()
    if earlier is not None:
        comparison = document.with_drift(earlier, comparison)
    kept = document.save(comparison)
    if kept is not None and sys.stderr.isatty():
        console.note(f"to repeat this: whisperctl compare --from {quoted(kept)}")
    return comparison


def _opened(plan: Plan, text: str) -> ComparingExecution:
    """Executor that is open for a plan.

    Raises:
        WhisperctlError: it cannot be used, or not for this plan.
    """
    from whisperctl.compare import measure
    from whisperctl.jobs import executors

    executor = executors.choose(text, compares=True)
    job = measure.job(plan)
    options = executors.ExecutorOptions(
        workers=len(plan.recordings) * plan.repeats,
        address=executors.address_of(text),
        all_workers=True,
        threads=job.threads,
    )
    execution = executor.open(job, options)
    if isinstance(execution, executors.ComparingExecution):
        return execution
    execution.close()
    raise PluginError(f'executor "{executor.name}" does not compare, though it says so')


def saved_recordings(comparison: Comparison, folder: Path) -> Recordings:
    """Loader of the recordings of a document, which reports changed ones."""
    from whisperctl.compare import document

    def load() -> list[document.Samples | None]:
        found = document.samples(comparison, folder)
        for recording, samples in zip(comparison.recordings, found, strict=True):
            if samples is None:
                console.note(f"{recording.label} has changed, and is left out of the page")
        return found

    return load


def check(comparison: Comparison, conditions: Sequence[Condition]) -> bool:
    """Report the cells for which conditions hold; true if there are any.

    Raises:
        UsageError: a condition can never hold.
    """
    from whisperctl.compare import statistics

    held = False
    for condition in conditions:
        for violation in statistics.violations(comparison, condition):
            held = True
            cell = comparison.cells[violation.cell]
            console.error(
                f"{condition.text}: it is {violation.number:.4g} with "
                f"{comparison.variants[cell.variant].label} on "
                f"{comparison.recordings[cell.recording].label}"
            )
    return held


class Display:
    """Progress of a comparison; a context manager."""

    def __init__(self, plan: Plan) -> None:
        from whisperctl.compare.conclude import labels

        self._several = len(plan.recordings) > 1
        self._labels = dict(zip(plan.variants, labels(plan.variants), strict=True))
        self._progress = progress.bars() if sys.stderr.isatty() else None
        self._task: TaskID | None = None
        self._n_done = 0

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
        elif step.state == "done":
            console.note(
                f"{step.n_done}/{step.n_total} {self._label(step.cell)}: {step.took_s:.1f} s"
            )

    def interrupted(self) -> None:
        """Say how to continue, if any run is done."""
        if self._n_done:
            runs = "1 run is" if self._n_done == 1 else f"{self._n_done} runs are"
            console.note(f"{runs} kept: continue by the same command with --resume")

    def _label(self, cell: Cell) -> str:
        label = self._labels[cell.variant]
        return f"{label} on {cell.recording.label}" if self._several else label


_DEFINING = {
    "plan": {"warm_up"},
    "earlier": {"warm_up", "reference"},
    "show": {"warm_up", "reference", "repeat", "resume", "executor"},
}
"""Options that define what to compare, each with some that then have no effect.

Those of the engines, of decoding and of the audio have none with any of them.
"""


class CompareCommand(ConfiguredCommand):
    """``compare``, which does not use the settings of ``transcribe`` for what it compares."""

    apart = frozenset(
        {
            "backend",
            "runtime",
            "format",
            "output",
            "resume",
            "from",
            "show",
            "json",
            "plan",
            "executor",
        }
    )
    # These may contain spaces, which otherwise separate values in a variable.
    whole = frozenset({"model", "threads", "filter-chain"})

    def settle(self, ctx: Context) -> None:
        """Let a plan file or document define what to compare, whatever is configured.

        Raises:
            UsageError: what was typed defines that too.
        """
        super().settle(ctx)
        defining = [option for option in self.options() if option.name in _DEFINING]
        given = [option for option in defining if ctx.params[option.name] is not None]
        if len(given) > 1:
            raise UsageError("--plan, --from and --show define what to compare: give one of them")
        if not given:
            return
        name = f"--{long_name(given[0])}"
        if ctx.params["files"]:
            raise UsageError(f"{name} defines what to compare: give no files")
        groups = (MatrixFlags, DecodingFlags, TrackFlags, DecoderFlags)
        idle = {parameter_of(one) for group in groups for one in options_of(group)}
        idle = (idle - {*_DEFINING}) | {"word_timestamps"} | _DEFINING[given[0].name]
        typed = []
        for option in self.options():
            if option.name in idle and is_typed(ctx, option):
                off = option.secondary_opts and ctx.params[option.name] is False
                typed.append(option.secondary_opts[0] if off else f"--{long_name(option)}")
            elif option.name in idle:
                leave_out(ctx, option)
        if typed:
            verb, what = ("have", "them") if len(typed) > 1 else ("has", "it")
            raise UsageError(
                f"{', '.join(typed)} {verb} no effect with {name}, which defines what to "
                f"compare: remove {what}"
            )


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
            autocompletion=completion.metrics,
            help='Exit with 1 if this holds for any cell, such as "normalized_wer>0.05" or '
            '"ratio>1.5".',
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
            help="Show every phase in the table, even if there are many cells.",
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
    """Compare speed and output of engines, models and quantizations.

    All given backends, models, quantizations and numbers of threads are combined; each combination
    with a recording is a cell. Every run is a fresh process; runs are interleaved, on the same
    samples and with the same options.
    """
    from whisperctl.compare import statistics

    started = time.perf_counter()
    sources = (measuring.earlier, measuring.show, matrix.plan)
    outputs = Outputs.parse(
        "json" if as_json else output_format,
        output or [],
        [*(files or []), *(reference or []), *(path for path in sources if path is not None)],
    )
    conditions = [statistics.parse_condition(text) for text in fail_if or []]
    if measuring.earlier is None and measuring.show is None:
        statistics.check_drift(conditions)  # before anything is measured
    if measuring.executor is not None:
        from whisperctl.jobs import executors

        executors.choose(measuring.executor, compares=True)  # before recordings are read
    repeats = measuring.repeat
    recordings: Recordings
    if measuring.show is not None:
        from whisperctl.compare import document

        comparison = document.read(measuring.show)
        recordings = saved_recordings(comparison, measuring.show.parent)
    else:
        if measuring.earlier is not None:
            plan, earlier = _repeated(measuring.earlier, repeats)
        elif matrix.plan is not None:
            plan = _planned_by(matrix.plan, reference or [], repeats)
            earlier = None
        elif files:
            if run_file := next((name for name in files if name.endswith(".json")), None):
                raise UsageError(
                    f"{quoted(run_file)} is not a recording: show a saved comparison with --show, "
                    "or repeat it with --from"
                )
            options = flags.options(word_timestamps=word_timestamps)
            references = reference or []
            plan = _planned(files, references, matrix, measuring, options, track, decoder.checked())
            earlier = None
        else:
            raise UsageError(
                'no input files: pass one or more files, or "-" for standard input; see: '
                "whisperctl compare --help"
            )
        comparison = run(
            plan,
            earlier,
            resume=measuring.resume,
            started=started,
            executor=measuring.executor,
        )
        samples = [recording.audio.samples for recording in plan.recordings]
        recordings = lambda: samples  # noqa: E731
    outputs.deliver(comparison, recordings, phases=phases)
    if check(comparison, conditions) or comparison.failed:
        raise typer.Exit(1)
