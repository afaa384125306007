"""The configuration file, and the options that it and environment variables may set.

The file is TOML: options by their long names at the top are for every command that has them, those
in a table are for the command the table is named for. The command line comes before environment
variables, these before the file; click sees to that, here the file is read and checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin

from whisperctl.errors import UsageError
from whisperctl.storage import paths
from whisperctl.storage.files import reason
from whisperctl.text import quoted, unknown

VARIABLE = "WHISPERCTL_CONFIG"
"""Environment variable with the path of another configuration file."""

_MOST_BYTES = 1 << 16

PREFIX = "WHISPERCTL_"

OTHER_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("MODELS", "CACHE", "DEBUG", "STATE", "CONFIG")
)
"""Variables that are not options."""


def plugin_prefixes() -> dict[str, str]:
    """Installed backends and decoders, and the prefixes of the variables that each reads itself."""
    from whisperctl.audio.decoders.registry import DECODERS
    from whisperctl.engine import registry

    names = dict.fromkeys((*registry.installed(), *DECODERS.installed()))
    return {name: f"{_variable(name)}_" for name in names}


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


Value = bool | int | float | str | list[str]


@dataclass(frozen=True, slots=True)
class Key:
    """An option that the file may set.

    ``name`` is its long name without the hyphens in front, ``parameter`` the command's name for it,
    ``kind`` the type of its value. A ``shared`` one may be at the top of the file, for every
    command, and in an environment variable.
    """

    name: str
    parameter: str
    kind: object
    shared: bool = True

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return _variable(self.name)


Keys = Mapping[str, Mapping[str, Key]]
"""Keys of each command, by their names."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value from the file, and its line."""

    value: Value
    line: int


def path() -> Path:
    """``$WHISPERCTL_CONFIG``, or the usual place for a user's configuration.

    Raises:
        UsageError: no home directory is known.
    """
    found = _path()
    if isinstance(found, OSError):
        raise UsageError(
            f"no directory for a configuration file: {reason(found)}; set {VARIABLE}"
        ) from found
    return found


def _path() -> Path | OSError:
    try:
        return paths.find("config", VARIABLE, "config.toml")
    except OSError as error:
        return error


def load(keys: Callable[[], Keys]) -> dict[str, dict[str, Setting]]:
    """Read the file, if there is one; what it sets for plugins gets into the environment.

    Args:
        keys: returns what the file may set; called only if it sets something, as all commands are
            loaded for it.

    Returns:
        For each command, its settings by the name of the parameter; empty without a file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or holds an unknown option or a value of
            the wrong type.
    """
    file = _path()
    if isinstance(file, OSError):  # where there is no home, there is no file in it
        return {}
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise UsageError(
                f"{quoted(file)} is larger than {_MOST_BYTES >> 10} KiB, which no configuration "
                "file is: name another"
            )
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        if os.environ.get(VARIABLE):
            raise UsageError(
                f"{VARIABLE} names {quoted(file)}, which does not exist: create it, or unset the "
                "variable"
            ) from error
        return {}
    except NotADirectoryError:
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"{quoted(file)} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{quoted(file)} cannot be read: {reason(error)}") from error
    import tomllib

    try:
        # With a line feed at the end, as else the last line is not named when it is wrong.
        document = tomllib.loads(f"{text}\n")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{quoted(file)} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{quoted(file)} is nested too deeply for a configuration") from error
    except ValueError as error:  # Python's own limit, not TOML's
        raise UsageError(f"{quoted(file)} has a number that is too long: shorten it") from error
    if not document:
        return {}
    reader = _Reader(file, text, keys())
    found = reader.read(document)
    for variable, value in reader.variables.items():
        os.environ.setdefault(variable, value)
    return found


