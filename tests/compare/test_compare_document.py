"""The JSON document of a comparison, which is also what repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from whisperctl.compare import document
from whisperctl.compare.comparison import Comparison
from whisperctl.errors import UsageError


def test_what_is_written_is_read_back_the_same(four_engines: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(document.text(four_engines), "utf-8")
    assert document.read(path) == four_engines


def test_names_of_any_alphabet_come_through(four_engines: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    named = replace(four_engines, command=("compare", "речь 🎤.wav", "broken\udcff.wav"))
    path.write_text(document.text(named), "ascii")
    assert document.read(path).command[1] == "речь 🎤.wav"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 200_000, "is no JSON"),
        (b"[]", "is no comparison"),
        (b"{}", "is no comparison"),
        (b'{"schema": 1}', "has schema 1"),
        (b'{"schema": 2}', "is damaged: "),
    ],
)
def test_what_is_no_document_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "my run.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        document.read(path)
    assert f'"{path}" {message}' in str(error.value)
    assert "\n" not in str(error.value)


def test_a_document_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        document.read(tmp_path / "gone.json")


def test_a_damaged_field_is_named(four_engines: Comparison, tmp_path: Path) -> None:
    broken = json.loads(document.text(four_engines))
    broken["cells"][1]["runs"] = "none"
    path = tmp_path / "run.json"
    path.write_text(json.dumps(broken))
    with pytest.raises(UsageError, match=r"is damaged: cells\.1\.runs: 'none' is no list"):
        document.read(path)
