"""``python -m bench``: see --help."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import document, material, plan, subjects, table
from bench.subjects import Missing
from whisperctl.compare.measure import Step, measure
from whisperctl.compare.plan import Cell, Plan
from whisperctl.compare.result import Measurement
from whisperctl.errors import UsageError, WhisperctlError
from whisperctl.storage.files import write_text

DEFAULT_OUTPUT = subjects.ROOT / "build/bench.json"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print.

    Returns:
        0 when everything was measured, 1 when something failed, 2 for a wrong command line, 130
        after Ctrl-C, with what had been measured by then.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.show is not None:
            _print(json.loads(options.show.read_text("utf-8")), markdown=options.markdown)
            return 0
        return _bench(options)
    except UsageError as error:
        _say(f"error: {error}")
        return 2
    except (WhisperctlError, OSError, ValueError) as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="Measure engines.")
    parser.add_argument("--models", nargs="+", default=plan.MODELS, help="such as tiny.en base")
    parser.add_argument("--formats", nargs="+", default=plan.FORMATS, choices=subjects.GGML_FORMATS)
    parser.add_argument("--threads", nargs="+", default=plan.THREADS, type=_positive)
    parser.add_argument(
        "--recordings",
        nargs="+",
        metavar="NAME",
        help='"jfk", "long", or a file (default: jfk, and long with tiny.en in f16 and q8_0 only)',
    )
    parser.add_argument("--engines", nargs="+", choices=subjects.NAMES, help="default: all here")
    parser.add_argument("--repeats", default=3, type=_positive)
    parser.add_argument(
        "--warm-up", action="store_true", help="transcribe half a minute before what counts"
    )
    parser.add_argument(
        "--full", action="store_true", help="the long recording with every model and format"
    )
    parser.add_argument("--markdown", action="store_true", help="print compact tables in Markdown")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="the JSON document")
    parser.add_argument(
        "--native-python",
        type=Path,
        default=subjects.TUNED_PYTHON,
        help="interpreter of the environment that make native builds",
    )
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="print the tables of a document, measure nothing"
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {value}")
    return value


def _bench(options: argparse.Namespace) -> int:
    began = time.perf_counter()
    heading = document.heading()
    chosen, left_out = _subjects(options)
    recordings = [material.recording(name) for name in options.recordings or plan.RECORDINGS]
    asked = plan.cells(
        chosen,
        recordings,
        material.path,
        options.models,
        options.formats,
        options.threads,
        whole=options.full or options.recordings is not None,
    )
    absent = {cell: material.missing(cell.variant.weights) for cell in asked}
    left_out += dict.fromkeys(found for found in absent.values() if found)
    cells = tuple(cell for cell in asked if absent[cell] is None)
    for missing in left_out:
        _say(f"left out: {missing.what}: {missing.reason}")
    if not cells:
        raise UsageError("there is nothing to measure")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    paths = dict.fromkeys(cell.variant.weights.path for cell in cells)
    models = {path.name: material.describe_model(path) for path in paths}
    whole = Plan(
        tuple(recordings),
        tuple(dict.fromkeys(cell.variant for cell in cells)),
        plan.OPTIONS,
        options.repeats,
        options.warm_up,
        only=cells,
    )
    measured: dict[Cell, Measurement] = {}

    def save(*, complete: bool) -> document.Document:
        made = document.document(
            heading,
            whole,
            measured,
            models=models,
            left_out=left_out,
            elapsed_s=time.perf_counter() - began,
            complete=complete,
        )
        text = json.dumps(made, indent=1)
        write_text(options.output, f"{text}\n")
        return made

    saved = 0

    def on_step(step: Step) -> None:
        nonlocal saved
        if step.state != "running":
            measured[step.cell] = step.measurement
            _say(_line(step))
        elif step.repeat > saved:
            saved = step.repeat
            save(complete=False)

    interrupted = False
    try:
        measure(whole, on_step=on_step, start=plan.start)
    except KeyboardInterrupt:
        interrupted = True
        _say("interrupted; keeping what was measured")
    made = save(complete=not interrupted)
    _print(made, markdown=options.markdown)
    _say(f"wrote {options.output}")
    if interrupted:
        return INTERRUPTED
    return 1 if any(one.error for one in measured.values()) else 0


def _subjects(options: argparse.Namespace) -> tuple[list[subjects.Subject], list[Missing]]:
    found, missing = subjects.find(options.native_python)
    if options.engines is None:
        return found, missing
    for one in missing:
        if one.what in options.engines:
            raise UsageError(f"{one.what} cannot be measured here: {one.reason}")
    return [one for one in found if one.name in options.engines], []


def _line(step: Step) -> str:
    result = f"failed: {step.error}" if step.error else f"{step.took_s:.1f} s"
    left = f"; {_clock(step.eta_s)} left" if step.eta_s is not None else ""
    return f"{step.n_done}/{step.n_total} {plan.label(step.cell)}: {result}{left}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _print(made: document.Document, *, markdown: bool) -> None:
    for line in table.markdown(made) if markdown else table.text(made):
        print(line)


def _say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
