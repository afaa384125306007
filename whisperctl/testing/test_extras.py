"""Promise 12. Extras.

A backend may detect speech, with `open_detector` of the protocol `DetectingBackend`: spans in order
and within the recording, and a probability for every 32 ms. It may quantize, with `open_quantizer`
of `QuantizingBackend`, to the blocks that ggml defines. Both keep what a session promises of
runtimes, damaged models, closing and lingering. It may tell the CPU features that its engine uses,
in one line, with `system_info` of `ReportingBackend`. What is not offered is not tested.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import (
    FRAME_S,
    DetectingBackend,
    OpenOptions,
    QuantizingBackend,
    ReportingBackend,
)
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import store
from whisperctl.options import VadOptions
from whisperctl.testing.subject import Subject, one_line


@pytest.fixture
def detecting(subject: Subject) -> DetectingBackend:
    if not isinstance(subject.backend, DetectingBackend):
        pytest.skip("it offers no open_detector")
    return subject.backend


@pytest.fixture
def quantizing(subject: Subject) -> QuantizingBackend:
    if not isinstance(subject.backend, QuantizingBackend):
        pytest.skip("it offers no open_quantizer")
    return subject.backend


@pytest.fixture(scope="module")
def silero() -> Path:
    path = store.find_detector()
    if path is None:
        pytest.skip("no Silero model is here: run: whisperctl models pull silero")
    return path.absolute()


def test_speech_is_found_where_it_is(
    detecting: DetectingBackend, subject: Subject, silero: Path, recording: Audio
) -> None:
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    with detecting.open_detector(silero, subject.open_options()) as detector:
        found = detector.detect(recording.samples, VadOptions())
        assert detector.detect(silence, VadOptions()).spans == (), "nobody speaks in silence"
        assert detector.detect(silence[:0], VadOptions()).spans == ()
        again = detector.detect(recording.samples, VadOptions())
    detector.close()

    assert found.spans == again.spans, "nothing lingers from the recording before"
    assert all(span.start_s < span.end_s for span in found.spans)
    assert all(before.end_s <= after.start_s for before, after in pairwise(found.spans))
    assert found.spans[-1].end_s <= recording.duration_s
    spoken_s = sum(span.end_s - span.start_s for span in found.spans)
    assert 0.5 < spoken_s / recording.duration_s < 0.95
    assert found.probabilities.dtype == np.float32
    assert abs(len(found.probabilities) - recording.duration_s / FRAME_S) <= 1
    with pytest.raises(BackendError):
        detector.detect(silence, VadOptions())


def test_a_detector_takes_nothing_but_its_model(
    detecting: DetectingBackend, subject: Subject, silero: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        registry.open_detector(subject.engine, subject.model).close()
    assert one_line(caught.value), "the message is one line"
    with pytest.raises(BackendError):
        detecting.open_detector(silero, OpenOptions(runtime="no-such-runtime")).close()


def test_quantized_blocks_are_those_of_the_format(
    quantizing: QuantizingBackend, subject: Subject
) -> None:
    values = np.arange(-32, 32, dtype=np.float32).reshape(2, 32)
    with quantizing.open_quantizer(subject.open_options()) as quantizer:
        blocks = np.frombuffer(quantizer.quantize(values, "q8_0"), np.uint8).reshape(2, 34)
        sizes = [len(quantizer.quantize(values, name)) for name in ("q4_0", "q4_1", "q5_0", "q5_1")]
    quantizer.close()

    # A block is a step in float16 and 32 whole numbers of steps.
    steps = np.abs(values).max(1) / np.float32(127)
    assert (blocks[:, :2].copy().view("<f2").ravel() == steps.astype("<f2")).all()
    whole = blocks[:, 2:].copy().view(np.int8)
    assert np.abs(whole * steps[:, None] - values).max() <= steps.max() * 0.51
    assert sizes == [2 * 18, 2 * 20, 2 * 22, 2 * 24], "a block of 32 values has ggml's size"


def test_rows_that_fit_no_block_are_refused(
    quantizing: QuantizingBackend, subject: Subject
) -> None:
    with (
        quantizing.open_quantizer(subject.open_options()) as quantizer,
        pytest.raises(BackendError) as caught,
    ):
        quantizer.quantize(np.zeros((2, 40), np.float32), "q8_0")
    assert one_line(caught.value), "the message is one line"
    with pytest.raises(BackendError):
        quantizing.open_quantizer(OpenOptions(runtime="no-such-runtime")).close()


def test_the_cpu_features_are_one_line(subject: Subject) -> None:
    if not isinstance(subject.backend, ReportingBackend):
        pytest.skip("it offers no system_info")
    text = subject.backend.system_info()
    assert text.strip() and "\n" not in text
