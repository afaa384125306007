"""The description that a processor carries in a custom section, from which a filter is declared."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from whisperctl.audio.filters import FilterInfo, Parameter, Value
from whisperctl_wasi.host.imports import ModuleError, custom_sections

SECTION = "whisperctl.processor"

ABI = 1
"""Version of the interface between host and processor, described in ``docs/processors.md``."""

_MOST_BYTES = 64 << 10

_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
_Line = Annotated[str, Meta(min_length=1, max_length=200)]


class _Version(msgspec.Struct, frozen=True):
    """The part that every version of the interface has."""

    abi: int


class _Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: _Name
    type: Literal["float", "int", "bool", "str"]
    default: bool | float | str
    help: _Line
    low: float = -math.inf
    high: float = math.inf
    unit: Annotated[str, Meta(max_length=20)] = ""
    choices: Annotated[tuple[_Name, ...], Meta(max_length=32)] = ()


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A processor's own words about itself, as the section has them."""

    abi: int
    name: _Name
    version: _Line
    summary: _Line
    parameters: Annotated[tuple[_Parameter, ...], Meta(max_length=64)] = ()

    def info(self) -> FilterInfo:
        """The description as filters give it."""
        return FilterInfo(self.summary, self.version, tuple(map(_parameter, self.parameters)))

    def number(self, parameter: int, value: Value | None) -> float:
        """The number that stands for a value in the module: a text is its place in the choices."""
        choices = self.parameters[parameter].choices
        return float(choices.index(value) if isinstance(value, str) else value or 0)


def read(module: bytes) -> Description:
    """The description in a module.

    Raises:
        ModuleError: the bytes are not a module, or it has no valid description.
    """
    found = custom_sections(module, SECTION)
    if len(found) != 1:
        number = f"{len(found)} custom sections" if found else "no custom section"
        raise ModuleError(f"has {number} {SECTION}, where a processor has one")
    data = found[0].removesuffix(b"\0")  # the end of a string in C
    if len(data) > _MOST_BYTES:
        raise ModuleError(f"has a description of {len(data)} bytes; at most {_MOST_BYTES} are read")
    try:
        abi = msgspec.json.decode(data, type=_Version).abi
        if abi != ABI:
            raise ModuleError(f"was made for version {abi} of the interface; this is version {ABI}")
        description = msgspec.json.decode(data, type=Description)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModuleError(f"has an invalid description: {error}") from error
    _check(description)
    return description


def _check(description: Description) -> None:
    texts = [description.version, description.summary]
    for one in description.parameters:
        texts += [one.help, one.unit]
        if one.type in ("float", "int"):
            bounded = math.isfinite(one.low) and math.isfinite(one.high)
            if not bounded or isinstance(one.default, bool | str) or one.choices:
                raise _invalid(one.name, "have a number as default, and a low and a high end")
            if not one.low <= one.default <= one.high:
                raise _invalid(one.name, "have its default between low and high")
            if one.type == "int" and not all(
                number.is_integer() for number in (one.low, one.high, float(one.default))
            ):
                raise _invalid(one.name, "have whole numbers, as it is an int")
        elif one.type == "bool":
            if not isinstance(one.default, bool):
                raise _invalid(one.name, "have true or false as default, as it is a bool")
        elif one.default not in one.choices:
            raise _invalid(one.name, "have its default among its choices, as it is a str")
    names = [one.name for one in description.parameters]
    if len(set(names)) < len(names):
        raise ModuleError("has an invalid description: two parameters have one name")
    if not all(text.isprintable() for text in texts):
        raise ModuleError("has an invalid description: it holds control characters")


def _invalid(name: str, rule: str) -> ModuleError:
    return ModuleError(f"has an invalid description: parameter {name} must {rule}")


def _parameter(one: _Parameter) -> Parameter:
    default = int(one.default) if one.type == "int" else one.default
    return Parameter(
        *(one.name, one.type, default, one.low, one.high, one.unit, one.help, one.choices)
    )
