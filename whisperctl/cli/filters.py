"""``whisperctl filters``: the installed filters, their parameters, ranges and defaults."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli.support import console

if TYPE_CHECKING:
    from whisperctl.audio.filters import FilterInfo, Parameter
    from whisperctl.plugins import Described


def filters(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON document and nothing else.")
    ] = False,
) -> None:
    """List audio filters and their parameters.

    Apply filters with --filter of transcribe and compare, such as --filter highpass:frequency=80.
    For a filter that cannot be used, print why.
    """
    from whisperctl.audio.filters import registry

    found = registry.probe()
    if as_json:
        import json

        console.result(json.dumps([_fields(one) for one in found], indent=2))
        return
    for one in found:
        if one.info is None:
            console.result(f"{one.name}: not available: {one.problem}")
            continue
        console.result(f"{one.name}: {one.info.summary}")
        for parameter in one.info.parameters:
            console.result(f"    {_line(parameter)}")


def _line(parameter: Parameter) -> str:
    from whisperctl.audio.filters import registry

    parts = [registry.range_of(parameter)]
    if parameter.required:
        parts.append("required")
    elif parameter.default is not None:
        parts.append(f"default {registry.shown_value(parameter.default)}")
    return f"{parameter.name} ({', '.join(parts)}): {parameter.help}".rstrip(" :")


def _fields(found: Described[FilterInfo]) -> dict[str, object]:
    info = found.info
    if info is None:
        return {"name": found.name, "available": False, "problem": found.problem}
    return {
        "name": found.name,
        "available": True,
        "problem": None,
        "summary": info.summary,
        "version": info.version,
        "parameters": [
            {
                "name": one.name,
                "type": one.type,
                "default": one.default,
                "minimum": None if math.isinf(one.low) else one.low,
                "maximum": None if math.isinf(one.high) else one.high,
                "unit": one.unit,
                "choices": list(one.choices),
                "required": one.required,
                "help": one.help,
            }
            for one in info.parameters
        ],
    }
