"""Recordings to decode, in the sandbox and outside of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl.audio.decoders import Decoder, MediaInfo
from whisperctl.audio.source import open_source
from whisperctl_wasi.media.decoder import SandboxDecoder

JFK = Path(__file__).parents[4] / "samples" / "jfk.wav"


@pytest.fixture
def jfk_wav() -> Path:
    return JFK


@pytest.fixture
def decode() -> Callable[..., tuple[MediaInfo, NDArray[np.float32], list[str]]]:
    """Decodes a recording, in the sandbox by default: its tracks, samples and flaws."""

    def run(
        path: Path = JFK, decoder: Decoder | None = None
    ) -> tuple[MediaInfo, NDArray[np.float32], list[str]]:
        source = open_source(path)
        with source.file, closing((decoder or SandboxDecoder()).open(source)) as media:
            info = media.probe()
            blocks = [block for _, block in media.blocks(1)]
            samples = np.concatenate(blocks) if blocks else np.empty((0, 1), np.float32)
            return info, samples, list(media.warnings)

    return run


@pytest.fixture(scope="session")
def encode(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Encodes the sample recording with one of FFmpeg's encoders, once."""
    folder = tmp_path_factory.mktemp("media")

    def make(name: str, codec: str) -> Path:
        path = folder / name
        if not path.exists():
            with av.open(str(JFK)) as source, av.open(str(path), "w") as out:
                # PyAV types a stream whose codec is named at run time as any kind of stream.
                stream = cast(Any, out.add_stream(codec, rate=48_000, layout="mono"))
                stream.metadata["title"] = "Rede in München"
                stream.metadata["language"] = "eng"
                for frame in source.decode(audio=0):
                    out.mux(stream.encode(frame))
                out.mux(stream.encode(None))
        return path

    return make
