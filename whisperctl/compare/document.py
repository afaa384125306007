"""A comparison as a JSON document: all its numbers, and everything it takes to repeat it."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.compare.comparison import SCHEMA, Comparison
from whisperctl.errors import UsageError
from whisperctl.quoting import quoted

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def text(comparison: Comparison) -> str:
    """The document, indented, in ASCII, with a line feed at its end."""
    return json.dumps(asdict(comparison), indent=1, allow_nan=False) + "\n"


def read(path: Path) -> Comparison:
    """Read a document.

    Raises:
        UsageError: the file cannot be read, or is no such document.
    """
    from pydantic import ValidationError

    try:
        data = path.read_bytes()
        document = json.loads(data)
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
        return _adapter().validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{quoted(path)} is damaged: {where}: {first['msg']}") from error


@cache
def _adapter() -> TypeAdapter[Comparison]:
    from pydantic import TypeAdapter

    return TypeAdapter(Comparison)
