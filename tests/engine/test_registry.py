"""Opening engines: what is checked before, and what is not done twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES
from whisperctl.engine import registry
from whisperctl.errors import ModelError
from whisperctl.models.ggml import walk as walks

Check = Callable[[Path], object]


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each model file that is inspected."""
    seen: list[str] = []
    both: tuple[Any, ...] = (walks.WhisperWalk, walks.SileroWalk)
    for walk in both:
        run = walk.run

        def counted(self: object, run: Callable[[object], object] = run) -> object:
            seen.append(type(self).__name__)
            return run(self)

        monkeypatch.setattr(walk, "run", counted)
    return seen


@pytest.mark.parametrize("name", [*ENGINES, "faster-whisper"])
def test_a_model_is_inspected_once_before_any_backend_opens_it(
    name: str, tiny_en: Path, inspected: list[str]
) -> None:
    engine = registry.parse(name)
    registry.open_session(engine, tiny_en, threads=1).close()  # converted where it must be
    inspected.clear()

    registry.check_model(tiny_en)
    assert inspected == ["WhisperWalk"]
    registry.open_session(engine, tiny_en, threads=1, checked=True).close()
    assert inspected == ["WhisperWalk"]
    registry.open_session(engine, tiny_en, threads=1).close()
    assert inspected == ["WhisperWalk"] * 2


def test_a_detector_is_inspected_once_before_any_backend_opens_it(
    engine: str, silero: Path, inspected: list[str]
) -> None:
    registry.open_detector(registry.parse(engine), silero).close()
    assert inspected == ["SileroWalk"]


@pytest.mark.parametrize("name", [*ENGINES, "faster-whisper"])
def test_a_detector_is_no_model_to_transcribe_with(name: str, silero: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a ggml Whisper model: it is .*Silero"):
        registry.open_session(registry.parse(name), silero, threads=1)
