"""Opening engines: what is checked before, and what is not done twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES, Cli
from whisperctl.engine import registry
from whisperctl.errors import ModelError
from whisperctl.models import ggml
from whisperctl.models.ggml import walk as walks
from whisperctl.models.ggml import weights

Check = Callable[[Path], object]


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each model file that is inspected."""
    seen: list[str] = []
    ggml._whisper.forget()
    ggml._silero.forget()
    both: tuple[Any, ...] = (walks.WhisperWalk, walks.SileroWalk)
    for walk in both:
        run = walk.run

        def counted(self: object, run: Callable[[object], object] = run) -> object:
            seen.append(type(self).__name__)
            return run(self)

        monkeypatch.setattr(walk, "run", counted)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ENGINES, "faster-whisper"])
def test_a_model_is_inspected_once_before_any_backend_opens_it(
    name: str, reciting: Path, inspected: list[str]
) -> None:
    os.utime(reciting, (1e9, 1e9))  # what was written just now is always read again
    engine = registry.parse(name)
    registry.open_session(engine, reciting, threads=1).close()  # converted where it must be
    inspected.clear()

    ggml._whisper.forget()
    model = registry.check_model(reciting)
    registry.open_session(engine, model, threads=1, word_timestamps=True).close()
    registry.open_session(engine, reciting, threads=1).close()
    assert inspected == ["WhisperWalk"]


def test_a_run_inspects_its_model_once_and_reads_its_weights_once(
    fake: Cli, model: Path, jfk: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(model, (1e9, 1e9))  # what was written just now is always read again
    checked: list[Path] = []
    check = weights.check

    def counted(path: Path, expected: ggml.ModelType | None = None) -> ggml.ModelInfo:
        checked.append(path)
        return check(path, expected)

    monkeypatch.setattr(weights, "check", counted)
    done = fake.here("transcribe", jfk, "--model", "tiny.en", "--word-timestamps")
    assert done.code == 0, done.err
    assert inspected.count("WhisperWalk") == 1
    assert [path.name for path in checked].count(model.name) == 1


def test_a_detector_is_inspected_once_before_any_backend_opens_it(
    engine: str, silero: Path, inspected: list[str]
) -> None:
    registry.open_detector(registry.parse(engine), silero).close()
    assert inspected == ["SileroWalk"]


@pytest.mark.parametrize("name", [*ENGINES, "faster-whisper"])
def test_a_detector_is_no_model_to_transcribe_with(name: str, silero: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a ggml Whisper model: it is .*Silero"):
        registry.open_session(registry.parse(name), silero, threads=1)
