"""Options of commands: dataclasses of declarations, turned into flags of the command line.

A command names a group of options as the type of a parameter and is decorated with ``with_flags``.
A group is a dataclass whose fields are made with ``whisperctl.options.option``: one of the domain,
such as ``DecodeOptions``, or a ``Flags`` for what only the command line has.
"""

from __future__ import annotations

import functools
import inspect
import keyword
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

from whisperctl.cli import completion
from whisperctl.options import Declared, check, declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Base of groups for the command line; a field is an option, or another group.

    A group as ``Group | None`` is ``None`` unless one of its options is given.
    """


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
    shared = [option for group in groups.values() for option in _parameters(group)]
    names = [parameter.name for parameter in [*own, *shared]]
    if len(set(names)) < len(names):
        raise TypeError(f"options with the same name in {', '.join(sorted(names))}")

    @functools.wraps(command)
    def with_groups(**values: object) -> None:
        filled = {name: _fill(group, values) for name, group in groups.items()}
        rest = {parameter.name: values[parameter.name] for parameter in own}
        command(**filled, **rest)

    # typer reads the options off the signature.
    with_groups.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    return with_groups


def options_of(group: type) -> Iterator[Declared]:
    """Yield the options of a group and of the groups within it."""
    hints = get_type_hints(group)
    ours = {one.field: one for one in declared(group)}
    for field in fields(group):
        if field.name in ours:
            yield ours[field.name]
        elif inner := _inner_group(hints[field.name]):
            yield from options_of(inner)


def parameter_of(one: Declared) -> str:
    """Return the name of the parameter that an option's value is passed by."""
    name = one.name.replace("-", "_")
    return one.field if keyword.iskeyword(name) else name


def _is_group(hint: object) -> bool:
    return isinstance(hint, type) and (
        issubclass(hint, Flags) or (is_dataclass(hint) and bool(declared(hint)))
    )


def _inner_group(hint: object) -> type | None:
    """Return the group that a field holds, be it optional or not."""
    if get_origin(hint) in (Union, UnionType):
        (hint, *others) = (arg for arg in get_args(hint) if arg is not type(None))
        if others:
            return None
    return hint if isinstance(hint, type) and _is_group(hint) else None


def _parameters(group: type, *, optional: bool = False) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    ours = {one.field: one for one in declared(group)}
    for field in fields(group):
        hint = hints[field.name]
        if field.name in ours:
            yield _parameter(ours[field.name], optional=optional)
        elif inner := _inner_group(hint):
            yield from _parameters(inner, optional=inner is not hint)
        elif get_origin(hint) is Annotated:
            yield inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hint
            )


def _parameter(one: Declared, *, optional: bool) -> inspect.Parameter:
    """Return the parameter that typer makes an option of.

    Of an ``optional`` group all defaults are ``None``, so that what was given can be told.
    """
    option = one.option
    kind, default = one.type, one.default
    if kind == tuple[str, ...]:  # which typer has no repeatable option for
        kind, default = list[str] | None, None
    names = [f"--{one.name}/--no-{one.name}" if option.negatable else f"--{one.name}"]
    if option.short:
        names.append(f"-{option.short}")
    shown = option.default or (str(one.default) if optional else True)
    flag = typer.Option(
        *names,
        metavar=option.metavar or None,
        help=option.help,
        show_default=shown,
        autocompletion=getattr(completion, option.completes) if option.completes else None,
        rich_help_panel=option.topic.value,
    )
    return inspect.Parameter(
        parameter_of(one),
        inspect.Parameter.KEYWORD_ONLY,
        default=None if optional else default,
        annotation=Annotated[kind | None if optional else kind, flag],
    )


def _fill(group: type, values: dict[str, object]) -> Any:
    hints = get_type_hints(group, include_extras=True)
    ours = {one.field: one for one in declared(group)}
    filled: dict[str, Any] = {}
    for field in fields(group):
        hint = hints[field.name]
        if field.name in ours:
            value: Any = values[parameter_of(ours[field.name])]
            several = ours[field.name].type == tuple[str, ...]
            filled[field.name] = tuple(value or ()) if several else value
        elif inner := _inner_group(hint):
            optional = inner is not hint
            filled[field.name] = _fill_given(inner, values) if optional else _fill(inner, values)
        elif get_origin(hint) is Annotated:
            filled[field.name] = values[field.name]
    made = group(**filled)
    check(made)
    return made


def _fill_given(group: type, values: dict[str, object]) -> Any:
    """Return the group with what was given, ``None`` if nothing was."""
    given = {
        one.field: values[parameter_of(one)]
        for one in declared(group)
        if values[parameter_of(one)] is not None
    }
    return group(**given) if given else None
