"""One open model for all tests of transcription, and recordings with and without speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine import registry
from whisperctl.engine.protocol import Detector, Session
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.run import Checkpoint
from whisperctl.transcription.transcriber import Progress, Transcriber

Samples = npt.NDArray[np.float32]
MakeRecording = Callable[[Samples], Path]

GREEDY = DecodeOptions(beam_size=1, best_of=1)

QUICKEST = "faster-whisper/float32"
"""The engine that takes least time, as these tests are not about engines."""


@dataclass
class Events:
    """Everything that a run reported."""

    segments: list[Segment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)


def run(
    transcriber: Transcriber,
    path: Path,
    options: TranscriptionOptions,
    resume_from: Checkpoint | None = None,
) -> tuple[Transcript, Events]:
    events = Events()
    transcript = transcriber.transcribe(
        path,
        options,
        on_segment=events.segments.append,
        on_warning=events.warnings.append,
        on_progress=events.progress.append,
        on_checkpoint=events.checkpoints.append,
        resume_from=resume_from,
    )
    return transcript, events


@pytest.fixture(scope="session")
def session(tiny_en: Path) -> Iterator[Session]:
    engine = registry.parse(QUICKEST)
    with registry.open_session(engine, tiny_en, threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def detector(silero: Path) -> Iterator[Detector]:
    with registry.open_detector(registry.parse("native"), silero) as opened:
        yield opened


@pytest.fixture(scope="session")
def speech(jfk: Path) -> Samples:
    return audio.load(jfk).samples


@pytest.fixture
def recording(tmp_path: Path) -> MakeRecording:
    def write(samples: Samples) -> Path:
        path = tmp_path / "made.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
        return path

    return write


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def white_noise(seconds: float, level: float = 0.05) -> Samples:
    n = round(seconds * SAMPLE_RATE)
    return np.asarray(level * np.random.default_rng(1).standard_normal(n), np.float32)


def pink_noise(seconds: float, level: float = 0.3) -> Samples:
    n = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal(n))
    spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
    noise = np.fft.irfft(spectrum, n)
    return np.asarray(level * noise / np.abs(noise).max(), np.float32)


def hum(seconds: float) -> Samples:
    at_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * 50 * k * at_s) / k for k in (1, 2, 3)]
    return np.asarray(0.1 * np.sum(waves, axis=0), np.float32)


def _note(frequency_hz: float, seconds: float) -> npt.NDArray[np.float64]:
    at_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.sum([np.sin(2 * np.pi * frequency_hz * k * at_s) / k for k in range(1, 8)], axis=0)
    struck: npt.NDArray[np.float64] = sound * np.minimum(1, at_s / 0.01) * np.exp(-2 * at_s)
    return struck


def music(seconds: float) -> Samples:
    """Chords, an arpeggio over them, and drums."""
    n = round(seconds * SAMPLE_RATE)
    chords = ((261.6, 329.6, 392.0), (220.0, 261.6, 329.6), (174.6, 220.0, 261.6))
    slow = [np.sum([_note(f, 2.0) for f in chord], axis=0) for chord in chords]
    fast = [_note(f, 0.25) for chord in chords for f in (*chord, chord[1])]
    drum = np.random.default_rng(3).standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    beat = np.concatenate([drum, np.zeros(4000)])
    parts = (np.concatenate(slow), np.concatenate(fast), beat)
    mixed = np.sum([np.resize(part / np.abs(part).max(), n) for part in parts], axis=0)
    return np.asarray(0.2 * mixed, np.float32)
