"""Groups of options: dataclasses whose fields are typer options, and commands that take them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Base of the groups. A field is an option, or another group, whose options are taken too."""


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of each parameter whose type is a group.

    The command gets the filled groups; typer gets a signature with their options in place of them.

    Raises:
        TypeError: two options of the command have one name.
    """
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups = {p.name: p.annotation for p in parameters if _is_group(p.annotation)}
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
        if parameter.name not in groups
    ]
    shared = [option for group in groups.values() for option in _options(group)]
    names = [parameter.name for parameter in [*own, *shared]]
    if len(set(names)) < len(names):
        raise TypeError(f"options of one name in {', '.join(sorted(names))}")

    @functools.wraps(command)
    def with_groups(**values: object) -> None:
        filled = {name: _fill(group, values) for name, group in groups.items()}
        rest = {parameter.name: values[parameter.name] for parameter in own}
        command(**filled, **rest)

    # typer reads the options off the signature.
    with_groups.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    return with_groups


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Flags)


def _options(group: type[Flags]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        hint = hints[field.name]
        if _is_group(hint):
            yield from _options(hint)
            continue
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hint
        )


def _fill(group: type[Flags], values: dict[str, object]) -> Flags:
    hints = get_type_hints(group, include_extras=True)
    filled: dict[str, Any] = {}
    for field in fields(group):
        hint = hints[field.name]
        filled[field.name] = _fill(hint, values) if _is_group(hint) else values[field.name]
    return group(**filled)
