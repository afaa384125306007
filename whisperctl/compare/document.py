"""A comparison as a JSON document: all its numbers, and everything it takes to repeat it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from whisperctl.compare.result import SCHEMA, CellInfo, Comparison, RecordingInfo, VariantInfo
from whisperctl.compare.scoring import splitting
from whisperctl.compare.scoring.differences import Difference
from whisperctl.errors import UsageError
from whisperctl.storage import records
from whisperctl.text import quoted, visible

Info = TypeVar("Info", RecordingInfo, VariantInfo)


def text(comparison: Comparison) -> str:
    """The document, indented, in ASCII, with a line feed at its end."""
    return json.dumps(records.plain(comparison), indent=1, allow_nan=False) + "\n"


def read(path: Path) -> Comparison:
    """Read a document.

    Raises:
        UsageError: the file cannot be read, or is no such document.
    """
    try:
        document = records.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{quoted(path)} cannot be read: {error.strerror or error}") from error
    except records.NumberError as error:
        raise UsageError(f"{quoted(path)} is damaged: {error}") from error
    except ValueError as error:
        raise UsageError(
            f"{quoted(path)} is no JSON: give what a comparison wrote as JSON"
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        what = f"has schema {schema}" if schema is not None else "is no comparison"
        raise UsageError(
            f"{quoted(path)} {what}: give what this version's comparisons write (schema {SCHEMA})"
        )
    try:
        comparison = records.restore(Comparison, document)
        _check(comparison)
    except ValueError as error:
        raise UsageError(f"{quoted(path)} is damaged: {error}") from error
    return replace(
        comparison,
        recordings=tuple(_labelled(one) for one in comparison.recordings),
        variants=tuple(_labelled(one) for one in comparison.variants),
    )


def _labelled(info: Info) -> Info:
    """The same; a document may come from anywhere, and its labels are names."""
    return replace(info, label=visible(info.label))


def _check(comparison: Comparison) -> None:
    """Check that all indices in a document are of something that is in it.

    Raises:
        ValueError: one is not; the text says where.
    """
    for where, index, n_items in _indices(comparison):
        if index is not None and not 0 <= index < n_items:
            raise ValueError(f"{where}: there is no number {index}")
    for n, cell in enumerate(comparison.cells):
        reference = comparison.recordings[cell.recording].reference
        if cell.difference is not None and reference is not None:
            _check_spans(f"cells.{n}.difference", cell.difference, reference.text, cell.text)
        baseline = _baseline(comparison, cell)
        if cell.agreement is not None and baseline is not None:
            found = cell.agreement.difference
            _check_spans(f"cells.{n}.agreement.difference", found, baseline.text, cell.text)


def _indices(comparison: Comparison) -> Iterator[tuple[str, int | None, int]]:
    """Where each index is, the index, and how many items there are."""
    for n, variant in enumerate(comparison.variants):
        yield f"variants.{n}.engine", variant.engine, len(comparison.engines)
        yield f"variants.{n}.model", variant.model, len(comparison.models)
    for n, cell in enumerate(comparison.cells):
        yield f"cells.{n}.recording", cell.recording, len(comparison.recordings)
        yield f"cells.{n}.variant", cell.variant, len(comparison.variants)
        yield f"cells.{n}.baseline", cell.baseline, len(comparison.variants)
    for n, drift in enumerate(comparison.drift.cells if comparison.drift is not None else ()):
        yield f"drift.cells.{n}.cell", drift.cell, len(comparison.cells)


def _baseline(comparison: Comparison, cell: CellInfo) -> CellInfo | None:
    return next(
        (
            one
            for one in comparison.cells
            if (one.recording, one.variant) == (cell.recording, cell.baseline)
        ),
        None,
    )


def _check_spans(where: str, difference: Difference, reference: str, text: str) -> None:
    """Check that spans go through the words of both texts, from their first to their last."""
    at = (0, 0)
    for span in difference.spans:
        begin, end = (
            (span.reference_start, span.text_start),
            (span.reference_end, span.text_end),
        )
        if begin != at or end[0] < begin[0] or end[1] < begin[1] or end == begin:
            raise ValueError(f"{where}.spans: they do not follow each other")
        at = end
    if at != (len(splitting.split(reference)), len(splitting.split(text))):
        raise ValueError(f"{where}.spans: they are not of these texts")
