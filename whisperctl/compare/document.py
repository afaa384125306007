"""A comparison as a JSON document: all its numbers, and everything it takes to repeat it."""

from __future__ import annotations

import json
from pathlib import Path

from whisperctl.batch import records
from whisperctl.compare.comparison import SCHEMA, Comparison
from whisperctl.errors import UsageError
from whisperctl.quoting import quoted


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
        return records.restore(Comparison, document)
    except ValueError as error:
        raise UsageError(f"{quoted(path)} is damaged: {error}") from error
