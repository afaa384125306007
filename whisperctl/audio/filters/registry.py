"""Installed filters, and filters with their values as people write them.

A filter is written ``NAME`` or ``NAME:key=value,key=value``, such as ``highpass:frequency=80``. One
that is in a file has its path as name, such as ``./mine.wasm:drive=0.3``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from whisperctl.audio.filters import (
    CONTRACT,
    FILES_GROUP,
    GROUP,
    Filter,
    FilterFiles,
    FilterInfo,
    Parameter,
    Type,
    Value,
)
from whisperctl.errors import PluginError, UsageError
from whisperctl.plugins import Described, Door
from whisperctl.text import number_text, quoted, range_text, unknown

MOST_FILTERS = 100
"""Filters in a chain, at most."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MOST_DIGITS = 40
_MOST_SHOWN = 40
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

FILTERS: Door[Filter] = Door("filter", GROUP, CONTRACT, replaceable=True)
FILES: Door[FilterFiles] = Door("kind of filter file", FILES_GROUP, CONTRACT)

# A path up to its ending, which a colon or nothing follows.
_PATH = re.compile(r".*?\.(?P<kind>[A-Za-z0-9]+)(?=:|$)", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter with the value of each parameter; ``given`` names those that a person gave."""

    name: str
    version: str
    plugin: Filter = field(compare=False, repr=False)
    values: tuple[tuple[str, Value | None], ...] = ()
    given: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a person writes it."""
        return self._written([(name, value) for name, value in self.values if name in self.given])

    @property
    def key(self) -> str:
        """Everything that the filter's output depends on, as text that stays the same."""
        return f"{self._written(self.values)} version {self.version}"

    def _written(self, values: Iterable[tuple[str, Value | None]]) -> str:
        shown = ",".join(f"{name}={shown_value(value)}" for name, value in values)
        return f"{self.name}:{shown}" if shown else self.name


def probe() -> list[Described[FilterInfo]]:
    """Descriptions of all installed filters; one that fails stops no other.

    Raises:
        PluginError: two distributions claim one name.
    """
    return FILTERS.describe_all(_info)


def load(name: str) -> tuple[Filter, FilterInfo]:
    """Import a filter, or read it from a file, and have it describe itself.

    Raises:
        UsageError: no such filter is installed, or the file cannot be read.
        PluginError: it cannot be loaded or described.
    """
    plugin = _load_file(name) if _is_file(name) else FILTERS.load(_cut(name))
    try:
        return plugin, _info(plugin)
    except (Exception, SystemExit) as error:
        raise PluginError(f'filter "{name}" failed: {type(error).__name__}: {error}') from error


def parse(text: str) -> FilterSpec:
    """Read ``NAME:key=value,key=value``.

    Raises:
        UsageError: there is no such filter or parameter, or a value is missing or invalid.
        PluginError: the filter cannot be loaded.
    """
    (spec,) = parse_all([text])
    return spec


def parse_all(texts: Iterable[str]) -> tuple[FilterSpec, ...]:
    """Read a chain of filters, in order.

    Raises:
        UsageError: one is invalid, as for ``parse``, or there are too many.
        PluginError: one cannot be loaded.
    """
    texts = list(texts)
    if len(texts) > MOST_FILTERS:
        raise UsageError(f"{len(texts)} filters are too many: give at most {MOST_FILTERS}")
    loaded: dict[str, tuple[Filter, FilterInfo]] = {}
    found = []
    for text in texts:
        name, colon, values = (part.strip() for part in _split(text))
        if not name:
            raise UsageError(f"filter {_short(text)} has no name: write NAME or NAME:key=value")
        known, equals, value = name.partition("=")
        if equals and known in FILTERS.installed():
            raise _unnamed(text, known, load(known)[1], value)
        if name not in loaded:
            loaded[name] = load(name)
        found.append(_spec(name, *loaded[name], values.split(",") if colon else ()))
    return tuple(found)


def _is_file(name: str) -> bool:
    return any(mark in name for mark in "./\\")


def _split(text: str) -> tuple[str, str, str]:
    """Name or path, a colon if there is one, and values."""
    if _is_file(text.partition(":")[0]) or _DRIVE.match(text):
        found = _PATH.match(text)
        if found is not None:
            return found[0], text[found.end() :][:1], text[found.end() + 1 :]
    return text.partition(":")


def _load_file(path: str) -> Filter:
    found = _PATH.fullmatch(path)
    kind = "" if found is None else found["kind"].lower()
    known = FILES.installed()
    if kind not in known:
        ends = " or ".join(f".{one}" for one in known)
        fix = f"name one that ends in {ends}" if known else "try: pip install whisperctl-asr[all]"
        raise UsageError(
            f"filter {_short(path)} is not a file that an installed package runs: {fix}"
        )
    return FILES.load(kind).load(path)


def _spec(name: str, plugin: Filter, info: FilterInfo, items: Iterable[str]) -> FilterSpec:
    found: dict[str, Value] = {}
    for item in items:
        key, equals, written = (part.strip() for part in item.partition("="))
        if not key:
            raise UsageError(f'filter "{name}": a parameter has no name: write key=value')
        if not equals and _NUMBER.fullmatch(key):
            raise _unnamed(f"{name}:{key}", name, info, key)
        parameter = _parameter(name, key, info)
        if not equals or not written:
            raise UsageError(f'filter "{name}": {key} has no value: write {key}=VALUE')
        if key in found:
            raise UsageError(f'filter "{name}": {key} is given twice: give it once')
        found[key] = _value(name, parameter, written)
    for parameter in info.parameters:
        if parameter.required and parameter.name not in found:
            raise UsageError(
                f'filter "{name}": {parameter.name} is missing: write {name}:{parameter.name}=VALUE'
            )
    return FilterSpec(
        name,
        info.version,
        plugin,
        tuple((one.name, found.get(one.name, one.default)) for one in info.parameters),
        tuple(one.name for one in info.parameters if one.name in found),
    )


def _unnamed(text: str, name: str, info: FilterInfo, value: str) -> UsageError:
    """The error for a value without the name of its parameter, or without the colon before it."""
    if not info.parameters:
        return UsageError(f"filter {_short(text)}: it has no parameters: write {name}")
    first = next((one for one in info.parameters if one.required), info.parameters[0]).name
    meant = _cut(value) if "=" in value else f"{first}={_cut(value) or 'VALUE'}"
    return UsageError(f"filter {_short(text)} has a value without its name: write {name}:{meant}")


def range_of(parameter: Parameter) -> str:
    """Values that a parameter may have, such as ``-60 to 60 dB``."""
    if parameter.type == "bool":
        return "true or false"
    if parameter.choices:
        return " or ".join(parameter.choices)
    if parameter.type == "str":
        return "text"
    number = "whole number" if parameter.type == "int" else "number"
    shown = range_text(parameter.low, parameter.high).removeprefix("from ") or number
    return f"{shown} {parameter.unit}".rstrip()


def shown_value(value: Value | None) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    return "" if value is None else str(value)


def _info(plugin: Filter) -> FilterInfo:
    info = plugin.describe()
    if not isinstance(info, FilterInfo):
        raise TypeError(f"describe() gave {type(info).__name__} instead of FilterInfo")
    names = [parameter.name for parameter in info.parameters]
    for parameter in info.parameters:
        if not _NAME.fullmatch(parameter.name) or names.count(parameter.name) > 1:
            raise ValueError(f"describe() gave a parameter the name {parameter.name!r:.40}")
        if parameter.type not in get_args(Type):
            raise ValueError(f"describe() gave {parameter.name} the type {parameter.type!r:.40}")
        default = parameter.default
        if default is not None and _read(parameter, shown_value(default)) != default:
            raise ValueError(f"describe() gave {parameter.name} the default {default!r:.40}")
    return info


def _parameter(filter_name: str, key: str, info: FilterInfo) -> Parameter:
    known = {parameter.name: parameter for parameter in info.parameters}
    if key in known:
        return known[key]
    raise UsageError(unknown("parameter", _cut(key), known, of=f' of filter "{filter_name}"'))


def _value(filter_name: str, parameter: Parameter, written: str) -> Value:
    value = _read(parameter, written)
    if value is None:
        raise UsageError(
            f'filter "{filter_name}": {parameter.name} must be {_described(parameter)}, not '
            f"{_short(written)}"
        )
    return value


def _described(parameter: Parameter) -> str:
    shown = range_of(parameter)
    if parameter.type == "str":
        return shown if parameter.choices else "a text"
    if "number" in shown:
        return f"a {shown}"
    bounded = f"from {shown}" if " to " in shown else shown
    return f"a whole number {bounded}" if parameter.type == "int" else bounded


def _read(parameter: Parameter, written: str) -> Value | None:
    """The value, or ``None`` if it is not one that the parameter may have."""
    if parameter.type == "bool":
        return _BOOLEANS.get(written.casefold())
    if parameter.type == "str":
        return written if not parameter.choices or written in parameter.choices else None
    if len(written) > _MOST_DIGITS or not _NUMBER.fullmatch(written):
        return None
    number = float(written)
    if not (math.isfinite(number) and parameter.low <= number <= parameter.high):
        return None
    if parameter.type == "int":
        return int(number) if number.is_integer() else None
    return number + 0.0  # so that -0 is 0


def _short(text: str) -> str:
    return quoted(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
