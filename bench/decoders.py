"""Time and memory of decoders, on ten minutes of speech in several formats and on large videos.

Every measurement is a separate process, and those of one recording take turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whisperctl import audio
from whisperctl.audio.decoders.media import MediaReader
from whisperctl.compare.conclude import describe_machine
from whisperctl.engine import resources
from whisperctl.engine.resources import Measurement

if TYPE_CHECKING:
    from av.container import OutputContainer
    from numpy.typing import NDArray

_LENGTH_S = 600.0
_RATE = 48_000
_REPEATS = 9
_SAMPLED_BLOCKS = 20
_VIDEO_PACKET_BYTES = 150_000
_VIDEO_RATE = 25

BASELINE = "ffmpeg"
DECODERS = ("sandbox", BASELINE)

_RECORDINGS = {
    "m4a": ("aac", 0),
    "mp3": ("libmp3lame", 0),
    "opus": ("libopus", 0),
    "flac": ("flac", 0),
    "mkv": ("ac3", 0),
    "mp4": ("aac", 60 << 20),
    "large mp4": ("aac", 2000 << 20),
    "large mkv": ("libopus", 2000 << 20),
}
"""Coder of the sound, and bytes of video beside it."""


def make(folder: Path, speech: Path) -> dict[str, Path]:
    """Write the recordings that are not there yet: ten minutes of stereo at 48 kHz each."""
    import av

    folder.mkdir(parents=True, exist_ok=True)
    found = {name: folder / f"{name}.{name.split()[-1]}" for name in _RECORDINGS}
    missing = {name: path for name, path in found.items() if not path.is_file()}
    if not missing:
        return found
    once = audio.load(speech).samples
    mono = np.resize(once, round(_LENGTH_S * audio.SAMPLE_RATE))
    stereo = np.stack([mono, np.roll(mono, 8) * 0.9]).astype(np.float32)
    for name, path in missing.items():
        coder, video_bytes = _RECORDINGS[name]
        unfinished = path.with_name(f"unfinished-{path.name}")
        with av.open(str(unfinished), "w") as container:
            _write(container, coder, stereo, video_bytes)
        unfinished.replace(path)
    return found


def _write(
    container: OutputContainer, coder: str, stereo: NDArray[np.float32], video_bytes: int
) -> None:
    import av

    video = None
    if video_bytes:
        # What is in its packets is noise: no decoder of sound looks into them.
        video = container.add_stream("mpeg4", rate=_VIDEO_RATE)
        video.width, video.height = 640, 480
    sound = container.add_stream(coder, rate=_RATE)
    assert isinstance(sound, av.AudioStream)
    sound.layout = "stereo"
    resampler = av.AudioResampler(sound.format.name, "stereo", _RATE)
    n_video = max(1, round(_LENGTH_S * _VIDEO_RATE))
    noise = np.random.default_rng(1).bytes(_VIDEO_PACKET_BYTES)
    size = video_bytes // n_video
    shown = count()
    step = audio.SAMPLE_RATE // _VIDEO_RATE
    for start in range(0, stereo.shape[1], step):
        frame = av.AudioFrame.from_ndarray(stereo[:, start : start + step], "fltp", "stereo")
        frame.sample_rate, frame.pts = audio.SAMPLE_RATE, start
        for resampled in resampler.resample(frame):
            container.mux(sound.encode(resampled))
        if video is not None:
            packet = av.Packet(noise[:size])
            packet.stream, packet.time_base = video, Fraction(1, _VIDEO_RATE)
            packet.pts = packet.dts = next(shown)
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
    container.mux(sound.encode(None))


def decode(path: Path, decoder: str) -> dict[str, float]:
    """Wall time in s and peak memory in MiB of decoding a recording in this process."""
    with Measurement() as measured, MediaReader(path, decoder=decoder) as media:
        for n, _ in enumerate(media.blocks()):
            if n % _SAMPLED_BLOCKS == 0:
                resources.peak_memory_bytes()  # counts the guest, which ends with the last block
    return {
        "wall_s": measured.wall_ms / 1000,
        "memory_mib": (measured.peak_memory_bytes or 0) / 2**20,
    }


def measure(folder: Path, speech: Path) -> Iterator[str]:
    """Lines of a table: medians, and the median of the ratios within a repeat."""
    others = [name for name in DECODERS if name != BASELINE]
    titles = [f"{name} {unit}" for name in DECODERS for unit in ("s", "MiB")]
    yield f"| recording | MB | {' | '.join(titles)} | {' | '.join(f'{o} x' for o in others)} |"
    yield f"|---|{'---:|' * (1 + len(titles) + len(others))}"
    for name, path in make(folder, speech).items():
        runs: dict[str, list[dict[str, float]]] = {decoder: [] for decoder in DECODERS}
        for repeat in range(_REPEATS):
            turn = DECODERS if repeat % 2 else DECODERS[::-1]
            for decoder in turn:
                runs[decoder].append(_in_process(path, decoder))
        cells = [name, f"{path.stat().st_size / 1e6:.0f}"]
        for decoder in DECODERS:
            cells.append(f"{_median(runs[decoder], 'wall_s'):.2f}")
            cells.append(f"{_median(runs[decoder], 'memory_mib'):.0f}")
        for decoder in others:
            ratios = [
                one["wall_s"] / base["wall_s"]
                for one, base in zip(runs[decoder], runs[BASELINE], strict=True)
            ]
            cells.append(f"{statistics.median(ratios):.2f}")
        yield f"| {' | '.join(cells)} |"
    machine = describe_machine()
    yield ""
    yield (
        f"{machine.cpu}, {machine.processors} processors, {machine.system}; {_REPEATS} repeats in "
        "turns, each in a separate process; MiB is peak memory, that of the guest included."
    )


def _in_process(path: Path, decoder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench", "decode", str(path), decoder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _median(runs: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)
