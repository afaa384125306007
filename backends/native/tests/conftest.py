"""Real speech and real models for the tests of the native backend."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.models import store
from whisperctl.testing.fake import write_model
from whisperctl_native import NativeBackend
from whisperctl_native.session import NativeSession

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return store.resolve("tiny.en").absolute()


@pytest.fixture(scope="session")
def reciting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says "abcdef" in every window, in a small part of tiny.en's time."""
    path = tmp_path_factory.mktemp("models") / "reciting.bin"
    return write_model(path, says=(0.0, b"abcdef", 29.0))


@pytest.fixture(scope="session")
def base() -> Path:
    return store.resolve("base").absolute()


@pytest.fixture(scope="session")
def jfk() -> Audio:
    """Eleven seconds of clear English."""
    path = _ROOT / "samples" / "jfk.wav"
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return Audio((samples / 32768).astype(np.float32), str(path), decode_ms=1.5)


@pytest.fixture(scope="session")
def noisy(jfk: Audio) -> Audio:
    """Speech under noise, where decoding is unsure of itself."""
    noise = np.random.default_rng(1).normal(0, 0.2, len(jfk.samples))
    return Audio((jfk.samples + noise).astype(np.float32), "noisy")


@pytest.fixture(scope="session")
def two_windows(jfk: Audio) -> Audio:
    """Thirty-eight seconds, more than the model hears at once."""
    return Audio(np.tile(jfk.samples, 4)[: 38 * 16_000], "two windows")


@pytest.fixture
def session(tiny_en: Path) -> Iterator[NativeSession]:
    with NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_tiny_en(tiny_en: Path) -> Iterator[NativeSession]:
    """The same, opened once for the tests that leave it as it was."""
    with NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_base(base: Path) -> Iterator[NativeSession]:
    """The multilingual model, loaded once for the tests that leave it as it was."""
    with NativeBackend().open(Model.inspect(base), OpenOptions(1)) as opened:
        yield opened
