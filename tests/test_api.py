"""The library as its page shows it, and the names it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import whisperctl
from whisperctl import api

ROOT = Path(__file__).parents[1]


def test_the_public_names_are_these() -> None:
    assert whisperctl.__all__ == [
        "AudioError", "BackendError", "DecodeOptions", "ModelError", "OutputError",
        "PluginError", "Segment", "Token", "Transcript", "UsageError", "VadOptions",
        "WhisperctlError", "Word", "__version__", "transcribe",
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
    arguments = api.transcribe.__annotations__.keys() - {"return"}

    assert [name for name in arguments if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"language": "klingon"}, 'unknown language "klingon"'),
        ({"language": "de", "model": "tiny.en"}, "this model knows English only"),
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
