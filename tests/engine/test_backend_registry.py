"""How backends are found: by entry point, only the chosen one, and with clear words when not."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from whisperctl.engine import protocol
from whisperctl.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]


def fake_entry_points(*entries: tuple[str, str]) -> object:
    found = [EntryPoint(name, value, protocol.GROUP) for name, value in entries]
    return lambda group: [entry for entry in found if entry.group == group]


def test_both_first_party_backends_are_found_by_their_entry_points() -> None:
    assert {"native", "wasi"} <= set(protocol.installed())


def test_listing_backends_imports_none_of_them() -> None:
    code = (
        "import sys; from whisperctl import backend; backend.installed();"
        "print([name for name in sys.modules if name.startswith('whisperctl_')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_backend_is_named_with_the_installed_ones() -> None:
    with pytest.raises(BackendError, match=r'"cuda" is not installed \(installed: .*native.*wasi'):
        protocol.load("cuda")


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        protocol,
        "entry_points",
        fake_entry_points(("fast", "one:Backend"), ("fast", "two:Backend")),
    )
    with pytest.raises(BackendError, match='two packages provide a backend named "fast"'):
        protocol.installed()


def test_a_backend_that_does_not_import_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        protocol, "entry_points", fake_entry_points(("broken", "no_such_module_at_all:Backend"))
    )
    with pytest.raises(BackendError, match=r'"broken" .*ModuleNotFoundError.*no_such_module'):
        protocol.load("broken")


def test_the_core_never_imports_a_backend() -> None:
    guilty = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "whisperctl").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.lstrip().startswith(("import whisperctl_", "from whisperctl_"))
    ]
    assert guilty == []
