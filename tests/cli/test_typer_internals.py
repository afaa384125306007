"""The private parts of Typer are used in one module, and its version is bounded for them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from whisperctl.cli.app import app
from whisperctl.cli.support import command

ROOT = Path(__file__).parents[2]
PRIVATE = re.compile(
    r"typer\._|typer(\.\w+)* import (\w+, )*_|typer\.completion|typer import completion"
)


def test_no_other_module_uses_private_parts_of_typer() -> None:
    using = {
        file.relative_to(ROOT).as_posix()
        for folder in ("whisperctl", "backends", "bench", "wasm-build")
        for file in (ROOT / folder).rglob("*.py")
        if PRIVATE.search(file.read_text("utf-8"))
    }

    assert using == {"whisperctl/cli/support/command.py"}


def test_the_version_of_typer_is_bounded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (bounds,) = [name for name in project["dependencies"] if name.startswith("typer")]

    assert ">=" in bounds
    assert ",<" in bounds


def test_help_of_a_group_is_told_from_an_error() -> None:
    group = typer.main.get_group(app)

    with pytest.raises(typer.TyperException) as help_:
        group.make_context("whisperctl", [])
    with pytest.raises(typer.TyperException) as wrong:
        group.make_context("whisperctl", ["--nonsense"])

    assert command.is_help(help_.value)
    assert not command.is_help(wrong.value)
