"""The library as its page shows it, and the names it promises."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest

import whisperctl
from tests.conftest import printed_by
from whisperctl import api, audio
from whisperctl.models import catalog
from whisperctl.options import DecodeKeywords, DecodeOptions

ROOT = Path(__file__).parents[1]


def test_the_public_names_are_these() -> None:
    assert whisperctl.__all__ == [
        "Audio", "AudioError", "BackendError", "DecodeOptions", "ModelError", "OutputError",
        "PluginError", "Progress", "Segment", "SubtitleOptions", "Token", "Transcriber",
        "Transcript", "UnknownModelError", "UsageError", "VadOptions", "WhisperctlError", "Word",
        "__version__", "pull", "transcribe", "write",
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

    assert printed_by(script) == "[]\n"


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
        ({"backend": 5}, "the backend must be a name, not int"),
        ({"model": 5}, "the model must be a name or a path, not int"),
        ({"threads": "2"}, "threads must be a whole number, not str"),
        ({"beam_size": "5"}, "beam size must be a whole number, not '5'"),
        ({"temperature": "hot"}, "temperature must be a number, not 'hot'"),
        ({"speech_check": "no"}, "speech check must be True or False, not 'no'"),
        ({"word_timestamps": "yes"}, "word timestamps must be True or False, not 'yes'"),
        ({"language": 5}, "language must be a string, not 5"),
        ({"clips": "0-1"}, "clips must be pairs of seconds"),
        ({"vad": "yes"}, "vad must be True, False or VadOptions, not str"),
        ({"filters": [5]}, r"filters must be strings such as .highpass., not \[5\]"),
        ({"audio_track": 1.5}, "audio_track must be a number or a language"),
        ({"decoding": {"beam_size": 1}}, "decoding must be DecodeOptions, not dict"),
        ({"on_progress": 5}, "on_progress must be a function, not int"),
        ({"path": None}, "the recording must be a path, an Audio or an array"),
        ({"path": np.zeros((5, 2), np.float32)}, r"not float32 of shape \(5, 2\): convert them"),
        ({"path": np.zeros(5, np.int16)}, "samples must be floats of shape"),
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
    arguments = {"path": jfk, "backend": "fake", "model": model, **wrong}
    with pytest.raises(whisperctl.UsageError, match=says):
        whisperctl.transcribe(**arguments)  # type: ignore[arg-type] # wrong on purpose


def test_samples_in_memory_are_transcribed_like_their_file(
    jfk: Path, model: Path, fake_site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(fake_site)
    samples = audio.load(jfk, decoder="soundfile").samples
    progress: list[whisperctl.Progress] = []
    warnings: list[str] = []
    with whisperctl.Transcriber(model, "fake", threads=1) as transcriber:
        expected = transcriber.transcribe(jfk, decoder="soundfile", beam_size=1)
        for given in (samples, samples.astype(np.float64), whisperctl.Audio(samples, "speech")):
            got = transcriber.transcribe(
                given,
                beam_size=1,
                on_progress=progress.append,
                on_warning=warnings.append,
            )
            assert (got.segments, got.duration_s) == (expected.segments, 11.0)
        assert progress[-1] == whisperctl.Progress(11.0, 11.0)
        assert warnings == []
        broken = np.full(16_000, np.nan, np.float32)
        transcriber.transcribe(broken, clips=[(0.5, None)], on_warning=warnings.append)
        assert warnings[0].startswith('"array" has 16000 samples that are not numbers')
        with pytest.raises(whisperctl.AudioError, match='"array" contains no audio'):
            transcriber.transcribe(samples[:0])

    whisperctl.write(expected, tmp_path / "jfk.srt")
    assert (tmp_path / "jfk.srt").read_text("utf-8").startswith("1\n00:00:00,000 --> ")
    whisperctl.write(expected, tmp_path / "jfk", "json-full")
    assert (tmp_path / "jfk").read_text("utf-8").startswith("{")
    for wrong in ("jfk.docx", "jfk"):
        with pytest.raises(whisperctl.UsageError, match="unknown format"):
            whisperctl.write(expected, tmp_path / wrong)
    with pytest.raises(whisperctl.OutputError):
        whisperctl.write(expected, tmp_path / "none" / "jfk.srt")


def test_a_model_is_pulled_by_its_name(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model that is installed needs no network, if it has the published hash."""
    sha1 = hashlib.sha1(model.read_bytes()).hexdigest()
    published = catalog.CatalogModel("tiny.en", model.stat().st_size, sha1)
    monkeypatch.setitem(catalog.MODELS, "tiny.en", published)
    monkeypatch.setenv("WHISPERCTL_MODELS", os.fspath(model.parent))
    steps: list[str] = []

    def on_progress(step: str, done_bytes: int, total_bytes: int | None) -> None:
        steps.append(step)

    assert whisperctl.pull("tiny.en", on_progress) == model
    assert steps
    with pytest.raises(whisperctl.UnknownModelError, match='did you mean "tiny"'):
        whisperctl.pull("tinny")
