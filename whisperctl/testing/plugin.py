"""Options of pytest's for a run of ``whisperctl.testing``, and of no other run.

pytest imports this module at every start where whisperctl is installed, so it does next to nothing:
other projects have a ``--backend`` of their own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from whisperctl.testing.subject import Subject

_HERE = Path(__file__).resolve().parent
_PACKAGE = "whisperctl.testing"
_OPTIONS = (
    ("--backend", "NAME", None, "the backend to test; with --runtime unset also NAME/RUNTIME"),
    ("--runtime", "NAME", None, "the backend's runtime; its own choice if unset"),
    ("--model", "NAME", "tiny.en", "the model to test with (default: tiny.en)"),
)

SUBJECT: pytest.StashKey[Subject] = pytest.StashKey()
_ASKED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Add the options, once every conftest has added its own."""
    yield
    if _is_for_us(args):
        early_config.stash[_ASKED] = True
        group = parser.getgroup("whisperctl", "conformance of a backend of whisperctl's")
        for name, metavar, default, explained in _OPTIONS:
            try:
                group.addoption(name, metavar=metavar, default=default, help=explained)
            except ValueError:  # somebody else's, which has the same name and serves as well
                continue


def pytest_configure(config: pytest.Config) -> None:
    """Find the backend and the model, or say in one line what is wrong."""
    asked = config.stash.get(_ASKED, False)
    if not asked or config.getoption("help", False) or config.getoption("version", False):
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


def _is_for_us(args: Iterable[str]) -> bool:
    for arg in args:
        place = arg.partition("::")[0]
        if place == _PACKAGE or place.startswith(f"{_PACKAGE}."):
            return True
        if place.endswith(("testing", "testing/", ".py")) and "testing" in place:
            path = Path(place).resolve()
            if _HERE in (path, path.parent):
                return True
    return False


def _no_backend() -> str:
    from whisperctl import backend

    return (
        "no backend is named: add --backend NAME "
        f"(installed: {', '.join(backend.installed()) or 'none'})"
    )
