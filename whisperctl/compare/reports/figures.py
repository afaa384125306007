"""Texts for the numbers of a cell and for their origin, shared by all reports."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import geometric_mean
from typing import Any

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.compare import statistics
from whisperctl.compare.result import (
    CellInfo,
    Comparison,
    Difference,
    Errors,
    Machine,
    Ratio,
    RecordingInfo,
    Stat,
    TimeDeltas,
    Workers,
)
from whisperctl.compare.statistics import Value, shown
from whisperctl.options import DecodeOptions
from whisperctl.text import counted, visible
from whisperctl.transcript import PHASES

NOTHING = "-"
"""Placeholder for a value that was not measured."""

BASELINE = "baseline"
"""Stands for a figure of the baseline itself."""

FAILED = "failed"

IDENTICAL = "identical"

NO_CHANGE = "machine, versions, models, recordings and parameters are the same"
"""Line of a drift report without changes."""

PLUS_MINUS = "±"

WITH_SPREAD = ("total_ms", "cold_start_ms", "wall_ms", "cpu_ms")
"""Values that tables show with their spread. JSON, CSV and HTML have that of all values."""

KEY_RATIOS = ("wall_ms", "encode_ms", "decode_ms", "batchd_ms", "cold_start_ms", "cpu_ms")
"""Values whose ratios tables show besides ``peak_memory_bytes``, the most important first."""

_MANY = 3
"""Variants that the verdict has a sentence each for; of more, only the extremes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one recording with the same text; at least one."""

    letter: str
    cells: tuple[CellInfo, ...]


def writable(text: str) -> str:
    """Replace characters of a report that cannot be encoded in UTF-8 or that control terminals."""
    return visible(text, prose=True)


def cells_of(comparison: Comparison, recording: int) -> tuple[CellInfo, ...]:
    """Cells of a recording, in the order of the variants."""
    return tuple(cell for cell in comparison.cells if cell.recording == recording)


def label(comparison: Comparison, cell: CellInfo) -> str:
    """Label of a cell's variant."""
    return comparison.variants[cell.variant].label


def baseline_label(comparison: Comparison, cells: Sequence[CellInfo]) -> str:
    """Label of the variant that all cells are compared with, or else the requested baseline."""
    found = {cell.baseline for cell in cells if cell.baseline is not None}
    if len(found) == 1:
        return comparison.variants[found.pop()].label
    return comparison.baseline


def is_baseline(cell: CellInfo) -> bool:
    """True if a cell is the baseline."""
    return cell.baseline == cell.variant


def groups(cells: Sequence[CellInfo]) -> tuple[Group, ...]:
    """Cells grouped by text, in the order of the letters; failed cells are in no group."""
    letters = dict.fromkeys(cell.text_group for cell in cells if cell.text_group)
    return tuple(
        Group(letter, tuple(cell for cell in cells if cell.text_group == letter))
        for letter in letters
    )


def measured(cells: Sequence[CellInfo]) -> tuple[Value, ...]:
    """Values that at least one cell has, in the order of tables."""
    return tuple(value for value in statistics.VALUES if any(value.name in c.stats for c in cells))


def with_ratio(cells: Sequence[CellInfo]) -> tuple[Value, ...]:
    """Values to show as ratios, of which at least one cell has one; wall time first."""
    names = (*KEY_RATIOS, "peak_memory_bytes")
    return tuple(
        statistics.BY_NAME[name]
        for name in names
        if any(name in cell.ratios and not is_baseline(cell) for cell in cells)
    )


def number(cell: CellInfo, value: Value) -> str:
    """Median of a value, with its spread or the number of runs of the phase."""
    stat = cell.stats.get(value.name)
    if stat is None:
        return FAILED if cell.error and value.name == "wall_ms" else NOTHING
    if value.name in WITH_SPREAD:
        return spread(stat, value)
    return shown(stat.median, value.unit) + runs_of_phase(cell, value)


def spread(stat: Stat, value: Value) -> str:
    """Median ± MAD, or only the median of a single run."""
    text = shown(stat.median, value.unit)
    if stat.mad is None:
        return text
    return f"{text} {PLUS_MINUS} {shown(stat.mad, value.unit)}"


def runs_of_phase(cell: CellInfo, value: Value) -> str:
    """Number of runs of a phase and time per run, as ``whisper_print_timings`` prints them."""
    name = value.name.removesuffix("_ms")
    if name not in PHASES:
        return ""
    for phase in cell.phases:
        if phase.name == name and phase.count > 1:
            return f" ({phase.count} x {shown(phase.per_run_ms, 'ms')})"
    return ""


