"""Frozen dataclasses as JSON and back, for journals and for what processes say to each other.

Types come from the annotations, so that a field added to a dataclass needs nothing here. A record
that lacks a field with a default gets the default; one with a field too many is refused.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def line(record: object) -> bytes:
    """A record as a line of JSON; in ASCII, which also carries names that are not valid text."""
    return json.dumps(plain(record), separators=(",", ":")).encode("ascii") + b"\n"


def parse(kind: type[T], text: bytes) -> T:
    """The record of type ``kind`` on a line.

    Raises:
        ValueError: the line is not such a record.
    """
    return restore(kind, json.loads(text))


def plain(value: object) -> Any:
    """A dataclass and what it holds, of what JSON knows; bytes become hexadecimal digits."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"no JSON for {type(value).__name__}")


def restore(kind: type[T], value: Any) -> T:
    """The value of type ``kind`` that ``plain`` turned into ``value``.

    Raises:
        ValueError: it is no such value.
    """
    try:
        result: T = _restore(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no {kind.__name__}: {error}") from error
    return result


def _restore(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (item for item in get_args(kind) if item is not types.NoneType)
        return _restore(kind, value)
    if origin is tuple:
        item = get_args(kind)[0]
        return tuple(_restore(item, part) for part in value)
    if origin is not None and _is_mapping(origin):
        item = get_args(kind)[1]
        return {key: _restore(item, part) for key, part in value.items()}
    if origin is Literal:
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{key: _restore(hints[key], part) for key, part in value.items()})
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is Path:
        return Path(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
