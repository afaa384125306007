"""``tune`` measures engines, and what it finds is used by ``--backend auto`` and by default."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli

ENGINES = ("--backend", "fake/slow,fake/fake", "--time", "3")


@pytest.fixture
def tuned(fake: Cli, tmp_path: Path) -> Cli:
    settings = {
        **fake.settings,
        "WHISPERCTL_CACHE": str(tmp_path / "cache"),
        "WHISPERCTL_CONFIG": str(tmp_path / "config.toml"),
    }
    del settings["WHISPERCTL_BACKEND"]
    (tmp_path / "config.toml").write_text('# mine\nlanguage = "en"  # as I speak\n\n[compare]\n')
    return replace(fake, settings=settings)


@pytest.mark.slow
def test_the_fastest_engine_is_shown_kept_and_written_where_asked(
    tuned: Cli, jfk: Path, tmp_path: Path
) -> None:
    untuned = tuned.here("transcribe", str(jfk), "--backend", "auto", "--dry-run")
    assert 'whisperctl: no engine has been measured on this machine: run "whisperctl tune"' in (
        untuned.err
    )

    measured = tuned.here("tune", *ENGINES, "--save")

    assert measured.code == 0, measured.err
    rows = [line.split()[:2] for line in measured.out.splitlines() if line.startswith("fake")]
    assert rows[0][0] == "fake"  # the fastest first
    assert ["fake/slow", "2"] in rows or ["fake/slow", "1"] in rows
    assert "\nFastest: fake with" in measured.out
    text = (tmp_path / "config.toml").read_text()
    assert text.startswith('# mine\nlanguage = "en"  # as I speak\n')
    assert 'backend = "fake"' in text
    assert text.endswith("[compare]\n")
    shown = tuned.here("config", "show")
    assert 'backend = "fake"  # file: line' in shown.out

    auto = tuned.here("transcribe", str(jfk), "--backend", "auto")
    assert auto.code == 0
    assert "measured" not in auto.err

    record = tmp_path / "cache" / "fastest.json"
    found = json.loads(record.read_text())
    record.write_text(json.dumps({**found, "machine": "an abacus, 1 processors"}) + "\n")
    moved = tuned.here("transcribe", str(jfk), "--backend", "auto", "--dry-run")
    assert "engines were measured on another machine" in moved.err


def test_a_broken_configuration_is_refused_before_anything_is_measured(
    tuned: Cli, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("backend = \n")

    refused = tuned.here("tune", *ENGINES, "--save")

    assert refused.code == 2
    assert "config.toml" in refused.err
    assert "measuring" not in refused.err
