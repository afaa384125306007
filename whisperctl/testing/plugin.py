"""The options of pytest for a conformance run, loaded by ``-p whisperctl.testing.plugin``.

A conftest cannot add them: pytest reads the command line before it finds a package that
``--pyargs`` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from whisperctl.testing.subject import Subject

SUBJECT: pytest.StashKey[Subject] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that name the backend and the model."""
    group = parser.getgroup("whisperctl", "conformance of a whisperctl backend")
    group.addoption("--backend", metavar="NAME", help="backend to test, as NAME or NAME/RUNTIME")
    group.addoption("--runtime", metavar="NAME", help="runtime to test (default: the backend's)")
    group.addoption(
        "--model", metavar="NAME", default="tiny.en", help="model to test with (default: tiny.en)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the backend and the model, or say in one line what is wrong."""
    if config.getoption("help", False) or config.getoption("version", False):
        return
    from whisperctl.errors import WhisperctlError
    from whisperctl.testing.subject import Subject

    name, runtime = config.getoption("--backend"), config.getoption("--runtime")
    try:
        if not name:
            raise pytest.UsageError(_no_backend())
        name, _, after = str(name).partition("/")
        model = config.getoption("--model") or "tiny.en"
        config.stash[SUBJECT] = Subject.find(name, runtime or after or None, str(model))
    except WhisperctlError as error:
        raise pytest.UsageError(str(error)) from error


def _no_backend() -> str:
    from whisperctl.engine import protocol

    return (
        "no backend is named: add --backend NAME "
        f"(installed: {', '.join(protocol.installed()) or 'none'})"
    )
