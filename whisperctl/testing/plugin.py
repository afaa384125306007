"""The options of pytest for a conformance run, loaded by ``-p whisperctl.testing.plugin``.

A conftest cannot add them: pytest reads the command line before it finds a package that
``--pyargs`` names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from whisperctl.plugins import Door, Plugin
    from whisperctl.testing.subject import Subject

SUBJECT: pytest.StashKey[Subject] = pytest.StashKey()
"""The backend under test."""

PLUGIN: pytest.StashKey[Plugin] = pytest.StashKey()
"""The plugin of another kind under test."""

DOORS = {
    "decoder": "whisperctl.audio.decoders.registry:DECODERS",
    "filter": "whisperctl.audio.filters.registry:FILTERS",
    "executor": "whisperctl.jobs.executors:EXECUTORS",
}
"""Kinds of plugins besides backends, and each one's ``Door``.

``--KIND NAME`` runs the module ``test_KINDs`` alone, without a model.
"""


def kind_under_test(config: pytest.Config) -> str:
    """The kind of plugin that the command line names.

    Raises:
        UsageError: it names more than one.
    """
    given = [kind for kind in ("backend", *DOORS) if config.getoption(f"--{kind}")]
    if len(given) > 1:
        raise pytest.UsageError(
            f"two plugins are named: give --{given[0]} or --{given[1]}, not both"
        )
    return given[0] if given else "backend"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the plugin, and what to test it with."""
    group = parser.getgroup("whisperctl", "conformance of a whisperctl plugin")
    group.addoption("--backend", metavar="NAME", help="backend to test, as NAME or NAME/RUNTIME")
    group.addoption("--runtime", metavar="NAME", help="runtime to test (default: the backend's)")
    group.addoption(
        "--model", metavar="NAME", default="tiny.en", help="model to test with (default: tiny.en)"
    )
    for kind in DOORS:
        group.addoption(f"--{kind}", metavar="NAME", help=f"{kind} to test, instead of a backend")
    group.addoption("--media", metavar="FILE", help="recording to test a decoder with, too")


def pytest_configure(config: pytest.Config) -> None:
    """Find the plugin under test, or say in one line what is wrong."""
    if config.getoption("help", False) or config.getoption("version", False):
        return
    from whisperctl.errors import WhisperctlError
    from whisperctl.testing.subject import Subject

    kind = kind_under_test(config)
    try:
        if kind != "backend":
            text = str(config.getoption(f"--{kind}"))
            config.stash[PLUGIN] = _filter(text) if kind == "filter" else _door(kind).load(text)
            return
    except WhisperctlError as error:
        raise pytest.UsageError(str(error)) from error
    name, runtime = config.getoption("--backend"), config.getoption("--runtime")
    try:
        if not name:
            raise pytest.UsageError(_no_backend())
        name, _, after = str(name).partition("/")
        model = config.getoption("--model") or "tiny.en"
        config.stash[SUBJECT] = Subject.find(name, runtime or after or None, str(model))
    except WhisperctlError as error:
        raise pytest.UsageError(str(error)) from error


def _filter(text: str) -> Plugin:
    """A filter, which may be in a file, and have values."""
    from whisperctl.audio.filters import registry

    return registry.parse(text).plugin


def _door(kind: str) -> Door[Plugin]:
    module, _, name = DOORS[kind].partition(":")
    door: Door[Plugin] = getattr(import_module(module), name)
    return door


def _no_backend() -> str:
    from whisperctl.engine import registry

    return (
        "no backend is named: add --backend NAME "
        f"(installed: {', '.join(registry.installed()) or 'none'})"
    )
