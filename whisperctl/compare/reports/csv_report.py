"""Comparison as one table of comma-separated values.

A row is a run of a cell or a summary of its runs; column ``row`` says which. All columns are always
present, so that files of several comparisons can be concatenated. Numbers have full precision, as
in the JSON document; unknown ones are empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from whisperctl.compare import statistics
from whisperctl.compare.reports import figures
from whisperctl.compare.result import CellInfo, Comparison, Difference, Ratio
from whisperctl.transcript import PHASES

Field = str | int | float | None

STATS = ("median", "mad", "iqr", "low", "high")
"""Summary rows of a cell; every cell has ``median``, even if it failed."""

RATIOS = ("ratio", "ratio_low", "ratio_high")
"""Rows with the ratio to the baseline and the ends of its interval."""

DRIFT = ("drift", "drift_low", "drift_high")
"""Rows with the ratio to an earlier comparison and the ends of its interval."""

_SUBJECT = (
    "recording",
    "duration_s",
    "engine",
    "backend",
    "runtime",
    "model",
    "quant",
    "threads",
    "variant",
    "baseline",
)
_ERRORS = ("wer", "cer", "normalized_wer", "normalized_cer")
_COUNTS = ("rate", "substitutions", "deletions", "insertions", "n_reference")
_TOKENS = ("rate", "n_equal", "n")
_DIVERGENCE = ("n_tokens", "time_s")
_TIMES = ("n_words", "start_mean_s", "start_p95_s", "end_mean_s", "end_p95_s", "bias_s")

_SCORES = (
    *(
        f"{against}_{name}_{count}"
        for against in ("reference", "baseline")
        for name in _ERRORS
        for count in _COUNTS
    ),
    *(f"tokens_{name}" for name in _TOKENS),
    *(f"divergence_{name}" for name in _DIVERGENCE),
    *(f"times_{name}" for name in _TIMES),
)

COLUMNS = (
    *_SUBJECT,
    "row",
    "repeat",
    *statistics.NAMES,
    *(f"{name}_count" for name in PHASES),
    "error",
    "language",
    "language_probability",
    "text_group",
    "stable",
    *_SCORES,
    "text",
)
"""All columns."""


def text(comparison: Comparison) -> str:
    """Table with its header; lines end in CR LF as in RFC 4180."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    drift = comparison.drift.cells if comparison.drift is not None else ()
    then = {one.cell: one.ratios for one in drift}
    for index, cell in enumerate(comparison.cells):
        subject = _subject(comparison, cell)
        writer.writerows({**subject, **row} for row in _rows(cell))
        writer.writerows({**subject, **row} for row in _ratios(DRIFT, then.get(index, {})))
    return figures.writable(out.getvalue())


def _subject(comparison: Comparison, cell: CellInfo) -> dict[str, Field]:
    recording = comparison.recordings[cell.recording]
    variant = comparison.variants[cell.variant]
    engine = comparison.engines[variant.engine]
    model = comparison.models[variant.model]
    baseline = None if cell.baseline is None else comparison.variants[cell.baseline].label
    fields = (
        recording.label,
        recording.duration_s,
        engine.label,
        engine.backend,
        engine.runtime,
        model.name,
        model.quant,
        variant.threads,
        variant.label,
        baseline,
    )
    return dict(zip(_SUBJECT, fields, strict=True))


def _rows(cell: CellInfo) -> Iterator[dict[str, Field]]:
    for run in cell.runs:
        yield {
            "row": "run",
            "repeat": run.repeat,
            **_known(run.values),
            **{f"{name}_count": run.counts[name] for name in PHASES if name in run.counts},
        }
    for name in STATS:
        numbers = {key: getattr(stat, name) for key, stat in cell.stats.items()}
        if name == "median":
            yield {"row": name, **_known(numbers), **_outcome(cell)}
        elif any(number is not None for number in numbers.values()):
            yield {"row": name, **_known(numbers)}
    yield from _ratios(RATIOS, cell.ratios)


def _ratios(names: tuple[str, ...], ratios: Mapping[str, Ratio]) -> Iterator[dict[str, Field]]:
    for name, attribute in zip(names, ("value", "low", "high"), strict=True):
        numbers = {key: getattr(ratio, attribute) for key, ratio in ratios.items()}
        if any(number is not None for number in numbers.values()):
            yield {"row": name, **_known(numbers)}


def _known(numbers: Mapping[str, float | None]) -> dict[str, Field]:
    return {name: numbers[name] for name in statistics.NAMES if name in numbers}


def _outcome(cell: CellInfo) -> dict[str, Field]:
    """Text of a cell with its error rates, or its error."""
    fields: dict[str, Field] = {"error": cell.error}
    if cell.error:
        return fields
    counts = {f"{phase.name}_count": phase.count for phase in cell.phases if phase.name in PHASES}
    fields |= counts | {
        "language": cell.language,
        "language_probability": cell.language_probability,
        "text_group": cell.text_group,
        "stable": "yes" if cell.stable else "no",
        "text": cell.text,
        **_difference("reference", cell.difference),
    }
    if cell.agreement is not None:
        fields |= _difference("baseline", cell.agreement.difference)
        for prefix, names, of in (
            ("tokens", _TOKENS, cell.agreement.tokens),
            ("divergence", _DIVERGENCE, cell.agreement.divergence),
            ("times", _TIMES, cell.agreement.times),
        ):
            if of is not None:
                fields |= {f"{prefix}_{name}": getattr(of, name) for name in names}
    return fields


def _difference(against: str, difference: Difference | None) -> dict[str, Field]:
    if difference is None:
        return {}
    return {
        f"{against}_{name}_{count}": number
        for name in _ERRORS
        for count, number in asdict(getattr(difference, name)).items()
    }
