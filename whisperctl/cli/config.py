"""``whisperctl config``: the configuration file, and the value of every option."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, Group
from whisperctl.text import visible

if TYPE_CHECKING:
    from whisperctl.cli.support.command import ConfiguredCommand, Context
    from whisperctl.cli.support.configuration import Setting

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show the configuration file and the value of every option.",
)


@app.command("path", cls=Command)
def print_path() -> None:
    """Print the path of the configuration file, which need not exist."""
    from whisperctl.cli.support import configuration

    console.path(configuration.path())


@app.command("show", cls=Command)
def show() -> None:
    """Print the value of every option, and where it is set.

    The options are those of transcribe, and those set for another command alone. The output can be
    used as a configuration file.
    """
    import typer.main

    from whisperctl.cli.app import app as root
    from whisperctl.cli.support.command import SHOWN, configured, keys

    group = typer.main.get_group(root)
    from whisperctl.cli.support import configuration

    file = configuration.path()
    settings = configuration.load(lambda: keys(group))
    state = "" if file.exists() else " (does not exist)"
    console.result(f"# file: {visible(str(file))}{state}")
    with group.make_context("whisperctl", ["config"], resilient_parsing=True) as parent:
        parent.meta[SHOWN] = True
        for name, command in configured(group).items():
            lines = list(
                _lines(command, parent, settings.get(name, {}), whole=name == "transcribe")
            )
            if name != "transcribe" and lines:
                console.result(f"\n[{name}]")
            for line in lines:
                console.result(line)
    for line in _plugin_lines():
        console.result(line)
    for variable in sorted(os.environ):
        _warn_of(variable, configured(group)["transcribe"])


def _lines(
    command: ConfiguredCommand, parent: Context, settings: dict[str, Setting], *, whole: bool
) -> Iterator[str]:
    required = [str(param.name) for param in command.params if param.required]
    with command.make_context(command.name, required, parent=parent) as context:
        for key in command.keys.values():
            value = context.params[key.parameter]
            source = context.get_parameter_source(key.parameter)
            kind = source.name if source is not None else ""
            if kind == "ENVIRONMENT":
                where = f"environment: {key.variable}"
            elif kind == "DEFAULT_MAP":
                where = f"file: line {settings[key.parameter].line}"
            else:
                where = "default"
            if whole:
                text = _toml(value)
                unset = "# " if text is None else ""
                yield f"{unset}{key.name} = {text or '...'}  # {where}"
            elif kind == "DEFAULT_MAP" and not key.shared:
                yield f"{key.name} = {_toml(value)}  # {where}"


def _plugin_lines() -> Iterator[str]:
    """Tables of plugins whose own variables are set; the file's are in the environment by now."""
    from whisperctl.cli.support.configuration import plugin_prefixes

    for name, prefix in plugin_prefixes().items():
        found = sorted(variable for variable in os.environ if variable.startswith(prefix))
        if found:
            yield f"\n[{name}]"
        for variable in found:
            key = variable.removeprefix(prefix).lower().replace("_", "-")
            yield f"{key} = {_toml(os.environ[variable])}"


def _toml(value: object) -> str | None:
    """Return a value in TOML; ``None`` if it is not set."""
    if value is None or value == ():
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(str(_toml(one)) for one in value)}]"
    escaped = "".join(
        {"\\": "\\\\", '"': '\\"'}.get(c, c if visible(c) == c else _code(ord(c)))
        for c in str(value)
    )
    return f'"{escaped}"'


def _code(number: int) -> str:
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _warn_of(variable: str, command: ConfiguredCommand) -> None:
    from whisperctl.cli.support.configuration import OTHER_VARIABLES, PREFIX, plugin_prefixes
    from whisperctl.text import nearest

    known = {*OTHER_VARIABLES, *(key.variable for key in command.keys.values() if key.shared)}
    if not variable.startswith(PREFIX) or variable in known:
        return
    if any(variable.startswith(prefix) for prefix in plugin_prefixes().values()):
        return
    close = nearest(variable, known)
    hint = f': did you mean "{close}"?' if close else ""
    console.note(f'warning: unknown environment variable "{variable}"{hint}')
