"""The texts for a cell's numbers, which the terminal, Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whisperctl.compare import statistics
from whisperctl.compare.result import CellInfo, Comparison, Ratio, Stat
from whisperctl.compare.scoring.differences import Difference, Errors, TimeDeltas
from whisperctl.compare.statistics import Value, shown
from whisperctl.text import visible
from whisperctl.transcript import PHASES

NOTHING = "-"
"""Stands for what was not measured."""

FAILED = "failed"

IDENTICAL = "identical"

NO_CHANGE = "machine, versions, models, recordings and parameters are the same"
"""What is said when an earlier run stood on the same."""

PLUS_MINUS = "±"

WITH_SPREAD = ("total_ms", "cold_start_ms", "wall_ms", "cpu_ms")
"""What tables show with the spread of its runs; all of it is in JSON, CSV and the page."""

KEY_RATIOS = ("wall_ms", "encode_ms", "decode_ms", "batchd_ms", "cold_start_ms", "cpu_ms")
"""What is worth a ratio besides ``peak_memory_bytes``; wall is the one that counts."""

LEGEND = (
    "Times are medians in ms ± the median absolute deviation (MAD) over the runs; in brackets runs "
    "of a phase x ms a run. Real-time factor (RTF): wall / duration. Ratios are to the baseline, "
    "with their 95 % bootstrap interval."
)
"""What the figures are."""

WORDS_LEGEND = (
    "WER and CER: word and character errors over the reference's words and characters; S, D, I: "
    "substituted, deleted, inserted. norm.: after Whisper's normalizer. Start and end deltas: mean "
    "and 95th percentile of the distance between the times of matched words."
)
"""What the figures of ``words`` are."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one recording that say the same. ``cells`` has at least one."""

    letter: str
    cells: tuple[CellInfo, ...]


def writable(text: str) -> str:
    """A report that can be written as UTF-8 and shown anywhere, whatever names and texts hold."""
    return visible(text, prose=True)


def cells_of(comparison: Comparison, recording: int) -> tuple[CellInfo, ...]:
    """The cells of a recording, in the order of the variants."""
    return tuple(cell for cell in comparison.cells if cell.recording == recording)


def label(comparison: Comparison, cell: CellInfo) -> str:
    """What tells a cell from the others of its recording."""
    return comparison.variants[cell.variant].label


def baseline_label(comparison: Comparison, cells: Sequence[CellInfo]) -> str:
    """What cells are compared with: the one variant's label, or what was asked for."""
    found = {cell.baseline for cell in cells if cell.baseline is not None}
    if len(found) == 1:
        return comparison.variants[found.pop()].label
    return comparison.baseline


def is_baseline(cell: CellInfo) -> bool:
    """Whether a cell is its own baseline."""
    return cell.baseline == cell.variant


def groups(cells: Sequence[CellInfo]) -> tuple[Group, ...]:
    """Cells by what they say, in the order of the letters; failed ones are in none."""
    letters = dict.fromkeys(cell.text_group for cell in cells if cell.text_group)
    return tuple(
        Group(letter, tuple(cell for cell in cells if cell.text_group == letter))
        for letter in letters
    )


def measured(cells: Sequence[CellInfo]) -> tuple[Value, ...]:
    """The values that some cell has, in the order of tables."""
    return tuple(value for value in statistics.VALUES if any(value.name in c.stats for c in cells))


def with_ratio(cells: Sequence[CellInfo]) -> tuple[Value, ...]:
    """The values whose ratio some cell has, of those worth one, wall first."""
    names = (*KEY_RATIOS, "peak_memory_bytes")
    return tuple(
        statistics.BY_NAME[name]
        for name in names
        if any(name in cell.ratios and not is_baseline(cell) for cell in cells)
    )


def number(cell: CellInfo, value: Value) -> str:
    """A value of a cell: the median, and its spread or what whisper.cpp counted."""
    stat = cell.stats.get(value.name)
    if stat is None:
        return FAILED if cell.error and value.name == "wall_ms" else NOTHING
    if value.name in WITH_SPREAD:
        return spread(stat, value)
    return shown(stat.median, value.unit) + runs_of_phase(cell, value)


def spread(stat: Stat, value: Value) -> str:
    """A median ± MAD; the median alone if there was a single run."""
    text = shown(stat.median, value.unit)
    if stat.mad is None:
        return text
    return f"{text} {PLUS_MINUS} {shown(stat.mad, value.unit)}"


