"""Short recordings cut from real speech."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import pytest

Cut = Callable[[Path, float, float], Path]


@pytest.fixture(scope="session")
def cut(jfk: Path) -> Cut:
    """Writes the sample's speech from one second to another into a file."""
    with wave.open(str(jfk)) as sound:
        parameters, rate = sound.getparams(), sound.getframerate()
        width = sound.getsampwidth() * sound.getnchannels()
        frames = sound.readframes(sound.getnframes())

    def write(path: Path, start_s: float, end_s: float) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as out:
            out.setparams(parameters)
            out.writeframes(frames[int(start_s * rate) * width : int(end_s * rate) * width])
        return path

    return write
