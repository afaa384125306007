"""Real speech, real models, and the command as a person runs it."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import string
import subprocess
import sys
import warnings
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import store
from whisperctl.testing.fake import install, write_model

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
    """Runs ``whisperctl`` in a directory of its own, without the settings of this environment.

    ``settings`` are environment variables for every run.
    """

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
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

    def here(
        self, *arguments: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> Finished:
        """The command in this process, which saves the half second that Python takes to start.

        Not for what is about signals, file descriptors, logs or the end of the process.
        """
        from whisperctl.cli import main

        environment = self.environment(env)
        streams = [
            io.TextIOWrapper(io.BytesIO(data), "utf-8", errors)
            for data, errors in ((stdin, "strict"), (b"", "strict"), (b"", "backslashreplace"))
        ]
        added = list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))
        importlib.invalidate_caches()
        with ExitStack() as stack:
            stack.enter_context(contextlib.chdir(self.directory))
            stack.enter_context(warnings.catch_warnings())
            stack.enter_context(patch.dict(os.environ, environment, clear=True))
            words = ["whisperctl", *map(str, arguments)]
            for name, value in (("argv", words), ("path", [*added, *sys.path])):
                stack.enter_context(patch.object(sys, name, value))
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                stack.enter_context(patch.object(sys, name, stream))
            for number in (signal.SIGTERM, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.getsignal(number))
            stack.callback(forget_modules, added)
            code = main()
        out, err = (written(stream) for stream in streams[1:])
        return Finished(code, out, err)

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
        return {**own, **theirs, **self.settings, **(extra or {})}


def forget_modules(folders: list[str]) -> None:
    """Let the modules of these folders be imported again, as they are another test's by then."""
    for name, module in list(sys.modules.items()):
        if folders and str(getattr(module, "__file__", None)).startswith(tuple(folders)):
            del sys.modules[name]


def written(stream: io.TextIOWrapper) -> str:
    """All that was written into a stream in memory."""
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


def printed_by(script: str) -> str:
    """What a script prints in a Python of its own, which has nothing imported yet."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read and write everything, so be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


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
    path = store.find_detector()
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
    return _repeated(jfk, 60, tmp_path_factory.mktemp("long") / "long.wav")


@pytest.fixture(scope="session")
def minute_talk(jfk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a minute of speech, in which a real engine finds speech sooner than in minutes."""
    return _repeated(jfk, 6, tmp_path_factory.mktemp("minute") / "minute.wav")


def _repeated(recording: Path, times: int, path: Path) -> Path:
    with wave.open(str(recording)) as short, wave.open(str(path), "wb") as long:
        long.setparams(short.getparams())
        frames = short.readframes(short.getnframes())
        for _ in range(times):
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


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only model in its store; it claims to know English alone, and knows nothing."""
    return write_model(tmp_path_factory.mktemp("models") / "ggml-tiny.en.bin")


LETTERS = string.ascii_letters


@pytest.fixture(scope="session")
def reciting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says ``LETTERS`` in every window, less one for each token that was before.

    Any engine runs it in a small part of the time that tiny.en takes.
    """
    path = tmp_path_factory.mktemp("models") / "ggml-letters.bin"
    return write_model(path, says=(0.0, LETTERS.encode(), 29.0))


@pytest.fixture(scope="session")
def fake_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH where ``whisperctl.testing.fake`` is a backend."""
    site = tmp_path_factory.mktemp("site")
    install(site)
    return site


@pytest.fixture
def fake(cli: Cli, fake_site: Path, model: Path) -> Cli:
    """The command with the fake backend for its own choice, and nothing but ``model`` to run.

    Recordings are decoded in this process, which saves the start of a sandbox for each.
    """
    settings = {
        "PYTHONPATH": str(fake_site),
        "WHISPERCTL_BACKEND": "fake",
        "WHISPERCTL_DECODER": "soundfile",
        "WHISPERCTL_MODELS": str(model.parent),
    }
    return replace(cli, settings=settings)


MakePlugin = Callable[..., dict[str, str]]


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[MakePlugin]:
    """Makes somebody else's plugin, from its name and source; gives the environment that finds it.

    The source is of the module ``whisperctl_NAME``, and its class is called as the plugin is.
    ``kind`` is "backend", "decoder" and so on.
    """
    site = tmp_path / "site"

    def make(name: str, source: str, kind: str = "backend") -> dict[str, str]:
        record = site / f"whisperctl_{name}-9.9.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: whisperctl-{name}\nVersion: 9.9\n"
        )
        (record / "entry_points.txt").write_text(
            f"[whisperctl.{kind}s]\n{name} = whisperctl_{name}:{name.title()}\n"
        )
        (site / f"whisperctl_{name}.py").write_text(source)
        return {"PYTHONPATH": str(site)}

    yield make
    forget_modules([str(site)])


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)
