"""Which model and which decoding parameters the library takes."""

from __future__ import annotations

from pathlib import Path

import pytest

import whisperctl
from whisperctl import DecodeOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "auto"),  # also what is the default anyway
        ("task", "translate"),
        ("word_timestamps", False),
        ("initial_prompt", ""),
        ("condition_on_previous_text", True),
        ("beam_size", 1),
        ("best_of", 5),
        ("temperature", 0.0),
        ("temperature_increment", 0.2),
    ],
)
def test_a_parameter_beside_all_of_them_is_an_error_that_names_it(
    jfk: Path, name: str, value: object
) -> None:
    with pytest.raises(whisperctl.UsageError, match=f"^{name}= cannot be given beside decoding="):
        whisperctl.transcribe(jfk, decoding=DecodeOptions(), **{name: value})  # type: ignore[arg-type] # any of them


def test_all_parameters_that_are_too_many_are_named(jfk: Path) -> None:
    with pytest.raises(whisperctl.UsageError, match="language=, beam_size= cannot be given"):
        whisperctl.transcribe(jfk, decoding=DecodeOptions(), beam_size=1, language="en")


def test_without_a_model_the_default_one_is_asked_for(
    jfk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_MODELS", str(tmp_path))

    with pytest.raises(whisperctl.ModelError, match="whisperctl models pull base"):
        whisperctl.transcribe(jfk)


@pytest.mark.parametrize("filters", ["gain:db=99", ["normalize", "gain:db=99"]])
def test_filters_are_checked_before_a_model_is_looked_for(
    jfk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: str | list[str]
) -> None:
    monkeypatch.setenv("WHISPERCTL_MODELS", str(tmp_path))

    with pytest.raises(whisperctl.UsageError, match="db must be from -120 to 60 dB"):
        whisperctl.transcribe(jfk, filters=filters)
