"""Tuning measures in rounds, within a time, and chooses the fastest that hears well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisperctl.compare.plan import load_recordings
from whisperctl.compare.result import ModelFile
from whisperctl.compare.tune import tune
from whisperctl.engine.registry import Engine
from whisperctl.errors import BackendError
from whisperctl.options import DecodeOptions

if TYPE_CHECKING:
    from pathlib import Path

    from whisperctl.compare.measure import Step


@pytest.fixture
def model_file(model: Path, fake_site: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    monkeypatch.setenv("PYTHONPATH", str(fake_site))  # of the processes that measure
    return ModelFile("tiny.en", "f16", model)


@pytest.mark.slow
def test_no_engine_runs_again_when_the_time_is_over(model_file: ModelFile, jfk: Path) -> None:
    (recording,) = load_recordings([str(jfk)], [])
    began: list[Step] = []

    tuning = tune(
        recording,
        model_file,
        [Engine("fake", "fake"), Engine("fake", "slow")],
        DecodeOptions(),
        seconds=1,
        on_step=began.append,
        clock=iter(range(100)).__next__,
    )

    assert [step.state for step in began] == ["running", "done"] * 2
    assert [variant.engine.runtime for variant in tuning.plan.variants] == ["fake", "slow"]


@pytest.mark.slow
def test_engines_that_all_fail_are_an_error_with_their_reasons(
    model_file: ModelFile, jfk: Path
) -> None:
    (recording,) = load_recordings([str(jfk)], [])

    with pytest.raises(BackendError, match=r"no engine could transcribe jfk\.wav \(fake/fail: "):
        tune(recording, model_file, [Engine("fake", "fail")], DecodeOptions(), seconds=30)
