"""Plugins by entry point: backends, decoders, filters and executors are found the same way.

Each kind is a ``Door``: a group of entry points, and the number of the contract that its plugins
keep. An entry point names a class that is called without arguments, as in::

    [project.entry-points."whisperctl.decoders"]
    acme = "whisperctl_acme:AcmeDecoder"

Listing plugins imports none of them. A plugin that fails is one clear error, and stops no other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from whisperctl import __version__
from whisperctl.errors import PluginError, UsageError, WhisperctlError
from whisperctl.text import unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Plugin(Protocol):
    """The part of a plugin that every kind has."""

    @property
    def name(self) -> str:
        """Name of its entry point."""
        ...

    @property
    def contract(self) -> int:
        """Number of the contract it was written for."""
        ...


_CORE = "whisperctl-asr"

P = TypeVar("P", bound=Plugin)
I = TypeVar("I")  # noqa: E741 - the field's letter for what describe() gives


@dataclass(frozen=True, slots=True)
class Described(Generic[I]):
    """A plugin's own description; without ``info``, ``problem`` says why there is none."""

    name: str
    info: I | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Door(Generic[P]):
    """One kind of plugin.

    ``kind`` is its name in messages, such as "decoder"; ``group`` the group of entry points;
    ``contract`` the number that plugins must state; ``error`` what is raised for a plugin that
    cannot be used. With ``replaceable``, a plugin of whisperctl's own gives way to another
    package's of the same name.
    """

    kind: str
    group: str
    contract: int
    error: type[WhisperctlError] = PluginError
    replaceable: bool = False

    def installed(self) -> dict[str, EntryPoint]:
        """Entry points by name, sorted; imports no plugin.

        Raises:
            PluginError: two distributions claim one name; or another class, see ``error``.
        """
        found: dict[str, EntryPoint] = {}
        for entry in entry_points(self.group):
            other = found.setdefault(entry.name, entry)
            if self.replaceable and _is_ours(entry):
                continue
            if self.replaceable and _is_ours(other):
                found[entry.name] = entry
            elif other.value != entry.value:
                raise self.error(
                    f'two packages provide a {self.kind} named "{entry.name}" ({_owner(other)} and '
                    f"{_owner(entry)}): uninstall one of them"
                )
        return dict(sorted(found.items()))

    def check(self, name: str) -> None:
        """Check that a plugin is installed, without importing it.

        Raises:
            UsageError: it is not.
            PluginError: see ``installed``.
        """
        self._entry(name)

    def load(self, name: str) -> P:
        """Import a plugin, and check its contract.

        Raises:
            UsageError: no such plugin is installed, or it cannot use a setting.
            PluginError: it cannot be imported, or was written for another version of the contract;
                or another class, see ``error``.
        """
        return self._load(self._entry(name))

    def _entry(self, name: str) -> EntryPoint:
        installed = self.installed()
        if name not in installed:
            raise UsageError(unknown(self.kind, name, installed))
        return installed[name]

    def _load(self, entry: EntryPoint) -> P:
        shown = f'{self.kind} "{entry.name}" ({_owner(entry)})'
        try:
            factory: Callable[[], P] = entry.load()
            plugin = factory()
            contract = getattr(plugin, "contract", None)
        except UsageError:  # of a setting of the user's, which it names
            raise
        # SystemExit too: a plugin's import must not end the program without a word.
        except (Exception, SystemExit) as error:
            raise self.error(f"{shown} failed to load: {type(error).__name__}: {error}") from error
        if type(contract) is not int:
            raise self.error(
                f"{shown} states no contract number: get a version of it for "
                f"whisperctl {__version__}"
            )
        if contract != self.contract:
            upgrade = "whisperctl" if contract > self.contract else _owner(entry)
            raise self.error(
                f"{shown} needs contract {contract}, and whisperctl {__version__} has contract "
                f"{self.contract}: upgrade {upgrade}"
            )
        return plugin

    def describe(self, name: str, describe: Callable[[P], I]) -> Described[I]:
        """Description of an installed plugin, or why there is none.

        Args:
            name: the plugin's name.
            describe: asks the plugin.
        """
        try:
            entry = self._entry(name)
        except WhisperctlError as error:
            return Described(name, problem=str(error))
        return self._describe(entry, describe)

    def describe_all(self, describe: Callable[[P], I]) -> list[Described[I]]:
        """Descriptions of all installed plugins; one that fails stops no other.

        Args:
            describe: asks a plugin.

        Raises:
            PluginError: see ``installed``.
        """
        return [self._describe(entry, describe) for entry in self.installed().values()]

    def _describe(self, entry: EntryPoint, describe: Callable[[P], I]) -> Described[I]:
        try:
            return Described(entry.name, describe(self._load(entry)))
        except WhisperctlError as error:
            return Described(entry.name, problem=str(error))
        # Somebody else's plugin may break its promises, and even leave the interpreter.
        except (Exception, SystemExit) as error:
            return Described(
                entry.name,
                problem=f'{self.kind} "{entry.name}" failed: {type(error).__name__}: {error}',
            )


def entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Entry points of a group; the metadata of installed packages is read once."""
    return _read(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _read(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    from importlib import metadata  # imported late, as it takes as long as reading does

    return tuple(metadata.entry_points(group=group))


def _is_ours(entry: EntryPoint) -> bool:
    return _owner(entry) == _CORE


def _owner(entry: EntryPoint) -> str:
    return _found_owner(entry, tuple(sys.path))


@lru_cache(maxsize=256)
def _found_owner(entry: EntryPoint, path: tuple[str, ...]) -> str:
    # Its whole metadata is parsed for the name.
    return entry.dist.name if entry.dist is not None else entry.value
