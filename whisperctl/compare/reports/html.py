"""Comparison as a single HTML file, which loads nothing else and is readable without JavaScript."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import jinja2
import soundfile

from whisperctl.audio import SAMPLE_RATE
from whisperctl.compare import document
from whisperctl.compare.reports import charts, figures, grid
from whisperctl.compare.reports.charts import Chart
from whisperctl.compare.reports.grid import Grid
from whisperctl.compare.result import CellInfo, Comparison, WordInfo
from whisperctl.compare.scoring import wer
from whisperctl.compare.statistics import Value, shown
from whisperctl.text import timestamp

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST_S = 3600.0
"""Longest total duration of the recordings embedded in a page, which take about 24 MB an hour."""

_COLUMNS = 6
"""Variants beside each other in a table; a printed page is not wider."""

_TOO_LONG = (
    "The recordings are too long to be embedded in this page "
    f"(more than {LONGEST_S / 60:.0f} minutes); words cannot be played."
)
_UNBROKEN = re.compile(r"\([^)]*\)|(?:p95 )?[0-9.]+ s\b")
_NO_RECORDING = "The recording is not embedded in this page; words cannot be played."
_LANGUAGE = re.compile(r"[a-z]{2,3}")

# MP3 plays in every browser, and seeking is exact at a constant bit rate. libsndfile maps 0.8 to
# 40 kbit/s at 16 kHz, which is enough for speech.
_MP3: dict[str, Any] = {
    "format": "MP3",
    "subtype": "MPEG_LAYER_III",
    "bitrate_mode": "CONSTANT",
    "compression_level": 0.8,
}
_FLAC: dict[str, Any] = {"format": "FLAC", "subtype": "PCM_16"}


@dataclass(frozen=True, slots=True)
class _Figure:
    """Number in the table of all numbers."""

    text: str
    value: float | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Table of all numbers for some of the variants."""

    cells: tuple[CellInfo, ...]
    rows: tuple[tuple[Value, tuple[_Figure, ...]], ...]
    ratios: tuple[tuple[Value, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Recording:
    """Section of a recording."""

    label: str
    audio: str
    no_audio: str
    summary: Grid
    charts: tuple[Chart, ...]
    remarks: tuple[str, ...]
    words: Grid
    panels: tuple[_Panel, ...]
    numbers: tuple[_Numbers, ...]


def page(comparison: Comparison, samples: Sequence[npt.NDArray[np.float32] | None]) -> str:
    """Render the page.

    Args:
        comparison: the comparison to show. The page also contains it as JSON.
        samples: samples of each recording to embed: float32, shape (n_samples,), [-1, 1], 16 kHz
            mono, or ``None``. None are embedded if they are longer than ``LONGEST_S`` in total.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("whisperctl.compare.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = _unbroken
    environment.filters["label"] = lambda cell: figures.label(comparison, cell)
    html = environment.get_template("page.html").render(
        comparison=comparison,
        recordings=list(_recordings(comparison, samples)),
        failures=figures.failures(comparison),
        facts=list(figures.facts(comparison)),
        drift=comparison.drift and grid.drift(comparison, comparison.drift),
        no_change=figures.NO_CHANGE,
        legends=figures.legends(comparison),
        verdict=" ".join(figures.verdict(comparison)),
        method=figures.describe_method(comparison),
        caveats=list(figures.caveats(comparison)),
        document=_embedded(comparison),
    )
    return figures.writable(html)


def _unbroken(text: str) -> str:
    """Keep a figure from being wrapped within brackets or before a unit."""
    return _UNBROKEN.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _embedded(comparison: Comparison) -> str:
    """JSON document of the comparison, in which no tag can begin or end."""
    return document.text(comparison).replace("<", "\\u003c")


def _recordings(
    comparison: Comparison, samples: Sequence[npt.NDArray[np.float32] | None]
) -> Iterator[_Recording]:
    n_samples = sum(len(those) for those in samples if those is not None)
    fits = n_samples <= LONGEST_S * SAMPLE_RATE
    for index, info in enumerate(comparison.recordings):
        cells = figures.cells_of(comparison, index)
        own = samples[index] if index < len(samples) else None
        plays = own is not None and len(own) > 0 and fits
        yield _Recording(
            label=info.label,
            audio=_data_uri(own) if own is not None and plays else "",
            no_audio="" if plays else _NO_RECORDING if fits else _TOO_LONG,
            summary=grid.by_cell(comparison, cells),
            charts=tuple(charts.charts(comparison, cells)),
            remarks=(
                *figures.same_texts(comparison, cells),
                *figures.unstable(comparison, cells),
                *grid.divergences(comparison, cells),
            ),
            words=grid.words(comparison, cells),
            panels=tuple(_panels(comparison, index)),
            numbers=tuple(
                _numbers(cells[start : start + _COLUMNS])
                for start in range(0, len(cells), _COLUMNS)
            ),
        )


def _numbers(cells: Sequence[CellInfo]) -> _Numbers:
    return _Numbers(
        tuple(cells),
        tuple(
            (value, tuple(_figure(cell, value) for cell in cells))
            for value in figures.measured(cells)
        ),
        tuple(
            (value, tuple(figures.ratio(cell, value.name) for cell in cells))
            for value in figures.with_ratio(cells)
        ),
    )


def _figure(cell: CellInfo, value: Value) -> _Figure:
    stat = cell.stats.get(value.name)
    if stat is None:
        return _Figure(figures.number(cell, value), None)
    text = figures.spread(stat, value) + figures.runs_of_phase(cell, value)
    detail = f"{shown(stat.low, value.unit)} to {shown(stat.high, value.unit)}"
    if stat.iqr is not None:
        detail += f", IQR {shown(stat.iqr, value.unit)}"
    return _Figure(text, stat.median, detail)


@dataclass(frozen=True, slots=True)
class _TextPart:
    """Word of a text, or words that only the other text has.

    ``kind`` is "" for an equal word, "ins" for an inserted one, and "del" for deleted words.
    ``gap`` is the space before it. ``start_s`` and ``end_s`` are ``None`` if unknown.
    """

    kind: str
    text: str
    gap: str = " "
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """Segment. ``time`` is its start as text, or ""."""

    time: str
    start_s: float | None
    parts: tuple[_TextPart, ...]


@dataclass(frozen=True, slots=True)
class _Panel:
    """Text with its variants. ``note`` is its error rate and what it is compared with."""

    title: str
    variants: str
    language: str
    note: str
    lines: tuple[_Line, ...]

    @property
    def plays(self) -> bool:
        """True if the time of a word is known."""
        return any(part.start_s is not None for line in self.lines for part in line.parts)

    @property
    def differs(self) -> bool:
        """True if a word is marked."""
        return any(part.kind for line in self.lines for part in line.parts)


def _panels(comparison: Comparison, recording: int) -> Iterator[_Panel]:
    """Panels of the reference, if there is one, and of each distinct text."""
    reference = comparison.recordings[recording].reference
    groups = figures.groups(figures.cells_of(comparison, recording))
    if reference is not None:
        language = _language(groups[0].cells[0].language) if groups else ""
        words = wer.split_words(reference.text)
        timed = _reference_times(groups, words)
        parts = tuple(_text_parts(timed, 0, words, {}, set()))
        yield _Panel(
            "Reference", PurePath(reference.source).name, language, "", (_Line("", None, parts),)
        )
    for group in groups:
        cell = group.cells[0]
        yield _Panel(
            title=f"Text {group.letter}",
            variants="; ".join(figures.label(comparison, cell) for cell in group.cells),
            language=_language(cell.language),
            note=_note(comparison, cell),
            lines=tuple(_lines(comparison, cell)),
        )


def _reference_times(
    groups: Sequence[figures.Group], words: Sequence[str]
) -> list[WordInfo | None]:
    """Words of the reference with the times of the words that the first timed text has for them."""
    found: list[WordInfo | None] = [None] * len(words)
    for cell in (group.cells[0] for group in groups):
        heard = [word for segment in cell.segments for word in segment.words]
        if cell.difference is None or not heard:
            continue
        if len(heard) != len(wer.split_words(cell.text)):
            continue  # the times belong to other words
        for span in cell.difference.spans:
            pairs = zip(
                range(span.reference_start, span.reference_end),
                heard[span.text_start : span.text_end],
                strict=False,  # more or fewer words were heard
            )
            for n, word in pairs:
                found[n] = replace(word, text=words[n])
        break
    return found


def _language(code: str) -> str:
    return code if _LANGUAGE.fullmatch(code) else ""


def _note(comparison: Comparison, cell: CellInfo) -> str:
    other = figures.against(comparison, cell)
    if other is None:
        return "no speech found" if not cell.text else ""
    if other.difference.identical:
        return f"identical to {other.name}"
    return f"against {other.name}: WER {figures.rate(other.difference.wer)}"


def _lines(comparison: Comparison, cell: CellInfo) -> Iterator[_Line]:
    words = wer.split_words(cell.text)
    missing, other_words = _marks(comparison, cell, words)
    first = 0
    segments = [segment for segment in cell.segments if segment.words]
    if sum(len(segment.words) for segment in segments) != len(words):
        # The times belong to other words than these, so none is shown.
        parts = _text_parts([None] * len(words), 0, words, missing, other_words)
        yield _Line("", None, tuple(parts))
        return
    for segment in segments:
        found = _text_parts(segment.words, first, words, missing, other_words)
        first += len(segment.words)
        yield _Line(timestamp(segment.start_s), segment.start_s, tuple(found))


def _marks(
    comparison: Comparison, cell: CellInfo, words: Sequence[str]
) -> tuple[dict[int, str], set[int]]:
    """Deleted words by the index of the word they precede, and indices of inserted words."""
    other = figures.against(comparison, cell)
    if other is None:
        return {}, set()
    theirs = wer.split_words(other.text)
    found = wer.changes(other.difference.spans)
    missing = {
        change.text_start: wer.join_words(theirs[change.reference_start : change.reference_end])
        for change in found
        if change.reference_start < change.reference_end
    }
    return missing, {n for change in found for n in range(change.text_start, change.text_end)}


def _text_parts(
    timed: Sequence[WordInfo | None],
    first: int,
    words: Sequence[str],
    missing: dict[int, str],
    other_words: set[int],
) -> Iterator[_TextPart]:
    for index, word in enumerate(timed, first):
        if index in missing:
            yield _TextPart("del", missing[index])
        apart = index == first or wer.needs_space(words[index - 1], words[index])
        yield _TextPart(
            "ins" if index in other_words else "",
            words[index] if word is None else word.text,
            " " if apart else "",
            None if word is None else word.start_s,
            None if word is None else word.end_s,
        )
    end = first + len(timed)
    if end == len(words) and end in missing:
        yield _TextPart("del", missing[end])


def _data_uri(samples: npt.NDArray[np.float32]) -> str:
    """Encode a recording as a ``data:`` URI: MP3, or FLAC if libsndfile lacks MP3.

    Args:
        samples: float32, shape (n_samples,), [-1, 1], 16 kHz mono.
    """
    mp3 = "MP3" in soundfile.available_formats()
    out = io.BytesIO()
    soundfile.write(out, samples, SAMPLE_RATE, **(_MP3 if mp3 else _FLAC))
    kind = "audio/mpeg" if mp3 else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
