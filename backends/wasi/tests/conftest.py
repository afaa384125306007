"""What the wasi backend's tests share: the recording, the models, and a look for what is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.models import store

ROOT = Path(__file__).resolve().parents[3]

RUNTIMES = ("wasmer", "wasmtime")


@pytest.fixture(scope="session")
def jfk() -> Audio:
    return audio.load(ROOT / "samples/jfk.wav")


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return store.resolve("tiny.en")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not left, f"threads left behind: {left}"
