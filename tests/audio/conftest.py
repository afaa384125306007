"""Media files with what real ones have: late starts, holes, stale tags, joined parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.audio.test_audio_stream import SAMPLE, at_rate, mux
from whisperctl.audio import SAMPLE_RATE

Samples = NDArray[np.float32]
Encode = Callable[..., Path]


class Unseekable:
    """What a pipe is for a muxer: it cannot go back and fill in durations."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


@pytest.fixture(scope="session")
def speech() -> Samples:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    assert rate == SAMPLE_RATE
    return cast(Samples, samples)


@pytest.fixture(scope="session")
def encode(tmp_path_factory: pytest.TempPathFactory, speech: Samples) -> Encode:
    """Encodes the speech, or a part of it, once for each set of arguments."""
    folder = tmp_path_factory.mktemp("encoded")
    made: dict[object, Path] = {}

    def make(
        name: str, codec: str, *, start_s: float = 0.0, end_s: float = 11.0, rate: int = 16_000
    ) -> Path:
        key = (name, codec, start_s, end_s, rate)
        if key not in made:
            part = speech[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
            path = folder / f"{len(made)}-{name}"
            mono = at_rate(part, rate)[np.newaxis]
            made[key] = mux(path, mono, codec=codec, rate=rate, layout="mono")
        return made[key]

    return make


def assemble(
    path: Path,
    parts: Sequence[tuple[Path, float]],
    *,
    video_s: float = 0.0,
    piped: bool = False,
    form: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Put encoded parts into one track, each at its time in seconds, beside a picture.

    With ``piped`` the muxer cannot seek, so that the file states no duration.
    """
    pipe = Unseekable()
    kind = form or {".mkv": "matroska", ".ts": "mpegts"}.get(path.suffix, path.suffix[1:])
    with av.open(
        cast(Any, pipe if piped else str(path)), "w", format=kind, options=options or {}
    ) as out:
        film = (
            cast(Any, out.add_stream("mpeg4" if kind != "flv" else "flv", rate=10))
            if video_s
            else None
        )
        with av.open(str(parts[0][0])) as first:
            track = out.add_stream_from_template(first.streams.audio[0])
        packets: list[Any] = []
        if film:
            film.width = film.height = 32
            film.pix_fmt = "yuv420p"
            for number in range(round(video_s * 10)):
                picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number % 256, np.uint8))
                picture.pts = number
                packets += film.encode(picture)
            packets += film.encode(None)
        for part, at_s in parts:
            with av.open(str(part)) as source:
                stream = source.streams.audio[0]
                for packet in source.demux(stream):
                    if packet.pts is None:
                        continue
                    shift = round(Fraction(at_s) / packet.time_base)
                    packet.pts += shift
                    packet.dts = packet.pts
                    packet.stream = track
                    packets.append(packet)
        for packet in sorted(packets, key=lambda p: float(p.pts * p.time_base)):
            out.mux(packet)
    if piped:
        path.write_bytes(pipe.data)
    return path


def found_at_s(samples: Samples, excerpt: Samples) -> float:
    """Where an excerpt is heard, in seconds.

    Raises:
        AssertionError: it is not heard.
    """
    n = 1 << (len(samples) + len(excerpt)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(samples, n) * np.conj(np.fft.rfft(excerpt, n)), n)
    at = int(np.argmax(cross[: len(samples)]))
    assert cross[at] > 0.9 * float(np.dot(excerpt, excerpt)), "it is not heard"
    return at / SAMPLE_RATE
