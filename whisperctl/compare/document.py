"""A comparison as a JSON document: all its numbers, and everything it takes to repeat it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from whisperctl.batch import records
from whisperctl.compare.comparison import SCHEMA, Comparison, RecordingInfo, VariantInfo
from whisperctl.errors import UsageError
from whisperctl.quoting import quoted, visible

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
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{quoted(path)} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
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
