"""Frozen dataclasses as JSON and back, for journals and for messages between processes.

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
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_MOST = 10**19
"""More than anything that is counted or measured, such as nanoseconds since 1970."""


def line(record: object) -> bytes:
    """Write a record as a line of JSON, in ASCII: names may hold characters that are not text."""
    return json.dumps(plain(record), separators=(",", ":")).encode("ascii") + b"\n"


class NumberError(ValueError):
    """A number that no measurement gives."""


def loads(text: bytes) -> Any:
    """JSON from outside, with no number that is not finite or beyond all that is measured.

    Raises:
        NumberError: it holds such a number.
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse(kind: type[T], text: bytes) -> T:
    """Parse a line as a record of type ``kind``.

    Raises:
        ValueError: the line is not such a record.
    """
    try:
        return restore(kind, json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def plain(value: object) -> Any:
    """Turn a dataclass into values of JSON; bytes become hexadecimal digits."""
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
    """Value of type ``kind`` that ``plain`` turned into ``value``.

    Raises:
        ValueError: it is not such a value; the text has the place in it, such as ``cells.1.text``.
    """
    result: T = _restore(kind, value, "")
    return result


def _restore(kind: Any, value: Any, where: str) -> Any:
    try:
        return _restored(kind, value, where)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        place = f"{where.lstrip('.')}: " if where else ""
        raise ValueError(f"{place}{error}") from error


def _restored(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (item for item in get_args(kind) if item is not types.NoneType)
        return _restore(kind, value, where)
    if origin is tuple:
        item = get_args(kind)[0]
        if not isinstance(value, list):
            raise TypeError(f"{value!r:.80} is not a list")
        return tuple(_restore(item, part, f"{where}.{n}") for n, part in enumerate(value))
    if origin is not None and _is_mapping(origin):
        item = get_args(kind)[1]
        return {key: _restore(item, part, f"{where}.{key}") for key, part in value.items()}
    if kind is Any:
        return value
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{value!r:.80} is not one of {', '.join(map(repr, get_args(kind)))}")
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        restored = {k: _restore(hints[k], part, f"{where}.{k}") for k, part in value.items()}
        return kind(**restored)
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is Path:
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r:.80} is not {_article(kind.__name__)}")
    return value


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _float(text: str) -> float:
    value = float(text)
    return value if abs(value) <= _MOST else _refuse(text)


def _int(text: str) -> int:
    value = int(text) if len(text) <= len(str(-_MOST)) else _refuse(text)
    return value if abs(value) <= _MOST else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise NumberError(f"it holds the number {text:.40}, which nothing has")
