"""A comparison as a table and as plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from whisperctl.compare.result import Comparison
from whisperctl.compare.score import Change, Difference
from whisperctl.compare.spec import Cell
from whisperctl.transcript import PHASES, Phase, Timings

if TYPE_CHECKING:
    from rich.table import Table

LEGEND = "times in ms, in brackets runs x ms a run; real-time factor: wall / duration"
"""What the table's figures are."""

_NOTHING = "-"
_FAILED = "failed"
_GAP = "(nothing)"
_MAX_CHANGES = 20
_RATIOS = ("total", "wall", "encode")

Row = tuple[str, list[str]]


def title(comparison: Comparison) -> str:
    """What was compared, on one line."""
    job = comparison.job
    options = job.options
    search = f"beam {options.beam_size}" if options.beam_size > 1 else "greedy"
    return (
        f"{job.audio.source}, {job.audio.duration_s:.1f} s; {job.model.name}; "
        f"{job.threads} thread{'s' if job.threads > 1 else ''}; {search}"
    )


def rows(comparison: Comparison) -> list[Row]:
    """The table's rows: a label, and a text for each cell. Times are milliseconds."""
    reference = comparison.reference.engine.label if comparison.reference else ""

    def row(label: str, value: Callable[[Cell, Timings], str]) -> Row:
        values = [
            value(cell, cell.transcript.timings) if cell.transcript is not None else _FAILED
            for cell in comparison.cells
        ]
        return label, values

    def phase(name: str) -> Row:
        return row(name, lambda cell, timings: _phase(timings.phases.get(name)))

    def ratio(name: str) -> Row:
        return row(
            f"{name} / {reference}", lambda cell, timings: _times(comparison.ratio(cell, name))
        )

    table = [
        row("audio decode", lambda cell, timings: _ms(timings.audio_decode_ms)),
        row("module compile", lambda cell, timings: _ms(timings.module_compile_ms)),
        row("instantiate", lambda cell, timings: _ms(timings.instantiate_ms)),
        *(phase(name) for name in PHASES),
        row("open session", lambda cell, timings: _ms(cell.open_ms)),
        row("wall", lambda cell, timings: _ms(timings.wall_ms)),
        row("real-time factor", lambda cell, timings: _rtf(comparison.real_time_factor(cell))),
        row("peak memory", lambda cell, timings: _mib(timings.peak_memory_bytes)),
    ]
    if len(comparison.cells) > 1 and reference:
        table += [ratio(name) for name in _RATIOS]
        labels = [
            _FAILED if cell.transcript is None else _words(difference)
            for cell, difference in zip(comparison.cells, comparison.differences, strict=True)
        ]
        table.append((f"text / {reference}", labels))
    return table


def table(comparison: Comparison, *, plain: bool) -> Table:
    """The rows as a table to print; ``plain`` is in ASCII, for files and pipes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(
        box=box.ASCII if plain else box.SIMPLE_HEAD,
        padding=(0, 1) if plain else (0, 1, 0, 0),
        pad_edge=plain,
        header_style="" if plain else "bold",
    )
    result.add_column("phase", overflow="fold")
    for cell in comparison.cells:
        result.add_column(Text(cell.engine.label), justify="right", overflow="fold")
    sections = {PHASES[0], "open session", f"{_RATIOS[0]} / "}
    for label, values in rows(comparison):
        if any(label.startswith(section) for section in sections) and "/" not in label[:1]:
            result.add_section()
        result.add_row(Text(label), *map(Text, values))
    return result


def differences(comparison: Comparison) -> Iterator[str]:
    """Lines that show where an engine's text is other than the reference's."""
    if comparison.reference is None:
        return
    reference = comparison.reference.engine.label
    for cell, difference in zip(comparison.cells, comparison.differences, strict=True):
        if difference is None or difference.identical:
            continue
        label = cell.engine.label
        yield f"{label} against {reference}: {_counts(difference)}"
        width = max(len(label), len(reference))
        for change in difference.changes[:_MAX_CHANGES]:
            above, below = _aligned(change)
            yield f"    {reference:{width}}  {above}"
            yield f"    {label:{width}}  {below}"
            yield ""
        left = len(difference.changes) - _MAX_CHANGES
        if left > 0:
            yield f"    and {left} more"


def system_info(comparison: Comparison) -> Iterator[str]:
    """What each engine says of the CPU features it uses."""
    for cell in comparison.cells:
        if cell.transcript is not None and cell.transcript.system_info:
            yield f"{cell.engine.label}: {cell.transcript.system_info.strip()}"


def _aligned(change: Change) -> tuple[str, str]:
    """The two texts of a change, above each other."""
    old = " ".join(change.reference) or _GAP
    new = " ".join(change.text) or _GAP
    width = max(len(old), len(new))
    before = "".join(f"{word} " for word in change.before)
    after = " ".join(change.after)
    above = f"{before}[{old}]{' ' * (width - len(old))} {after}".rstrip()
    below = f"{before}[{new}]{' ' * (width - len(new))} {after}".rstrip()
    return above, below


def _counts(difference: Difference) -> str:
    if not difference.changes:
        return "the words are the same, the white space is not"
    return (
        f"{difference.substitutions} substituted, {difference.insertions} inserted, "
        f"{difference.deletions} deleted (WER {difference.word_error_rate:.1%}, "
        f"CER {difference.character_error_rate:.1%})"
    )


def _words(difference: Difference | None) -> str:
    if difference is None:
        return _NOTHING
    return "identical" if difference.identical else f"WER {difference.word_error_rate:.1%}"


def _phase(phase: Phase | None) -> str:
    if phase is None:
        return _NOTHING
    text = _ms(phase.total_ms)
    if phase.runs <= 1:
        return text
    each = phase.per_run_ms
    return f"{text} ({phase.runs} x {each:.{2 if each < 10 else 1}f})"


def _ms(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1f}"


def _mib(value: int | None) -> str:
    return _NOTHING if value is None else f"{value / 2**20:.0f} MiB"


def _rtf(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"


def _times(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}x"
