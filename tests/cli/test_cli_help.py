"""Help: light, complete, and agreeing with the documentation."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

import whisperctl
from tests.conftest import printed_by
from whisperctl.cli.app import SUMMARIES, app
from whisperctl.cli.support.command import configured
from whisperctl.cli.support.help_text import EXAMPLES
from whisperctl.options import Topic

if TYPE_CHECKING:
    from tests.conftest import Cli

ROOT = Path(__file__).parents[2]

_HEAVY = (
    "numpy", "av", "soundfile", "soxr", "huggingface_hub", "jiwer", "rich", "whisperctl_native",
    "whisperctl_wasi", "_pywhispercpp", "wasmtime", "wasmer_sdk", "asyncio", "pydantic",
)  # fmt: skip


def _commands() -> Iterator[tuple[str, ...]]:
    group = typer.main.get_command(app)
    for name, command in vars(group)["commands"].items():
        yield (name,)
        for inner in vars(command).get("commands", {}):
            yield (name, inner)


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command loads, which must end well and print something."""
    script = (
        "import sys; from whisperctl.cli import main; "
        f"sys.argv = ['whisperctl', *{arguments!r}]; code = main(); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("transcribe", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & set(_HEAVY)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="shows threads on Linux only")
def test_numpy_starts_no_threads() -> None:
    script = (
        "import os, sys; from whisperctl.cli import main; sys.argv = ['whisperctl', '--version']; "
        "main(); import numpy; print(len(os.listdir('/proc/self/task')))"
    )
    assert printed_by(script).split()[-1] == "1"


def test_without_a_configuration_file_no_other_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WHISPERCTL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("WHISPERCTL_MODELS", str(tmp_path))
    loaded = loaded_by("models", "list")
    commands = {f"whisperctl.cli.{name}" for name in SUMMARIES}
    assert loaded & commands <= {"whisperctl.cli.models", "whisperctl.cli.completion"}
    assert not loaded & {"numpy", "whisperctl.jobs.events", "whisperctl.engine.registry"}


def test_the_top_help_lists_the_commands_and_exit_codes(cli: Cli) -> None:
    done = cli.here("--help")
    assert done.code == 0
    assert done.err == ""
    for name in ("transcribe", "compare", "models", "backends", "doctor"):
        assert f"\n  {name} " in done.out
    for code in (
        "0 success",
        "1 at least one recording failed",
        "2 usage error",
        "130 interrupted",
    ):
        assert code in " ".join(done.out.split())


def test_help_of_all_commands_loads_none_of_them_and_says_what_they_say() -> None:
    loaded = loaded_by("--help")
    assert "whisperctl.cli.app" in loaded
    assert not loaded & {f"whisperctl.cli.{name}" for name in SUMMARIES}
    assert not [name for name in loaded if name.startswith("whisperctl.models")]

    commands = typer.main.get_group(app).commands
    summaries = {name: command.get_short_help_str(200) for name, command in commands.items()}
    assert summaries == SUMMARIES
    assert [command.name for command in commands.values()] == list(SUMMARIES)


def test_summaries_fit_eighty_columns(cli: Cli) -> None:
    env = {"COLUMNS": "80"}
    for group in ((), ("models",), ("subtitles",), ("filters",), ("config",)):
        shown = cli.here(*group, "--help", env=env).out
        commands = shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
        assert len(commands) > 1
        assert all(re.fullmatch(r"  [a-z]+ +[A-Z].*[^.]\.", line) for line in commands), shown


@pytest.mark.parametrize("command", list(_commands()), ids=" ".join)
def test_every_command_has_help_and_documented_options(cli: Cli, command: tuple[str, ...]) -> None:
    done = cli.here(*command, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: whisperctl {' '.join(command)} ")
    assert not re.search(r"\{|\[\[", done.out.partition("\n")[0])
    assert not done.out.startswith("\n", done.out.index("\n\n") + 2)
    found = typer.main.get_command(app)
    for name in command:
        found = vars(found)["commands"][name]
    assert found.help
    undocumented = [p.name for p in found.params if not getattr(p, "help", None)]
    # `models path` and its like take an argument whose name says all.
    assert undocumented == []


@pytest.mark.parametrize("command", list(_commands()), ids=" ".join)
def test_every_command_is_in_the_documentation(command: tuple[str, ...]) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = " ".join(" ".join(page.read_text("utf-8").split()) for page in pages)
    assert f"whisperctl {' '.join(command)}" in text


def test_the_version_is_the_packages(cli: Cli) -> None:
    assert cli.here("--version").out == f"whisperctl {whisperctl.__version__}\n"


def test_no_command_shows_the_help_and_is_a_misuse(cli: Cli) -> None:
    done = cli.here()
    assert done.code == 2
    assert done.out == ""
    assert "Usage: whisperctl" in done.err


def test_options_are_listed_by_topic(cli: Cli) -> None:
    done = cli.here("transcribe", "--help")
    found = [topic for topic in re.findall(r"^(\S.*):$", done.out, re.M) if topic in list(Topic)]
    comparing = (Topic.MATRIX, Topic.MEASURING)
    assert found == [topic for topic in Topic if topic not in comparing]
    done = cli.here("compare", "--help")
    found = [topic for topic in re.findall(r"^(\S.*):$", done.out, re.M) if topic in list(Topic)]
    speech = (Topic.AUDIO, Topic.SPEECH, Topic.OUTPUT, Topic.DECODING, Topic.OTHER)
    assert found == [*comparing, *speech]
    assert done.out.split("Other:\n")[1].split()[:2] == ["-h,", "--help"]
    assert len(done.out.split("Other:\n")[1].splitlines()) == 1
    for command in configured(typer.main.get_group(app)).values():
        assert not {option.rich_help_panel for option in command.options()} - set(Topic)
    assert re.search(r"^  --\[no-\]warm-up ", done.out, re.M)
    assert "[default: 5]" in done.out


@pytest.mark.parametrize(
    ("path", "line"), [(path, line) for path, lines in EXAMPLES.items() for line in lines]
)
def test_examples_can_be_typed(path: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERCTL_CONFIG", "/dev/null")
    command = re.search(r"whisperctl (?:[^|>)]|>(?! ))*", line.partition(" #")[0])
    assert command is not None
    group: Any = typer.main.get_group(app)
    words = shlex.split(command[0])[1:]
    with group.make_context("whisperctl", words) as context:
        while hasattr(group, "commands"):
            _, group, words = group.resolve_command(context, words)
        with group.make_context(group.name, words, parent=context):
            pass


def test_every_group_that_has_examples_is_one() -> None:
    names = {"whisperctl", *(f"whisperctl {' '.join(command)}" for command in _commands())}
    assert set(EXAMPLES) <= names


def test_help_keeps_to_the_width_of_a_terminal(cli: Cli) -> None:
    for command in _commands():
        done = cli.here(*command, "--help", env={"COLUMNS": "80"})
        assert max(map(len, done.out.splitlines())) <= 80, command