class _Reader:
    """Checks a document; errors name the file and the line.

    ``variables`` are those that it sets for plugins, which read and check them themselves.
    """

    def __init__(self, file: Path, text: str, keys: Keys) -> None:
        self.variables: dict[str, str] = {}
        self._file = file
        self._lines = _lines(text)
        self._keys = keys

    def read(self, document: Mapping[str, object]) -> dict[str, dict[str, Setting]]:
        found: dict[str, dict[str, Setting]] = {command: {} for command in self._keys}
        for typed, value in document.items():
            if isinstance(value, dict):
                self._check_table(typed)
                continue
            if typed in self._keys:
                raise self._error("", typed, f'"{typed}" must be a table: write [{typed}]')
            name = _hyphens(typed)
            takers = [
                command
                for command, keys in self._keys.items()
                if name in keys and keys[name].shared
            ]
            if not takers:
                raise self._unknown("", typed)
            for command in takers:
                key = self._keys[command][name]
                found[command][key.parameter] = self._setting("", typed, key, value)
        for command, table in document.items():
            if not isinstance(table, dict):
                continue
            if command not in self._keys:
                self._set_variables(command, table)
                continue
            for typed, value in table.items():
                key_or_none = self._keys[command].get(_hyphens(typed))
                if key_or_none is None:
                    raise self._unknown(command, typed)
                setting = self._setting(command, typed, key_or_none, value)
                found[command][key_or_none.parameter] = setting
        return found

    def _check_table(self, name: str) -> None:
        if name not in self._keys and name not in plugin_prefixes():
            raise self._error(name, "", unknown("table", name, self._keys))

    def _set_variables(self, plugin: str, table: Mapping[str, object]) -> None:
        for typed, value in table.items():
            if not isinstance(value, str):
                raise self._error(plugin, typed, f'"{typed}" must be a string in quotes')
            self.variables[_variable(f"{plugin}-{_hyphens(typed)}")] = value

    def _setting(self, table: str, typed: str, key: Key, value: object) -> Setting:
        try:
            checked = _checked(key.kind, value)
        except ValueError as error:
            raise self._error(table, typed, f'"{typed}" must be {error}') from error
        return Setting(checked, self._lines.get((table, typed), 0))

    def _unknown(self, table: str, typed: str) -> UsageError:
        known = (
            self._keys[table]
            if table
            else {n: k for ks in self._keys.values() for n, k in ks.items()}
        )
        name = _hyphens(typed)
        if not table and name in known:
            command = next(command for command, keys in self._keys.items() if name in keys)
            return self._error(table, typed, f'"{typed}" belongs under [{command}]')
        otherwise = '"whisperctl config show" lists them all'
        return self._error(table, typed, unknown("option", typed, known, otherwise=otherwise))

    def _error(self, table: str, typed: str, what: str) -> UsageError:
        line = self._lines.get((table, typed))
        where = f", line {line}" if line else ""
        return UsageError(f"{quoted(self._file)}{where}: {what}")


def _checked(kind: object, value: object) -> Value:
    """The value as click takes it.

    Raises:
        ValueError: it is of another type; the text says what it must be.
    """
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if kind is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValueError("a whole number")
    if kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            with suppress(OverflowError):
                return float(value)
        raise ValueError("a number")
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if value in choices:
            return str(value)
        raise ValueError(" or ".join(f'"{choice}"' for choice in choices))
    if get_origin(kind) is list:
        given = value if isinstance(value, list) else [value]
        # Numbers too, as `threads` is one for the commands that take only one.
        texts = [str(item) for item in given if isinstance(item, str) or type(item) is int]
        if len(texts) == len(given):
            return texts
        raise ValueError('a string in quotes, or a list of them such as ["a", "b"]')
    if isinstance(value, str):
        # A shell would have done this on the command line.
        return os.path.expanduser(value) if kind is Path else value  # noqa: PTH111 - may be a URL
    raise ValueError("a string in quotes")


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Lines of keys by their table and name, as far as they can be seen without parsing."""
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := re.match(r"\s*\[\s*[\"']?([\w-]+)[\"']?\s*\]", line):
            table = heading[1]
            found.setdefault((table, ""), number)
        elif key := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
            found.setdefault((table, key[1]), number)
    return found


def _hyphens(name: str) -> str:
    return name.replace("_", "-")
