"""``python -m bench``: see --help."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import document, material, measure, plan, subjects, table
from bench.subjects import Missing
from whisperctl import output
from whisperctl.errors import UsageError, WhisperctlError

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
    heading = document.heading()
    chosen, left_out = _subjects(options)
    recordings = {name: material.recording(name) for name in options.recordings or plan.RECORDINGS}
    asked = plan.combinations(
        chosen,
        options.models,
        options.formats,
        options.threads,
        tuple(recordings),
        whole=options.full or options.recordings is not None,
    )
    models = material.Models()
    absent = {one: models.missing(one) for one in asked}
    left_out += dict.fromkeys(found for found in absent.values() if found)
    combinations = [one for one in asked if absent[one] is None]
    for missing in left_out:
        _say(f"left out: {missing.what}: {missing.reason}")
    if not combinations:
        raise UsageError("there is nothing to measure")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    paths = {one: models.path(one) for one in combinations}
    described = {path.name: material.describe_model(path) for path in dict.fromkeys(paths.values())}
    outcomes: measure.Outcomes = {}
    durations_s = {name: audio.duration_s for name, audio in recordings.items()}
    progress = _Progress(combinations, options.repeats, durations_s)

    def save(*, complete: bool) -> document.Document:
        made = document.document(
            heading,
            combinations,
            outcomes,
            repeats=options.repeats,
            recordings=recordings,
            models=described,
            left_out=left_out,
            elapsed_s=progress.elapsed_s,
            complete=complete,
        )
        text = json.dumps(made, indent=1)
        output.write_atomic(options.output, lambda out: print(text, file=out))
        return made

    interrupted = False
    try:
        repeat = None
        for step in measure.run(combinations, options.repeats, recordings, paths, outcomes):
            if step.repeat != repeat:
                repeat = step.repeat
                if repeat:
                    save(complete=False)
            _say(progress.line(step))
    except KeyboardInterrupt:
        interrupted = True
        _say("interrupted; keeping what was measured")
    made = save(complete=not interrupted)
    _print(made, markdown=options.markdown)
    _say(f"wrote {options.output}")
    if interrupted:
        return INTERRUPTED
    return 1 if any(outcome.error for outcome in outcomes.values()) else 0


def _subjects(options: argparse.Namespace) -> tuple[list[subjects.Subject], list[Missing]]:
    found, missing = subjects.find(options.native_python)
    if options.engines is None:
        return found, missing
    for one in missing:
        if one.what in options.engines:
            raise UsageError(f"{one.what} cannot be measured here: {one.reason}")
    return [one for one in found if one.name in options.engines], []


class _Progress:
    """What is left to do, in seconds: by what it took before, else by what similar work took."""

    def __init__(
        self, combinations: Iterable[plan.Combination], repeats: int, durations_s: dict[str, float]
    ) -> None:
        self._left = dict.fromkeys(combinations, repeats)
        self._total = sum(self._left.values())
        self._took: dict[plan.Combination, float] = {}
        self._durations_s = durations_s
        self._started = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._started

    def line(self, step: measure.Step) -> str:
        one = step.combination
        result = f"failed: {step.error}" if step.error else f"{step.elapsed_s:.1f} s"
        if step.repeat is None:
            return f"warm-up: {one.label}: {result}"
        self._took[one] = step.elapsed_s
        self._left[one] = 0 if step.error else self._left[one] - 1
        done = self._total - sum(self._left.values())
        return f"{done}/{self._total} {one.label}: {result}; {_clock(self._left_s())} left"

    def _left_s(self) -> float:
        work = sum(map(self._work, self._took))
        pace = sum(self._took.values()) / work
        return sum(
            times * (self._took[one] if one in self._took else pace * self._work(one))
            for one, times in self._left.items()
            if times
        )

    def _work(self, one: plan.Combination) -> float:
        """In no unit: windows of half a minute, times what a model's size makes of one."""
        windows = -(-self._durations_s[one.recording] // 30)
        return windows * (1 if one.model.startswith("tiny") else 2.5) / one.threads


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _print(made: document.Document, *, markdown: bool) -> None:
    for line in table.markdown(made) if markdown else table.text(made):
        print(line)


def _say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
