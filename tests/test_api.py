"""The library as its page shows it, and the names it promises."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import whisperctl
from whisperctl import api
from whisperctl.options import DecodeKeywords, DecodeOptions

ROOT = Path(__file__).parents[1]


def test_the_public_names_are_these() -> None:
    assert whisperctl.__all__ == [
        "AudioError", "BackendError", "DecodeOptions", "ModelError", "OutputError",
        "PluginError", "Segment", "Token", "Transcriber", "Transcript", "UsageError",
        "VadOptions", "WhisperctlError", "Word", "__version__", "transcribe",
    ]  # fmt: skip
    assert all(getattr(whisperctl, name) is not None for name in whisperctl.__all__)
    assert dir(whisperctl) == sorted(whisperctl.__all__)
    assert whisperctl.transcribe is api.transcribe
    assert not hasattr(whisperctl, "transcribed")


def test_importing_it_imports_nothing_else() -> None:
    script = (
        "import sys, whisperctl\n"
        "print(sorted(name for name in sys.modules if name.startswith(('whisperctl.', 'numpy'))))"
    )

    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert said.stdout == "[]\n"


@pytest.mark.slow
def test_the_page_s_first_example_runs() -> None:
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]

    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=300,
    )

    assert "ask not what your country can do for you" in said.stdout
    assert said.stdout.endswith("en 11.0\n")
    assert said.stderr == ""


def test_every_argument_is_on_the_page() -> None:
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    arguments = inspect.signature(api.transcribe).parameters.keys() - {"options"}
    arguments |= get_type_hints(api.Keywords).keys() - get_type_hints(DecodeKeywords).keys()

    assert [name for name in arguments if f"`{name}`" not in page] == []


def test_every_decoding_option_is_a_keyword_of_its_type() -> None:
    options, keywords = get_type_hints(DecodeOptions), get_type_hints(DecodeKeywords)

    assert keywords == {name: hint | None for name, hint in options.items()}


@pytest.fixture
def library(model: Path, fake_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the library find the fake backend and the models."""
    monkeypatch.syspath_prepend(fake_site)
    monkeypatch.setenv("WHISPERCTL_MODELS", os.fspath(model.parent))


@pytest.mark.usefixtures("library")
def test_a_transcriber_takes_many_recordings_and_lets_no_option_linger(
    jfk: Path, model: Path
) -> None:
    warnings: list[str] = []
    with whisperctl.Transcriber(model, "fake", word_timestamps=True) as transcriber:
        whole = transcriber.transcribe(jfk)
        words = transcriber.transcribe(jfk, word_timestamps=True, on_warning=warnings.append)
        part = transcriber.transcribe(jfk, clips=[(0, 5)])
        again = transcriber.transcribe(jfk)

    assert [segment.words for segment in whole.segments] == [() for _ in whole.segments]
    assert all(segment.words for segment in words.segments)
    assert part.segments[-1].end_s <= 5 < whole.segments[-1].end_s
    assert again.segments == whole.segments
    assert whole.segments == whisperctl.transcribe(jfk, model, "fake").segments


@pytest.mark.usefixtures("library")
def test_a_closed_transcriber_says_so(jfk: Path, model: Path) -> None:
    transcriber = whisperctl.Transcriber(model, "fake")
    transcriber.close()
    transcriber.close()
    with pytest.raises(whisperctl.UsageError, match="already closed"):
        transcriber.transcribe(jfk)


def test_a_keyword_that_does_not_exist_is_a_type_error(jfk: Path) -> None:
    with pytest.raises(TypeError, match="'beam'"):
        whisperctl.transcribe(jfk, beam=1)  # type: ignore[call-arg] # wrong on purpose


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"language": "klingon"}, 'unknown language "klingon"'),
        ({"language": "de", "model": "tiny.en"}, "this model is English-only"),
        ({"beam_size": 0}, "beam size must be from 1 to 8"),
        ({"clips": [(5, 3)]}, "a clip from 5 s to 3 s is empty"),
        ({"backend": "nativ"}, 'did you mean "native"'),
    ],
)
def test_a_wrong_argument_is_a_usage_error(
    jfk: Path,
    model: Path,
    fake_site: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, object],
    says: str,
) -> None:
    monkeypatch.syspath_prepend(fake_site)
    monkeypatch.setenv("WHISPERCTL_MODELS", os.fspath(model.parent))
    arguments = {"backend": "fake", "model": model, **wrong}
    with pytest.raises(whisperctl.UsageError, match=says):
        whisperctl.transcribe(jfk, **arguments)  # type: ignore[arg-type] # wrong on purpose
