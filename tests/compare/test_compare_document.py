"""The JSON document of a comparison, which is also what repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from whisperctl.compare import document
from whisperctl.compare.result import Comparison
from whisperctl.errors import UsageError
from whisperctl.storage import state


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
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[" * 200_000, "is not valid JSON"),
        (b"[]", "is not a comparison"),
        (b"{}", "is not a comparison"),
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
    with pytest.raises(UsageError, match=r"is damaged: cells\.1\.runs: 'none' is not a list"):
        document.read(path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("variants", 0, "engine"), 4, r"variants\.0\.engine: index 4 is out of range"),
        (("variants", 1, "model"), -1, r"variants\.1\.model: index -1 is out of range"),
        (("cells", 2, "recording"), 7, r"cells\.2\.recording: index 7 is out of range"),
        (("cells", 2, "baseline"), 9, r"cells\.2\.baseline: index 9 is out of range"),
        (("cells", 1, "segments", 0, "start_s"), 1e300, "the number 1e.300, which nothing has"),
        (("cells", 1, "stats", "wall_ms", "median"), float("nan"), "the number NaN"),
        (("cells", 1, "stats", "wall_ms", "median"), 10**400, "the number 1000"),
        (
            ("cells", 1, "difference", "spans", 0, "text_end"),
            99,
            r"difference\.spans: they are not",
        ),
        (
            ("cells", 2, "agreement", "difference", "spans"),
            [],
            r"agreement\.difference\.spans: the",
        ),
    ],
)
def test_what_would_refer_to_nothing_is_refused(
    place: tuple[str | int, ...],
    value: object,
    message: str,
    four_engines: Comparison,
    tmp_path: Path,
) -> None:
    broken = json.loads(document.text(four_engines))
    inner = broken
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "run.json"
    path.write_text(json.dumps(broken))
    with pytest.raises(UsageError, match=f"is damaged: .*{message}") as error:
        document.read(path)
    assert len(str(error.value)) < 300 + len(str(path))


def test_a_document_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(UsageError, match="is not valid JSON"):
        document.read(path)


def test_an_option_of_another_type_is_refused_before_anything_runs(
    four_engines: Comparison, tmp_path: Path
) -> None:
    odd = replace(four_engines, parameters={"beam_size": "five"}, recordings=(), models=())
    with pytest.raises(UsageError, match="has an invalid option: beam_size: 'five' is no"):
        document.repeat_plan(replace(odd, variants=()), tmp_path)


def test_the_last_hundred_are_kept_and_the_newest_even_where_the_clock_went_back(
    four_engines: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.DIRECTORY_VARIABLE, str(tmp_path))
    for minute in range(100):
        (tmp_path / f"compare-203001010{minute:03}00-talk.json").touch()
    kept = document.save(replace(four_engines, date="2001-02-03T04:05:06+00:00"))
    assert kept is not None and kept.name.startswith("compare-20010203040506-")
    assert document.read(kept).date == "2001-02-03T04:05:06+00:00"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 100
    assert "compare-20300101000000-talk.json" not in names


def test_a_comparison_is_not_kept_where_nothing_can_be_written(
    four_engines: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(state.DIRECTORY_VARIABLE, str(tmp_path / "file" / "runs"))
    assert document.save(four_engines) is None
