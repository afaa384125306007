"""Without the wasi backend's package everything else works, and says what to install for it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Cli

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class CliOfAnother(Cli):
    """The command of another environment than the one that the tests run in."""

    python: Path = Path(sys.executable)

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.python), "-m", "whisperctl", *map(str, arguments)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of an environment with all that is installed here but for the one package."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, symlinks=True, with_pip=False)
    scheme = {"base": str(directory), "platbase": str(directory)}
    site = Path(sysconfig.get_path("purelib", vars=scheme))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "whisperctl_wasi" not in path.name:
            (site / path.name).symlink_to(path)
    python = directory / "bin" / "python"
    absent = subprocess.run([python, "-c", "import whisperctl_wasi"], capture_output=True)
    assert b"No module named 'whisperctl_wasi'" in absent.stderr
    return python


@pytest.fixture
def cli(python: Path, tmp_path: Path) -> Cli:
    directory = tmp_path / "here"
    directory.mkdir()
    return CliOfAnother(directory, python=python)


@pytest.fixture(scope="module")
def clip(jfk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is said first."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    with wave.open(str(jfk)) as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(int(3.5 * whole.getframerate())))
    return path


def test_what_is_not_installed_is_not_listed(cli: Cli) -> None:
    assert cli("--help").code == 0
    backends = cli("backends")
    assert (backends.code, backends.err) == (0, "")
    assert "    native" in backends.out and "wasi" not in backends.out
    doctor = cli("doctor")
    assert (doctor.code, doctor.err) == (0, ""), doctor.out
    assert "ok    backend native: " in doctor.out and "wasi" not in doctor.out


def test_speech_is_found_and_transcribed_natively(cli: Cli, clip: Path, silero: Path) -> None:
    command = ("transcribe", clip, "--model", "tiny.en", "--vad", "--beam-size", "1")
    done = cli(*command, "--backend", "native")
    assert done.code == 0, done.err
    assert "fellow Americans" in done.out
    assert "wasi" not in done.err


def test_engines_are_compared_without_it(cli: Cli, clip: Path, reciting: Path) -> None:
    done = cli(
        *("compare", clip, "--model", reciting, "--backend", "native", "--beam-size", "1"),
        *("--no-warm-up", "--json"),
    )
    assert done.code == 0, done.err
    assert "native" in done.out and "wasi" not in done.out
    json.loads(done.out)


def test_models_are_quantized_natively(cli: Cli, tiny_en: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / tiny_en.name).symlink_to(tiny_en)
    done = cli("models", "quantize", "tiny.en", "q8_0", env={"WHISPERCTL_MODELS": str(models)})
    assert done.code == 0, done.err
    assert (models / "ggml-tiny.en-q8_0.bin").stat().st_size < tiny_en.stat().st_size


@pytest.mark.parametrize(
    ("command", "backend"), [("transcribe", "wasi"), ("compare", "wasi/wasmtime")]
)
def test_asking_for_it_says_what_to_install(
    cli: Cli, clip: Path, command: str, backend: str
) -> None:
    done = cli(command, clip, "--model", "tiny.en", "--backend", backend)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert 'backend "wasi" is not installed: run "pip install whisperctl-wasi", or choose ' in line
