"""The document as tables: everything in them is read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Document = dict[str, Any]

_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class _Column:
    """A heading, the value's name in the document, and how the value is written."""

    heading: str
    name: str
    write: Callable[[float], str]


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _mib(value: float) -> str:
    return f"{value / 2**20:.0f}"


def _factor(value: float) -> str:
    return f"{value:.3f}"


COLUMNS = (
    _Column("load", "load_ms", _ms),
    _Column("mel", "mel_ms", _ms),
    _Column("encode", "encode_ms", _ms),
    _Column("decode/run", "decode_ms_per_run", _ms),
    _Column("batchd/run", "batchd_ms_per_run", _ms),
    _Column("sample", "sample_ms", _ms),
    _Column("total", "total_ms", _ms),
    _Column("real-time", "real_time_factor", _factor),
    _Column("MiB", "peak_memory_bytes", _mib),
)
_RATIOS = (("encode x", "encode_ms"), ("decode x", "decode_ms_per_run"), ("total x", "total_ms"))

HEADINGS = (
    *("format", "engine"),
    *(column.heading for column in COLUMNS),
    *("runs", "text"),
    *(heading for heading, _ in _RATIOS),
)
"""Of every table's columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """The combinations of one recording, model and number of threads."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def tables(document: Document, *, spreads: bool) -> Iterator[Table]:
    """A table for each recording, model and number of threads.

    Args:
        document: what ``bench.document.document`` gives.
        spreads: whether the distance between the quartiles stands behind medians.
    """

    def group(cell: Document) -> tuple[str, str, int]:
        return cell["recording"], cell["model"], cell["threads"]

    for (recording, model, threads), cells in groupby(document["cells"], group):
        members = list(cells)
        source = document["recordings"][recording]
        yield Table(
            f"{source['source']} ({source['duration_s']:.1f} s), {model}, "
            f"{threads} thread{'s' if threads > 1 else ''}",
            tuple(tuple(_row(cell, spreads=spreads)) for cell in members),
            tuple(note for cell in members for note in _notes(cell)),
        )


def _row(cell: Document, *, spreads: bool) -> Iterator[str]:
    yield cell["format"]
    yield cell["label"]
    if cell["error"]:
        yield "failed"
        yield from [_NOTHING] * (len(HEADINGS) - 3)
        return
    for column in COLUMNS:
        median = cell["median"].get(column.name)
        iqr = cell["iqr"].get(column.name)
        if median is None:
            yield _NOTHING
        else:
            distance = f" [{column.write(iqr)}]" if spreads and iqr is not None else ""
            yield f"{column.write(median)}{distance}"
    yield f"{cell['runs'].get('decode', 0)}{'*' if cell['same_runs'] is False else ''}"
    yield _text(cell["difference"])
    for _, name in _RATIOS:
        value = (cell["ratio"] or {}).get(name)
        mark = "*" if name == "total_ms" and cell["same_runs"] is False else ""
        yield _NOTHING if value is None else f"{value:.2f}{mark}"


def _text(difference: Document | None) -> str:
    if difference is None:
        return _NOTHING
    if difference["identical"]:
        return "same"
    return f"WER {difference['word_error_rate']:.1%}"


def _notes(cell: Document) -> Iterator[str]:
    name = f"{cell['label']} {cell['format']}"
    if cell["error"]:
        yield f"{name} failed: {cell['error']}"
    elif not cell["steady"]:
        yield f"{name}: text or number of runs differed from one repeat to another"


def caption(document: Document, *, spreads: bool) -> Iterator[str]:
    """Where and how the numbers were measured, and what the columns are."""
    machine = document["machine"]
    repeats = document["parameters"]["repeats"]
    if not document["complete"]:
        yield "INCOMPLETE: the run was interrupted."
    yield (
        f"{machine['cpu']}, {machine['processors_allowed']} processors "
        f"({' '.join(_vector_flags(machine['cpu_flags'])) or 'flags unknown'}); "
        f"{machine['system']}; Python {machine['python']}."
    )
    load = document["machine"]["load_average"]
    yield (
        f"{document['date']}, load average at start "
        f"{' '.join(map(str, load)) if load else 'unknown'}; whisperctl {document['whisperctl']}, "
        f"revision {document['commit'] or 'unknown'}."
    )
    for engine in document["engines"].values():
        versions = [
            value if name == "engine" else f"{name} {value}"
            for name, value in engine["versions"].items()
        ]
        yield f"{engine['label']}: {', '.join(versions)}."
    for label, info in _system_infos(document):
        yield f"{label}: {info}"
    many = repeats > 1
    yield (
        f"{f'Medians of {repeats} interleaved repeats' if many else 'One measurement each'}, in "
        "processes of their own; greedy, without fallback. Times in ms"
        f"{', in brackets the distance between the quartiles' if many and spreads else ''}; total "
        "is without load; a run of decode is a token; real-time: wall / duration; MiB: peak "
        "memory; x: against native f16, as is the text; * marks where the number of runs differs "
        "from native's, so that totals cannot be compared."
    )
    for missing in document["left_out"]:
        yield f"Left out: {missing['what']}: {missing['reason']}"


def _system_infos(document: Document) -> Iterator[tuple[str, str]]:
    seen = set()
    for cell in document["cells"]:
        if cell["system_info"] and cell["label"] not in seen:
            seen.add(cell["label"])
            yield cell["label"], cell["system_info"].strip()


def _vector_flags(flags: list[str]) -> list[str]:
    """Those that tell how fast a CPU multiplies matrices."""
    wanted = ("sse4_2", "avx", "avx2", "fma", "f16c", "asimd", "sve")
    return [flag for flag in flags if flag in wanted or flag.startswith(("avx512", "avx_", "amx"))]


def text(document: Document) -> Iterator[str]:
    """Lines of tables for a terminal."""
    for table in tables(document, spreads=True):
        yield table.title
        rows = [HEADINGS, *table.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(
                value.ljust(width) if i < 2 else value.rjust(width)
                for i, (value, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        yield from table.notes
        yield ""
    yield from caption(document, spreads=True)


def markdown(document: Document) -> Iterator[str]:
    """Lines of compact tables for a page: without spreads."""
    for table in tables(document, spreads=False):
        yield f"### {table.title}"
        yield ""
        yield f"| {' | '.join(HEADINGS)} |"
        yield f"|{'---|' * 2}{'---:|' * (len(HEADINGS) - 2)}"
        for row in table.rows:
            yield f"| {' | '.join(row)} |"
        yield ""
        for note in table.notes:
            yield f"- {note}"
        if table.notes:
            yield ""
    for line in caption(document, spreads=False):
        yield line
        yield ""
