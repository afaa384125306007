"""What a comparison says it stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.compare import conclude
from whisperctl.compare.plan import portable


def test_paths_below_home_name_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "jane"))
    monkeypatch.chdir(tmp_path)
    assert portable(Path("jane/talks/a b.wav")) == "~/talks/a b.wav"
    assert portable(Path("talk.wav")) == str(tmp_path / "talk.wav")


def test_packages_are_those_that_the_engines_stand_on() -> None:
    found = conclude.packages(["native"])
    assert {"whisperctl-asr", "whisperctl-native", "pywhispercpp", "numpy", "av"} <= set(found)
    assert "wasmtime" not in found
    assert {"whisperctl-wasi", "wasmtime", "wasmer-sdk"} <= set(conclude.packages(["wasi"]))
    assert all(found.values())


def test_a_backend_that_is_gone_has_no_packages() -> None:
    assert set(conclude.packages(["gone"])) == set(conclude.packages([]))