def ratio(cell: CellInfo, name: str) -> str:
    """Ratio of a cell to its baseline."""
    if is_baseline(cell):
        return BASELINE
    return interval(cell.ratios.get(name))


def interval(found: Ratio | None) -> str:
    """Ratio with its interval."""
    if found is None:
        return NOTHING
    text = f"{shown(found.value, 'times')}x"
    if found.low is None or found.high is None:
        return text
    return f"{text} [{shown(found.low, 'times')}, {shown(found.high, 'times')}]"


def rate(errors: Errors) -> str:
    """Error rate with its counts."""
    text = shown(errors.rate, "share")
    counts = errors.substitutions, errors.deletions, errors.insertions
    if not any(counts):
        return text
    return f"{text} ({', '.join(f'{n} {c}' for n, c in zip(counts, 'SDI', strict=True) if n)})"


def word_error(difference: Difference | None) -> str:
    """Word error rate without counts, for a column."""
    if difference is None:
        return NOTHING
    return IDENTICAL if difference.identical else shown(difference.wer.rate, "share")


def tokens(cell: CellInfo) -> str:
    """Share of tokens that are equal to the baseline's."""
    found = cell.agreement.tokens if cell.agreement is not None else None
    if found is None:
        return NOTHING
    return f"{shown(found.rate, 'share')} ({found.n_equal} of {found.n})"


def start_delta(times: TimeDeltas) -> str:
    """Mean and 95th percentile of differences between word starts."""
    return f"{shown(times.start_mean_s, 's')} s, p95 {shown(times.start_p95_s, 's')} s"


def end_delta(times: TimeDeltas) -> str:
    """Mean and 95th percentile of differences between word ends."""
    return f"{shown(times.end_mean_s, 's')} s, p95 {shown(times.end_p95_s, 's')} s"


def divergence(cell: CellInfo) -> str:
    """First point at which a cell's tokens differ from the baseline's, with both texts."""
    found = cell.agreement.divergence if cell.agreement is not None else None
    if found is None:
        return NOTHING
    theirs = f'"{found.baseline}"' if found.baseline else "its end"
    own = f'"{found.text}"' if found.text else "its end"
    return f"{shown(found.time_s, 's')} s, token {found.n_tokens + 1}: {theirs} → {own}"


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """Say in a sentence what time each variant takes and whether it says the same.

    Of many variants only the fastest and the slowest, and how many say the same. Empty if no
    variant can be judged.
    """
    cells = [cell for cell in comparison.cells if not cell.error]
    judged: dict[int, list[CellInfo]] = {}
    for cell in cells:
        if not is_baseline(cell) and cell.agreement is not None and "wall_ms" in cell.ratios:
            judged.setdefault(cell.variant, []).append(cell)
    if not judged:
        factors = [s.median for cell in cells if (s := cell.stats.get("real_time_factor"))]
        if len(comparison.variants) > 1 or not factors:
            return ()
        length = "length of the recording" + ("s" if len(factors) > 1 else "")
        factor = shown(geometric_mean(factors), "times")
        return (f"{comparison.variants[0].label} takes {factor} times the {length}.",)
    times = {
        variant: geometric_mean(cell.ratios["wall_ms"].value for cell in own)
        for variant, own in judged.items()
    }
    ranked = sorted(judged, key=times.__getitem__)
    if len(ranked) <= _MANY:
        return tuple(
            f"{_time(comparison, judged[variant], times[variant])} and "
            f"{_agreement(judged[variant])}."
            for variant in judged
        )
    same = sum(_agreement(own) == _SAME for own in judged.values())
    others = f"{same} of {len(ranked)} variants say the same as the one they are compared with."
    fastest, slowest = (
        _time(comparison, judged[variant], times[variant]) for variant in (ranked[0], ranked[-1])
    )
    return (f"The fastest, {fastest}; the slowest, {slowest}.", others)


_SAME = "says the same"


def _time(comparison: Comparison, cells: Sequence[CellInfo], ratio: float) -> str:
    base = comparison.variants[cells[0].baseline or 0].label
    text = f"{label(comparison, cells[0])} takes {shown(ratio, 'times')} times {base}'s time"
    wide = [
        found.low is not None and found.high is not None and found.low <= 1 <= found.high
        for found in (cell.ratios["wall_ms"] for cell in cells)
    ]
    return f"{text} (no significant difference)" if all(wide) else text


