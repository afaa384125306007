"""The documents that every comparison leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whisperctl.compare import document, rerun
from whisperctl.compare.result import Comparison
from whisperctl.storage import state


def test_the_last_hundred_are_kept_and_the_newest_even_where_the_clock_went_back(
    four_engines: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.DIRECTORY_VARIABLE, str(tmp_path))
    for minute in range(100):
        (tmp_path / f"compare-203001010{minute:03}00-talk.json").touch()
    kept = rerun.save(replace(four_engines, date="2001-02-03T04:05:06+00:00"))
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
    assert rerun.save(four_engines) is None
