"""Frozen dataclasses as JSON and back, for journals and for messages between processes.

Types come from the annotations, so that a field added to a dataclass needs nothing here. A record
that lacks a field with a default gets the default; one with a field too many is refused.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
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
    kind: Any = type(value)
    if kind in _SCALARS:
        return value
    names = _names(kind)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"no JSON for {kind.__name__}")


def restore(kind: type[T], value: Any) -> T:
    """Value of type ``kind`` that ``plain`` turned into ``value``.

    Raises:
        ValueError: it is not such a value; the text has the place in it, such as ``cells.1.text``.
    """
    hashable: Any = kind
    result: T = _restore(_reader(hashable), value, ())
    return result


_SCALARS = frozenset({str, int, float, bool, types.NoneType})

_Where = tuple[Any, ...]
"""Place of a value: that of what it is in, and its name or number there; empty at the top."""

_Reader = Callable[[Any, _Where], Any]
"""Restores a value at a place."""


def _restore(read: _Reader, value: Any, where: _Where) -> Any:
    try:
        return read(value, where)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        parts: list[str] = []
        while where:
            where, part = where
            parts.insert(0, str(part))
        place = f"{'.'.join(parts)}: " if parts else ""
        raise ValueError(f"{place}{error}") from error


@cache
def _reader(kind: Any) -> _Reader:
    """Reader of values of a type; made once, as journals and messages hold thousands of them."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (some,) = (item for item in get_args(kind) if item is not types.NoneType)
        read = _reader(some)
        return lambda value, where: None if value is None else _restore(read, value, where)
    if origin is tuple:
        return _tuple_reader(_reader(get_args(kind)[0]))
    if origin is not None and _is_mapping(origin):
        read = _reader(get_args(kind)[1])
        return lambda value, where: {
            key: _restore(read, part, (where, key)) for key, part in value.items()
        }
    if kind is Any:
        return lambda value, where: value
    if origin is Literal:
        return _literal_reader(get_args(kind))
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass_reader(kind)
    if kind is bytes:
        return lambda value, where: bytes.fromhex(value)
    if kind is Path:
        return lambda value, where: Path(value)
    return _scalar_reader(kind)


def _tuple_reader(read: _Reader) -> _Reader:
    def reader(value: Any, where: _Where) -> Any:
        if not isinstance(value, list):
            raise TypeError(f"{value!r:.80} is not a list")
        return tuple([_restore(read, part, (where, n)) for n, part in enumerate(value)])

    return reader


def _literal_reader(values: tuple[Any, ...]) -> _Reader:
    def reader(value: Any, where: _Where) -> Any:
        if value not in values:
            raise ValueError(f"{value!r:.80} is not one of {', '.join(map(repr, values))}")
        return value

    return reader


def _dataclass_reader(kind: Any) -> _Reader:
    readers: dict[str, _Reader] = {}

    def reader(value: Any, where: _Where) -> Any:
        if not readers:  # not before, as a type may be part of itself
            readers.update((name, _reader(hint)) for name, hint in get_type_hints(kind).items())
        return kind(
            **{name: _restore(readers[name], part, (where, name)) for name, part in value.items()}
        )

    return reader


def _scalar_reader(kind: Any) -> _Reader:
    def reader(value: Any, where: _Where) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{value!r:.80} is not {_IN_WORDS.get(kind, kind.__name__)}")
        return value

    return reader


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """Names of the fields of a dataclass; ``None`` for any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


_IN_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _float(text: str) -> float:
    value = float(text)
    return value if abs(value) <= _MOST else _refuse(text)


def _int(text: str) -> int:
    value = int(text) if len(text) <= len(str(-_MOST)) else _refuse(text)
    return value if abs(value) <= _MOST else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise NumberError(f"it holds the number {text:.40}, which nothing has")