def _agreement(cells: Sequence[CellInfo]) -> str:
    found = [cell.agreement.difference for cell in cells if cell.agreement is not None]
    if all(difference.identical for difference in found):
        return _SAME
    errors = [difference.wer for difference in found]
    n_wrong = sum(one.substitutions + one.deletions + one.insertions for one in errors)
    n_words = sum(one.n_reference for one in errors)
    return f"differs in {shown(min(1.0, n_wrong / max(1, n_words)), 'share')} of the words"


def legends(comparison: Comparison) -> tuple[str, ...]:
    """Explain the figures of times and ratios, then those of words, as far as there are any."""
    cells = comparison.cells
    times = "Times are in ms"
    if comparison.repeats > 1:
        times = "Times are medians in ms ± the median absolute deviation (MAD) over the runs"
    if any(phase.count > 1 for cell in cells for phase in cell.phases):
        times += "; in brackets runs of a phase x ms a run"
    times += ". Real-time factor (RTF): wall / duration."
    ratios = [ratio for cell in cells if not is_baseline(cell) for ratio in cell.ratios.values()]
    if ratios:
        spread = any(ratio.low is not None for ratio in ratios)
        times += " Ratios are to the baseline"
        times += ", with their 95 % bootstrap interval." if spread else "."
    words = []
    agreements = [cell.agreement for cell in cells if cell.agreement is not None]
    found = [agreement.difference for agreement in agreements]
    found += [cell.difference for cell in cells if cell.difference is not None]
    if not all(difference.identical for difference in found):
        words.append(
            "WER and CER: word and character errors over the reference's words and characters; "
            "S, D, I: substituted, deleted, inserted. norm.: after Whisper's normalizer."
        )
    if any(agreement.times is not None for agreement in agreements):
        words.append(
            "starts, ends: mean and 95th percentile of the distance between the times of matched "
            "words."
        )
    return (times, " ".join(words)) if words else (times,)


def same_texts(comparison: Comparison, cells: Sequence[CellInfo]) -> tuple[str, ...]:
    """Cells that share a text, one line for each text; one line if all do."""
    found = groups(cells)
    if not found:
        return ("no cell gave a text",)
    if len(found) == 1:
        n = len(found[0].cells)
        empty = "" if found[0].cells[0].text else ", and empty: no speech found"
        return (f"all {n} texts are identical{empty}" if n > 1 else f"one text{empty}",)
    return tuple(
        f"text {group.letter}: {'; '.join(label(comparison, cell) for cell in group.cells)}"
        for group in found
    )


def unstable(comparison: Comparison, cells: Sequence[CellInfo]) -> tuple[str, ...]:
    """Cells whose runs gave different texts."""
    return tuple(
        f"{label(comparison, cell)}: the text is not the same in every run"
        for cell in cells
        if not cell.stable
    )


def failures(comparison: Comparison) -> tuple[str, ...]:
    """Failed cells with their errors."""
    several = len(comparison.recordings) > 1
    lines = []
    for cell in comparison.cells:
        if cell.error:
            where = f"{comparison.recordings[cell.recording].label}, " if several else ""
            lines.append(f"{where}{label(comparison, cell)}: {' '.join(cell.error.split())}")
    return tuple(lines)


def baseline_cell(comparison: Comparison, cell: CellInfo) -> CellInfo | None:
    """Cell that a cell is compared with."""
    for other in comparison.cells:
        if (other.recording, other.variant) == (cell.recording, cell.baseline):
            return other
    return None


@dataclass(frozen=True, slots=True)
class Against:
    """Text that a cell's text is compared with: the reference, or the baseline's."""

    name: str
    text: str
    difference: Difference


def against(comparison: Comparison, cell: CellInfo) -> Against | None:
    """Text to compare a cell's text with: the reference, or else the baseline's."""
    reference = comparison.recordings[cell.recording].reference
    if reference is not None and cell.difference is not None:
        return Against("reference", reference.text, cell.difference)
    other = baseline_cell(comparison, cell)
    if other is None or cell.agreement is None:
        return None
    return Against(label(comparison, other), other.text, cell.agreement.difference)


SHORT = 12
"""Digits shown of a hash. The JSON document has all of them."""

Fact = tuple[str, str]


