"""Silero finds the same speech through every engine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import ENGINES
from whisperctl import audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import FRAME_S, Detector
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import ggml
from whisperctl.models.ggml.layout import F32
from whisperctl.options import VadOptions

Samples = npt.NDArray[np.float32]

DETECTORS = (*ENGINES, "faster-whisper")


@pytest.fixture(scope="module")
def speech(jfk: Path) -> Samples:
    return audio.load(jfk).samples


@pytest.fixture(scope="module")
def detectors(silero: Path) -> Iterator[dict[str, Detector]]:
    opened = {name: registry.open_detector(registry.parse(name), silero) for name in DETECTORS}
    yield opened
    for detector in opened.values():
        detector.close()


def test_all_engines_find_the_same_speech(detectors: dict[str, Detector], speech: Samples) -> None:
    found = {name: detector.detect(speech, VadOptions()) for name, detector in detectors.items()}
    native = found["native"]
    for name, detection in found.items():
        assert detection.spans == native.spans
        assert detection.probabilities.dtype == np.float32
        assert len(detection.probabilities) == round(len(speech) / 16_000 / FRAME_S + 0.5)
        # whisper.cpp rounds numbers between layers to half precision.
        tolerance = 1e-2 if name == "faster-whisper" else 2e-3
        np.testing.assert_allclose(detection.probabilities, native.probabilities, atol=tolerance)


def test_what_is_found_is_where_the_sound_is(
    detectors: dict[str, Detector], speech: Samples
) -> None:
    spans = detectors["native"].detect(speech, VadOptions()).spans
    assert len(spans) >= 3
    inside = np.zeros(len(speech), bool)
    for span in spans:
        inside[round(span.start_s * 16_000) : round(span.end_s * 16_000)] = True
    assert 0.5 < inside.mean() < 0.9
    assert np.square(speech[inside]).mean() > 10 * np.square(speech[~inside]).mean()
    assert all(before.end_s <= after.start_s for before, after in pairwise(spans))
    assert spans[-1].end_s <= len(speech) / 16_000


@pytest.mark.parametrize("name", DETECTORS)
def test_silence_and_noise_hold_no_speech(name: str, detectors: dict[str, Detector]) -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, 3 * 16_000).astype(np.float32)
    for samples in (np.zeros(3 * 16_000, np.float32), noise, np.empty(0, np.float32)):
        assert detectors[name].detect(samples, VadOptions()).spans == ()


@pytest.mark.parametrize("name", DETECTORS)
def test_nothing_lingers_from_the_recording_before(
    name: str, detectors: dict[str, Detector], speech: Samples
) -> None:
    short = speech[: 2 * 16_000]
    first = detectors[name].detect(short, VadOptions())
    detectors[name].detect(speech[4 * 16_000 :], VadOptions())
    again = detectors[name].detect(short, VadOptions())
    assert again.spans == first.spans
    assert (again.probabilities == first.probabilities).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_options_reach_the_engine(
    name: str, detectors: dict[str, Detector], speech: Samples
) -> None:
    detector = detectors[name]
    usual = detector.detect(speech, VadOptions(speech_pad_ms=30)).spans
    strict = detector.detect(speech, VadOptions(threshold=0.9999, speech_pad_ms=30)).spans
    assert sum(s.end_s - s.start_s for s in strict) < sum(s.end_s - s.start_s for s in usual) - 1
    assert detector.detect(speech, VadOptions(min_speech_duration_ms=60_000)).spans == ()
    assert len(detector.detect(speech, VadOptions(min_silence_duration_ms=1500)).spans) == 1
    padded = detector.detect(speech, VadOptions(speech_pad_ms=130)).spans
    assert padded[0].start_s == pytest.approx(usual[0].start_s - 0.1, abs=0.011)
    cut = detector.detect(speech, VadOptions(max_speech_duration_s=1, speech_pad_ms=30)).spans
    assert len(cut) > len(usual)
    assert all(span.end_s - span.start_s <= 1 for span in cut)
    total_s = sum(span.end_s - span.start_s for span in usual)
    assert sum(span.end_s - span.start_s for span in cut) == pytest.approx(total_s)


@pytest.mark.parametrize(
    "options",
    [
        VadOptions(threshold=0.9, min_silence_duration_ms=0, speech_pad_ms=0),
        VadOptions(threshold=0.1, max_speech_duration_s=2, speech_pad_ms=30),
        VadOptions(max_speech_duration_s=1, min_silence_duration_ms=600, speech_pad_ms=1000),
        VadOptions(min_speech_duration_ms=1000, min_silence_duration_ms=300, speech_pad_ms=150),
    ],
)
def test_the_detector_in_numpy_cuts_joins_and_pads_as_whisper_cpp_does(
    detectors: dict[str, Detector], speech: Samples, options: VadOptions
) -> None:
    found = [detectors[name].detect(speech, options).spans for name in ("native", "faster-whisper")]
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_ctrl_c_stops_the_search_and_the_detector_can_be_used_again(
    name: str, detectors: dict[str, Detector], speech: Samples
) -> None:
    detector = detectors[name]
    minutes = np.tile(speech, 200)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        detector.detect(minutes, VadOptions())
    timer.join()
    assert time.monotonic() - started < 1.5
    assert detector.detect(speech[: 16_000 * 3], VadOptions()).spans


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:100_000],
        lambda data: data[:20],
        lambda data: data + b"x",
        lambda data: data[:40] + b"\xff" * 8 + data[48:],
        lambda data: b"",
    ],
)
def test_a_damaged_model_is_one_error(
    name: str, damage: Callable[[bytes], bytes], silero: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad model.bin"
    path.write_bytes(damage(silero.read_bytes()))
    with pytest.raises(ModelError, match=r"bad model\.bin") as caught:
        registry.open_detector(registry.parse(name), path)
    assert "\n" not in str(caught.value)


def test_weights_that_overflow_are_one_error(silero: Path, tmp_path: Path) -> None:
    data = bytearray(silero.read_bytes())
    for place in ggml.survey(silero, "silero")[1]:
        if place.type is F32:
            numbers = np.resize(np.array([3e38, -3e38], "<f4"), place.n_bytes // 4)
            data[place.offset : place.offset + place.n_bytes] = numbers.tobytes()
    path = tmp_path / "loud.bin"
    path.write_bytes(data)
    noise = np.random.default_rng(3).normal(0, 0.1, 16_000).astype(np.float32)
    with (
        registry.open_detector(registry.parse("faster-whisper"), path) as detector,
        pytest.raises(BackendError, match=r'loud\.bin" gives probabilities that are not numbers: '),
    ):
        detector.detect(noise, VadOptions())


def test_a_whisper_model_is_no_detector(tiny_en: Path) -> None:
    with pytest.raises(ModelError, match="not a Silero VAD model"):
        registry.open_detector(None, tiny_en)


def test_a_closed_detector_says_so(silero: Path, engine: str) -> None:
    detector = registry.open_detector(registry.parse(engine), silero)
    detector.close()
    detector.close()
    with pytest.raises(BackendError, match="closed"):
        detector.detect(np.zeros(512, np.float32), VadOptions())
