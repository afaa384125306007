"""Write the measured sections of pages, from documents of compare and from decoders.

python -m bench long FILE.wav          write the long recording of bench/plan.toml
python -m bench performance RUN.json   update docs/performance.md
python -m bench experiment RUN.json    update docs/experiment.md
python -m bench decoders FOLDER        measure decoders on recordings made in FOLDER, and
                                       update docs/sandbox.md
python -m bench decode FILE DECODER    measure one decoder
python -m bench peers FOLDER [S]...    measure the programs installed in FOLDER on S seconds of
                                       speech (11, 180 and 600), and update docs/performance.md
python -m bench subtitles FOLDER [S].. score subtitles of the programs installed in FOLDER on S
                                       seconds of speech (11, 26 and 600), and update
                                       docs/subtitles.md
python -m bench costs                  update docs/cluster.md from docs/performance.md
python -m bench soak FOLDER [N [W]]    test the Dask executor in FOLDER, which is made, with N
                                       recordings (10000) on W workers (8)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.compare import document
from whisperctl.compare.reports import figures
from whisperctl.compare.reports.markdown import escaped
from whisperctl.compare.result import CellInfo, Comparison, Ratio
from whisperctl.compare.statistics import paired_ratio, shown
from whisperctl.errors import WhisperctlError

ROOT = Path(__file__).resolve().parents[1]

_ARTICLE_NATIVE_S, _ARTICLE_WASI_S = 17.2, 96.9
"""Times of the article for 11 seconds of speech on one thread."""

_REPETITIONS = 6
_PAUSE_S = 0.5
_HEADINGS = (
    *("format", "engine", "load", "encode", "decode/run", "total", "real-time", "MiB"),
    *("encode x", "decode x", "total x"),
)
_COUNTED = ("encode", "decode", "batchd", "prompt")


def long(path: Path) -> None:
    """Write jfk.wav several times, with pauses, to one WAV file."""
    once = audio.load(ROOT / "samples/jfk.wav").samples
    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    samples = np.concatenate([*[once, pause] * (_REPETITIONS - 1), once])
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")


def page(text: str, section: str, name: str = "measured") -> str:
    """Replace a section of a page, which stands between comments with its name.

    Raises:
        ValueError: the page has no such section.
    """
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not begin or not end:
        raise ValueError(f"the page has no {name} section")
    return f"{before}{begin}\n{section}\n{end}{after}"


def performance(comparison: Comparison) -> Iterator[str]:
    """Lines of tables, one for each recording, model and number of threads."""
    yield f"Measured on {comparison.date[:10]}:"
    yield ""
    for name, fact in figures.facts(comparison):
        if name != "made by":
            yield f"- {name}: {escaped(fact)}"
    yield ""
    yield (
        "Medians; times in ms. A run of decode is a token; real-time is wall time over duration; "
        "MiB is peak memory. Ratios (x) are to the baseline, and medians of the ratios within each "
        "repeat. A star marks a different number of tokens, where totals cannot be compared."
    )

    def group(cell: CellInfo) -> tuple[int, int, str, int]:
        variant = comparison.variants[cell.variant]
        names = list(dict.fromkeys(model.name for model in comparison.models))
        name = comparison.models[variant.model].name
        return cell.recording, names.index(name), name, variant.threads

    def order(cell: CellInfo) -> tuple[object, ...]:
        variant = comparison.variants[cell.variant]
        return *group(cell), variant.model, variant.engine

    ordered = sorted(comparison.cells, key=order)
    for (recording, _, model, threads), cells in groupby(ordered, group):
        source = comparison.recordings[recording]
        yield ""
        yield (
            f"### {source.label} ({source.duration_s:.1f} s), {model}, "
            f"{threads} thread{'s' if threads > 1 else ''}"
        )
        yield ""
        yield f"| {' | '.join(_HEADINGS)} |"
        yield f"|{'---|' * 2}{'---:|' * (len(_HEADINGS) - 2)}"
        notes: list[str] = []
        for cell in cells:
            yield f"| {' | '.join(_row(comparison, cell))} |"
            notes += _notes(comparison, cell)
        if notes:
            yield ""
            yield from notes


def _row(comparison: Comparison, cell: CellInfo) -> Iterator[str]:
    variant = comparison.variants[cell.variant]
    yield comparison.models[variant.model].quant
    yield comparison.engines[variant.engine].label
    if cell.error:
        yield figures.FAILED
        yield from [figures.NOTHING] * (len(_HEADINGS) - 3)
        return
    yield _median(cell, "load_ms", lambda ms: shown(ms, "ms"))
    yield _median(cell, "encode_ms", lambda ms: shown(ms, "ms"))
    per_run = {phase.name: phase.per_run_ms for phase in cell.phases}
    yield shown(per_run["decode"], "ms") if "decode" in per_run else figures.NOTHING
    yield _median(cell, "total_ms", lambda ms: shown(ms, "ms"))
    yield _median(cell, "real_time_factor", lambda factor: f"{factor:.3f}")
    yield _median(cell, "peak_memory_bytes", lambda size: f"{size / 2**20:.0f}")
    yield _times(cell.ratios.get("encode_ms"))
    baseline = figures.baseline_cell(comparison, cell)
    yield figures.NOTHING if baseline is None else _times(_per_token_ratio(cell, baseline))
    star = "" if baseline is None or _counts(cell) == _counts(baseline) else "*"
    total = _times(cell.ratios.get("total_ms"))
    yield total if total == figures.NOTHING else total + star


def _median(cell: CellInfo, name: str, text: Callable[[float], str]) -> str:
    stat = cell.stats.get(name)
    return figures.NOTHING if stat is None else text(stat.median)


def _times(ratio: Ratio | None) -> str:
    return figures.NOTHING if ratio is None else f"{ratio.value:.2f}"


def _per_token_ratio(cell: CellInfo, baseline: CellInfo) -> Ratio | None:
    """Ratio of the times per run of decode, paired by repeat as all ratios."""
    return paired_ratio(_per_token(cell), _per_token(baseline))


def _per_token(cell: CellInfo) -> Mapping[int, float]:
    return {
        run.repeat: run.values["decode_ms"] / run.counts["decode"]
        for run in cell.runs
        if "decode_ms" in run.values and run.counts.get("decode")
    }


def _counts(cell: CellInfo) -> list[int | None]:
    return [cell.runs[0].counts.get(name) for name in _COUNTED] if cell.runs else []


def _notes(comparison: Comparison, cell: CellInfo) -> Iterator[str]:
    variant = comparison.variants[cell.variant]
    quant = comparison.models[variant.model].quant
    name = f"{comparison.engines[variant.engine].label} {quant}"
    if cell.error:
        yield f"- {name} failed: {escaped(cell.error)}"
    elif not cell.stable:
        yield f"- {name}: the text was not the same in every run"
    elif cell.agreement is not None and not cell.agreement.difference.identical:
        yield f"- {name}: WER {figures.word_error(cell.agreement.difference)} against the baseline"


def experiment(comparison: Comparison) -> Iterator[str]:
    """Lines that compare native with the sandbox, beside the numbers of the article.

    Raises:
        ValueError: a cell has failed.
    """
    cells = {comparison.variants[cell.variant].label: cell for cell in comparison.cells}
    if failed := [label for label, cell in cells.items() if cell.error]:
        raise ValueError(f"{', '.join(failed)} failed")
    article = _ARTICLE_WASI_S / _ARTICLE_NATIVE_S
    yield "| | native | sandbox | ratio |"
    yield "|---|---:|---:|---:|"
    yield f"| the article | {_ARTICLE_NATIVE_S} s | {_ARTICLE_WASI_S} s | {article:.1f} |"
    native = cells["native"]
    for label, cell in cells.items():
        if cell is native:
            continue
        for part, name in (("all of it", "cold_start_ms"), ("transcription alone", "wall_ms")):
            ratio = figures.interval(cell.ratios[name]).replace("x", "", 1)
            yield (
                f"| {label}, {part} | {_median(native, name, _seconds)} "
                f"| {_median(cell, name, _seconds)} | {ratio} |"
            )
    yield ""
    groups = figures.groups(comparison.cells)
    same = "the same, to the character" if len(groups) == 1 else "not all the same"
    yield f"The texts are {same}:"
    yield ""
    for group in groups:
        labels = ", ".join(figures.label(comparison, cell) for cell in group.cells)
        yield f"> {group.cells[0].text} *({labels})*"
        yield ""
    model = comparison.models[0]
    yield (
        f"{figures.machine_text(comparison.machine)}; "
        f"{model.label}, sha256 {model.sha256[: figures.SHORT]}; "
        f"{figures.describe_method(comparison)}; {figures.describe_parameters(comparison)}."
    )


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.2f} s"


def _update(target: Path, lines: Iterable[str], name: str = "measured") -> None:
    section = "\n".join(lines)
    target.write_text(page(target.read_text("utf-8"), section, name), "utf-8")
    print(f"bench: updated {target}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run one of the commands above, and return its exit code."""
    sections = {"performance": performance, "experiment": experiment}
    match arguments:
        case ["long", path]:
            long(Path(path))
        case [("performance" | "experiment") as name, run]:
            target = ROOT / f"docs/{name}.md"
            try:
                _update(target, sections[name](document.read(Path(run))))
            except (WhisperctlError, ValueError) as error:
                print(f"bench: error: {error}", file=sys.stderr)
                return 1
        case ["decoders", folder]:
            from bench import decoders

            speech = ROOT / "samples/austen.flac"
            _update(ROOT / "docs/sandbox.md", decoders.measure(Path(folder), speech))
        case ["decode", path, decoder]:
            from bench import decoders

            print(json.dumps(decoders.decode(Path(path), decoder)))
        case ["peers", folder, *lengths]:
            from bench import peers

            lengths_s = [int(length) for length in lengths] or peers.LENGTHS_S
            target = ROOT / "docs/performance.md"
            _update(target, peers.measure(Path(folder).resolve(), lengths_s), "peers")
        case ["subtitles", folder, *lengths]:
            from bench import subtitles

            lengths_s = [int(length) for length in lengths] or subtitles.LENGTHS_S
            target = ROOT / "docs/subtitles.md"
            _update(target, subtitles.measure(Path(folder).resolve(), lengths_s))
        case ["costs"]:
            from bench import cluster

            measured = (ROOT / "docs/performance.md").read_text("utf-8")
            _update(ROOT / "docs/cluster.md", cluster.costs(measured), "costs")
        case ["soak", folder, *numbers] if len(numbers) < 3:
            from bench import soak

            n_recordings, n_workers = map(int, [*numbers, "10000", "8"][:2])
            # Absolute, as the cluster's processes work in it.
            place = Path(folder).absolute()
            place.mkdir(parents=True)
            found = soak.soak(place, n_recordings, n_workers, kill_every_s=5.0)
            print(*soak.report(found), sep="\n")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
