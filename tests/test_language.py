"""User-visible text is plain English: phrases that readers stumble over are refused.

``REFUSED`` may grow, as may ``DOCSTRINGS_REVISED``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from whisperctl.cli.app import app

ROOT = Path(__file__).resolve().parents[1]

REFUSED = {
    r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|limit\b|more\b|less\b)[a-z]+": "is not a ...",
    r"\bno proper\b": "is not valid ...",
    r"\banew\b": "again",
    r"\b(?:goes|go|went) on (?:where|from|with)\b": "continues",
    r"\bso (?:often|long)\.": "N times; this long",
    r"\b(?:process(?:es)?|thread|environment|guest|block|ending) of (?:its|their) own\b": (
        "separate process"
    ),
    r"\b(?:is|are|be) (?:not )?here\b": "installed, exists, available",
    r"\b(?:not|what is) here\b": "not installed, not supported",
    r"\bnot there\b": "does not exist",
    r"\bround in circles\b": "repeats itself",
    r"\bfor want of\b": "out of",
    r"\bcame out\b": "is, failed",
    r"\bmend(?:ed|s)? it\b": "fix it",
    r"\bgive[ns]? (?:a recording|it) up\b": "fail",
    r"\bin the light of\b": "conditioned on",
    r"\bhears? speech\b": "detects speech",
    r"\bwhatever it\b": "all",
    r"\bas of find\b": "as written by find",
    r"\bis not one: ": "invalid ...",
    r"\bgets one\)": "run ... to install one",
    r"\binstalled are\b": "choose an installed one (...)",
    r"\bsame door\b": "in the same way",
    r"\bnames no (?!such\b)[a-z]+": "is not a ...",
    r"\bmatch(?:es)? no [a-z]+": "does not match any ...",
    r"\bholds (?:no|zero) [a-z]+": "contains no ...",
    r"\bmay not be read\b": "cannot be read",
    r"\bknows? English only\b": "is English-only",
    r"\bmade (?:no text|a directory for)\b": "produced no text, cannot be created",
    r"\bstopped, as\b": "stopped because",
    r"\bmakes a shell\b": "script for shell completion",
    r"\b(?:cannot be (?:written as a log|read as a prompt))\b": "log file ... cannot be written",
}
"""Patterns, and what to write instead."""

DOCSTRINGS_REVISED = (
    "whisperctl/api.py",
    "whisperctl/options.py",
    "whisperctl/engine/",
    "whisperctl/resources.py",
    "whisperctl/testing/fake.py",
    "whisperctl/testing/subject.py",
    "whisperctl/cli/__init__.py",
    "whisperctl/cli/app.py",
    "whisperctl/cli/backends.py",
    "whisperctl/cli/compare.py",
    "whisperctl/cli/completion.py",
    "whisperctl/cli/config.py",
    "whisperctl/cli/doctor.py",
    "whisperctl/cli/models.py",
    "whisperctl/cli/options/",
    "whisperctl/cli/subtitles.py",
    "whisperctl/cli/support/",
    "whisperctl/cli/transcribe.py",
    "whisperctl/compare/",
    "whisperctl/formats/",
    "whisperctl/jobs/",
    "whisperctl/models/",
    "whisperctl/processes.py",
    "whisperctl/storage/",
    "whisperctl/subtitles/",
    "whisperctl/text.py",
)
"""Files and folders whose docstrings are noun phrases or imperatives."""

_CLAUSE = re.compile(r"(?:What|Whether|Where|How (?:far|often|long|many|much))\b")
_SAYING = ("note", "error", "heading")


def faults(text: str) -> list[str]:
    plain = " ".join(text.split())
    return [
        f'"{found[0]}": write "{instead}"'
        for pattern, instead in REFUSED.items()
        for found in re.finditer(pattern, plain, re.IGNORECASE)
    ]


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def sources() -> Iterator[Path]:
    for folder in ("whisperctl", "backends"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not {"tests", "testing", ".venv", "build"} & set(path.relative_to(ROOT).parts):
                yield path


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def named(paths: Iterator[Path]) -> list[Any]:
    return [pytest.param(path, id=name_of(path)) for path in paths]


def literals(node: ast.AST) -> str:
    """All parts of strings in an expression, as one text."""
    parts = (
        str(one.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )
    return "".join(parts)


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Lines and texts of errors that are raised and of messages that are printed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.lineno, literals(node.exc)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _SAYING
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "console"
        ):
            yield node.lineno, literals(node)


def commands(group: TyperGroup, path: str) -> Iterator[tuple[str, Any]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_the_patterns_find_what_they_are_for() -> None:
    assert faults('"x" is no proper\n TOML') != []
    assert faults("a process of its own") == ['"process of its own": write "separate process"']
    assert faults("no model is here yet") != []
    assert faults('"x" holds no speech') != []
    assert faults("the list names no recording") != []
    assert faults('suppress regex "(" is not one: a "(" is not closed') != []
    assert faults("there is no limit, and it is no longer open") == []
    assert list(messages("raise UsageError(f'{a} is no ' f'time')")) == [(1, " is no time")]
    assert list(messages("console.note('begin anew')")) == [(1, "begin anew")]


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*one, id=one[0]) for one in commands(typer.main.get_group(app), "whisperctl")],
)
def test_help_is_plain(path: str, command: Any) -> None:
    texts = [command.help, command.epilog, *(getattr(p, "help", "") for p in command.params)]
    assert {text: faults(text) for text in texts if text and faults(text)} == {}


@pytest.mark.parametrize(
    "page", named(iter([ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]))
)
def test_pages_are_plain(page: Path) -> None:
    assert faults(prose(page)) == []


@pytest.mark.parametrize("path", named(sources()))
def test_errors_and_messages_are_plain(path: Path) -> None:
    found = {line: faults(text) for line, text in messages(path.read_text("utf-8"))}
    assert {line: texts for line, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name_of(path))
        for path in sources()
        if name_of(path).startswith(DOCSTRINGS_REVISED)
    ],
)
def test_docstrings_are_noun_phrases_or_imperatives(path: Path) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        text.splitlines()[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    ]
    assert [text for text in found if _CLAUSE.match(text)] == []