def facts(comparison: Comparison) -> Iterator[Fact]:
    """Inputs and method of a comparison: a name and a text each."""
    for recording in comparison.recordings:
        yield "recording", describe_recording(recording)
    for model in comparison.models:
        size = shown(model.size_bytes, "bytes")
        yield "model", f"{model.name} {model.quant}, {size}, sha256 {model.sha256[:SHORT]}"
    for engine in comparison.engines:
        versions = ", ".join(f"{name} {text}" for name, text in engine.versions.items() if text)
        files = ", ".join(f"{name} sha256 {sha[:SHORT]}" for name, sha in engine.files.items())
        yield (
            "engine",
            ": ".join(filter(None, (engine.label, ", ".join(filter(None, (versions, files)))))),
        )
    for other in comparison.left_out:
        yield "left out", f"{other.engine}: {other.reason}"
    yield "machine", machine_text(comparison.machine)
    if comparison.workers is not None:
        yield "workers", describe_workers(comparison.workers)
    yield "method", describe_method(comparison)
    yield "parameters", describe_parameters(comparison)
    yield "made by", describe_origin(comparison)


def busy(machine: Machine) -> str:
    """Effect of other programs on times, if they kept the machine busy at the start."""
    if not machine.load_average or machine.load_average[0] <= machine.processors_allowed:
        return ""
    return (
        f"load average {machine.load_average[0]:.1f} on {machine.processors_allowed} "
        "processors at the start: times are too long"
    )


def caveats(comparison: Comparison) -> Iterator[str]:
    """Reasons to doubt the times: other programs ran at the start, or cells ran too few times."""
    if load := busy(comparison.machine):
        yield f"{load}, and ratios uncertain; compare again when other programs are done"
    if comparison.repeats < 3:
        often = "once" if comparison.repeats == 1 else "twice"
        yield f"each cell ran {often}: times are uncertain; use --repeat 3 or more"


def describe_recording(recording: RecordingInfo) -> str:
    """Recording with its duration, the hash of its samples and its reference."""
    parts = [
        f"{recording.label}, {shown(recording.duration_s, 's')} s",
        f"samples sha256 {recording.samples_sha256[:SHORT]}",
    ]
    if recording.audio_track is not None:
        parts.append(f"audio track {recording.audio_track}")
    if recording.decoders or recording.decoder != AUTO:
        parts.append(f"decoder {' and '.join(recording.decoders) or recording.decoder}")
    if recording.filters:
        parts.append(f"filters {' '.join(recording.filters)}")
    if recording.reference is not None:
        parts.append(f"reference {PurePath(recording.reference.source).name}")
    return ", ".join((*parts, *recording.warnings))


def machine_text(it: Machine) -> str:
    """CPU, processors, memory and system."""
    parts = [it.cpu, f"{it.processors_allowed} of {it.processors} processors"]
    if it.memory_bytes is not None:
        parts.append(f"{shown(it.memory_bytes, 'bytes')} memory")
    parts += [it.system, f"Python {it.python}"]
    if it.load_average:
        parts.append(f"load average {it.load_average[0]:.2f} at the start")
    return ", ".join(parts)


def describe_workers(workers: Workers) -> str:
    """Number and names of a cluster's workers, and those that were not used."""
    n_used = len(workers.names)
    each = f"with {counted(workers.threads, 'thread')}" + (" each" if n_used > 1 else "")
    kind = "of the same kind, " if n_used > 1 else ""
    used = f"{n_used}, {kind}{each}: {', '.join(workers.names)}"
    return "; ".join(filter(None, (used, workers.note)))


def describe_method(comparison: Comparison) -> str:
    """Number of runs, warm-up and baseline."""
    n = comparison.repeats
    runs = f"{n} interleaved runs" if n > 1 else "a single run"
    warm = "after a warm-up" if comparison.warm_up else "without a warm-up"
    return f"{runs} of each cell in separate processes, {warm}; baseline {comparison.baseline}"


def describe_parameters(comparison: Comparison) -> str:
    """Most important decoding parameters, and those that are not the defaults."""
    options = dict(comparison.parameters)
    beam = options.get("beam_size")
    search = [] if beam is None else [f"beam {beam}" if beam > 1 else "greedy"]
    language = options.get("language")
    parts = search + ([f"language {language}"] if language else [])
    defaults = DecodeOptions()
    named = ("beam_size", "language")
    parts += [
        f"{name.replace('_', ' ')} {_text(value)}"
        for name, value in options.items()
        if name not in named and value != getattr(defaults, name, value)
    ]
    return ", ".join(parts) or "defaults"


def describe_origin(comparison: Comparison) -> str:
    """Version of whisperctl, date, duration and command."""
    return (
        f"whisperctl {comparison.whisperctl}, {comparison.date}, "
        f"in {shown(comparison.elapsed_s, 's')} s: whisperctl {shlex.join(comparison.command)}"
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f'"{value}"' if isinstance(value, str) else str(value)
