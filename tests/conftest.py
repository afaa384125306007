"""Real speech, real models, and the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import store, vad

ROOT = Path(__file__).parents[1]

ENGINES = ("native", "wasi/wasmer", "wasi/wasmtime")
"""Backends and runtimes of our own, none of which may be missing where the tests run."""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    """Runs ``whisperctl`` in a directory of its own, without the settings of this environment."""

    directory: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(
        self,
        *arguments: str | Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout_s: float = 500,
    ) -> Finished:
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=self.environment(env),
            timeout=timeout_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """The command under way, with pipes for its output and nothing to read."""
        process = subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self.environment(),
        )
        self.started.append(process)
        return process

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "whisperctl", *map(str, arguments)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if "WHISPERCTL" not in name}
        theirs = {
            "WHISPERCTL_CONFIG": os.devnull,
            "WHISPERCTL_STATE": str(self.directory.parent / "state"),
        }
        return {**own, **theirs, **(extra or {})}


def _model(name: str) -> Path:
    try:
        return store.resolve(name).absolute()
    except ModelError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return _model("tiny.en")


@pytest.fixture(scope="session")
def base() -> Path:
    return _model("base")


@pytest.fixture(scope="session")
def silero() -> Path:
    """The model that finds speech."""
    path = vad.find()
    if path is None:
        pytest.fail("no Silero model is here: run: whisperctl models pull silero")
    return path.absolute()


@pytest.fixture(scope="session")
def jfk() -> Path:
    """Eleven seconds of clear English."""
    return ROOT / "samples" / "jfk.wav"


@pytest.fixture(scope="session")
def long_talk(jfk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven minutes of speech, of which no engine gets to the end in a test."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with wave.open(str(jfk)) as short, wave.open(str(path), "wb") as long:
        long.setparams(short.getparams())
        frames = short.readframes(short.getnframes())
        for _ in range(60):
            long.writeframes(frames)
    return path


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    directory = tmp_path / "here"
    directory.mkdir()
    runner = Cli(directory)
    yield runner
    for process in runner.started:  # what a failed test left behind
        process.kill()
        process.communicate()


MakePlugin = Callable[[str, str], dict[str, str]]


@pytest.fixture
def plugin(tmp_path: Path) -> MakePlugin:
    """Makes somebody else's backend, from its name and source; gives what finds it, an environment.

    The source is of the module ``whisperctl_NAME``, and its class is called as the backend is.
    """
    site = tmp_path / "site"

    def make(name: str, source: str) -> dict[str, str]:
        record = site / f"whisperctl_{name}-9.9.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: whisperctl-{name}\nVersion: 9.9\n"
        )
        (record / "entry_points.txt").write_text(
            f"[whisperctl.backends]\n{name} = whisperctl_{name}:{name.title()}\n"
        )
        (site / f"whisperctl_{name}.py").write_text(source)
        return {"PYTHONPATH": str(site)}

    return make


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)
