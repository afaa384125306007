"""``whisperctl tune``: the fastest engine and number of threads on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli.support import console
from whisperctl.errors import UsageError
from whisperctl.storage.files import reason, write_text
from whisperctl.text import counted, quoted

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

    from whisperctl.compare.measure import Step
    from whisperctl.compare.plan import PreparedRecording, Variant
    from whisperctl.compare.result import Comparison

_SECONDS = 30.0


def tune(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="Recording to measure with; about half a minute of it is enough.",
            show_default="eleven seconds of English speech",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Measure with this model.",
            show_default="base if it is installed, else tiny.en",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            help="Measure these engines only; may be repeated, or hold several with commas.",
            show_default="all that work",
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            "--time",
            metavar="SECONDS",
            help="Run no engine again after this time; each runs once in any case.",
            min=1,
            max=3600,
        ),
    ] = _SECONDS,
    save: Annotated[
        bool,
        typer.Option("--save", help="Write the result to the configuration file as the default."),
    ] = False,
) -> None:
    """Find the fastest engine and number of threads on this machine.

    Every installed engine transcribes the same recording with the same model and options, each run
    in a fresh process. An engine that hears clearly worse than the others is not chosen.
    "--backend auto" uses the result from then on, and --save makes it the default.
    """
    from whisperctl.cli.models import offer_missing
    from whisperctl.compare import matrix
    from whisperctl.compare import tune as tuning
    from whisperctl.compare.conclude import Start, conclude
    from whisperctl.compare.plan import load_recordings
    from whisperctl.compare.reports.figures import busy
    from whisperctl.compare.result import LeftOut
    from whisperctl.models.store import Store
    from whisperctl.options import DecodeOptions
    from whisperctl.testing import subject

    started = time.perf_counter()
    if save:
        _configuration()  # an error in it shows before anything is measured
    engines, unavailable = matrix.choose_engines(matrix.split(backend or []), [], all_runtimes=True)
    left_out = tuple(LeftOut(one.engine.label, one.problem) for one in unavailable)
    for one in left_out:
        console.note(f"{one.engine} is left out: {one.reason}")
    if console.is_dialog():
        offer_missing(model)
    (chosen,) = matrix.choose_models([model or Store().default()], [], _no_quantizing)
    own = subject.sample("jfk.wav")
    references = [str(subject.sample("jfk.txt"))] if file is None else []
    (recording,) = load_recordings([file or str(own)], references)
    start = Start.now(sys.argv[1:])
    tuned = tuning.tune(
        recording,
        chosen,
        engines,
        DecodeOptions(),
        seconds=seconds,
        left_out=left_out,
        on_step=_report,
    )
    elapsed_s = time.perf_counter() - started
    comparison = conclude(tuned.plan, tuned.measurements, start, elapsed_s=elapsed_s)
    best = tuning.fastest(tuned, comparison)
    _print(comparison, recording)
    flags = f"--backend {best.engine.label} --threads {best.threads}"
    console.result(f"\nFastest: {best.engine.label} with {_threads(best)} ({flags})")
    if load := busy(comparison.machine):
        console.note(f"warning: {load}; tune again when other programs are done")
    problem = tuning.remember(best)
    if problem:
        console.note(f"warning: the result cannot be kept for --backend auto: {problem}")
    if save:
        console.note(f"wrote {quoted(_save(best))}")


def _no_quantizing(model: str, quant: str) -> Path:
    raise AssertionError((model, quant))


def _threads(variant: Variant) -> str:
    return counted(variant.threads, "thread")


def _report(step: Step) -> None:
    """Show a run that begins on a terminal, and one that failed."""
    variant = step.cell.variant
    if step.state == "failed":
        console.error(f"{variant.engine.label} failed: {step.error}")
    elif step.state == "running":
        console.note(f"measuring {variant.engine.label} with {_threads(variant)}")


def _print(comparison: Comparison, recording: PreparedRecording) -> None:
    """Print a row for each engine and number of threads, the fastest first."""
    model = comparison.models[0]
    console.result(f"{recording.label}, {recording.audio.duration_s:.1f} s, {model.label}")
    scored = any(cell.difference is not None for cell in comparison.cells)
    heads = ["engine", "threads", "runs", "time s", "real-time factor", "start s", "memory MiB"]
    if scored:
        heads.append("WER")
    rows = []
    worked = [cell for cell in comparison.cells if cell.runs and not cell.error]
    for cell in sorted(worked, key=lambda cell: cell.stats["wall_ms"].low):
        variant = comparison.variants[cell.variant]
        wall_ms = cell.stats["wall_ms"].low
        start_ms = cell.stats["cold_start_ms"].low - cell.stats["first_ms"].low
        memory = cell.stats.get("peak_memory_bytes")
        row = [
            comparison.engines[variant.engine].label,
            str(variant.threads),
            str(len(cell.runs)),
            f"{wall_ms / 1000:.2f}",
            f"{wall_ms / 1000 / recording.audio.duration_s:.3f}",
            f"{start_ms / 1000:.2f}",
            "" if memory is None else f"{memory.median / 2**20:.0f}",
        ]
        if scored:
            rate = None if cell.difference is None else cell.difference.normalized_wer.rate
            row.append("" if rate is None else f"{rate:.1%}")
        rows.append(row)
    console.table(heads, rows)


def _configuration() -> TOMLDocument:
    """Read the configuration file as a document that keeps its comments.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from whisperctl.cli.support import configuration

    path = configuration.path()
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, TOMLKitError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise UsageError(f"{quoted(path)} cannot be changed: {why}") from error


def _save(best: Variant) -> Path:
    """Set backend and threads in the configuration file, and leave everything else as it is."""
    from whisperctl.cli.support import configuration

    document, path = _configuration(), configuration.path()
    document["backend"] = best.engine.label
    document["threads"] = best.threads
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, document.as_string())
    return path