def runs_of_phase(cell: CellInfo, value: Value) -> str:
    """How often a phase ran and what each run took, as ``whisper_print_timings`` says it."""
    name = value.name.removesuffix("_ms")
    if name not in PHASES:
        return ""
    for phase in cell.phases:
        if phase.name == name and phase.count > 1:
            return f" ({phase.count} x {shown(phase.per_run_ms, 'ms')})"
    return ""


def ratio(cell: CellInfo, name: str) -> str:
    """A cell's ratio to its baseline."""
    if is_baseline(cell):
        return "baseline"
    return interval(cell.ratios.get(name))


def interval(found: Ratio | None) -> str:
    """A ratio and its interval."""
    if found is None:
        return NOTHING
    text = f"{shown(found.value, 'times')}x"
    if found.low is None or found.high is None:
        return text
    return f"{text} [{shown(found.low, 'times')}, {shown(found.high, 'times')}]"


def rate(errors: Errors) -> str:
    """An error rate with its counts."""
    text = shown(errors.rate, "share")
    counts = errors.substitutions, errors.deletions, errors.insertions
    if not any(counts):
        return text
    return f"{text} ({', '.join(f'{n} {c}' for n, c in zip(counts, 'SDI', strict=True) if n)})"


def word_error(difference: Difference | None) -> str:
    """The word error rate alone, for a column."""
    if difference is None:
        return NOTHING
    return IDENTICAL if difference.identical else shown(difference.wer.rate, "share")


def tokens(cell: CellInfo) -> str:
    """How many tokens are the baseline's."""
    found = cell.agreement.tokens if cell.agreement is not None else None
    if found is None:
        return NOTHING
    return f"{shown(found.rate, 'share')} ({found.n_equal} of {found.n})"


def start_delta(times: TimeDeltas) -> str:
    """Mean and 95th percentile between the starts of matched words."""
    return f"{shown(times.start_mean_s, 's')} s, p95 {shown(times.start_p95_s, 's')} s"


def end_delta(times: TimeDeltas) -> str:
    """Mean and 95th percentile between the ends of matched words."""
    return f"{shown(times.end_mean_s, 's')} s, p95 {shown(times.end_p95_s, 's')} s"


def divergence(cell: CellInfo) -> str:
    """Where a cell's tokens part from the baseline's, and what each says there."""
    found = cell.agreement.divergence if cell.agreement is not None else None
    if found is None:
        return NOTHING
    theirs = f'"{found.baseline}"' if found.baseline else "its end"
    own = f'"{found.text}"' if found.text else "its end"
    return f"{shown(found.time_s, 's')} s, token {found.n_tokens + 1}: {theirs} → {own}"


def same_texts(comparison: Comparison, cells: Sequence[CellInfo]) -> tuple[str, ...]:
    """Which cells share a text, in a line where all do."""
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
    """The cells whose runs did not all say the same."""
    return tuple(
        f"{label(comparison, cell)}: the text is not the same in every run"
        for cell in cells
        if not cell.stable
    )


def failures(comparison: Comparison) -> tuple[str, ...]:
    """The cells that failed, and why."""
    several = len(comparison.recordings) > 1
    lines = []
    for cell in comparison.cells:
        if cell.error:
            where = f"{comparison.recordings[cell.recording].label}, " if several else ""
            lines.append(f"{where}{label(comparison, cell)}: {' '.join(cell.error.split())}")
    return tuple(lines)


def baseline_cell(comparison: Comparison, cell: CellInfo) -> CellInfo | None:
    """The cell that a cell is compared with."""
    for other in comparison.cells:
        if (other.recording, other.variant) == (cell.recording, cell.baseline):
            return other
    return None


@dataclass(frozen=True, slots=True)
class Against:
    """A text that others are compared with: a reference, or the baseline's."""

    name: str
    text: str
    difference: Difference


def against(comparison: Comparison, cell: CellInfo) -> Against | None:
    """What a cell's text is compared with first: what was really said, or else the baseline."""
    reference = comparison.recordings[cell.recording].reference
    if reference is not None and cell.difference is not None:
        return Against("reference", reference.text, cell.difference)
    other = baseline_cell(comparison, cell)
    if other is None or cell.agreement is None:
        return None
    return Against(label(comparison, other), other.text, cell.agreement.difference)
