"""Which cells are measured, and on what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench import material, plan
from bench.subjects import CT2_FORMATS, Subject
from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare.plan import Cell, PreparedRecording
from whisperctl.engine.registry import Engine


def subject(name: str, own_formats: tuple[str, ...] = ()) -> Subject:
    return Subject(name, name, name, "own", (), own_formats, {})


SUBJECTS = (subject("native"), subject("wasmer"), subject("faster-whisper", CT2_FORMATS))


RECORDINGS = tuple(
    PreparedRecording(name, None, Audio(np.zeros(16, np.float32), name)) for name in plan.RECORDINGS
)


def cells(
    recordings: Sequence[PreparedRecording] = RECORDINGS, *, whole: bool = True
) -> list[Cell]:
    return plan.cells(SUBJECTS, recordings, material.path, whole=whole)


def test_the_whole_product_has_every_cell_once() -> None:
    found = cells()
    assert len(found) == len(set(found))
    # Two engines of whisper.cpp with three formats, and another with two of its own.
    assert len(found) == 2 * 2 * 2 * (2 * 3 + 2)
    formats = {
        name: {one.variant.weights.quant for one in found if plan.subject(one).name == name}
        for name in ("native", "faster-whisper")
    }
    assert formats == {"native": set(plan.FORMATS), "faster-whisper": set(CT2_FORMATS)}


def test_an_engines_own_format_is_its_runtime_and_reads_the_f16_file() -> None:
    found = {
        one.variant.engine: one.variant.weights.path.name
        for one in cells()
        if one.variant.weights.name == "base" and one.variant.weights.quant in ("int8", "q8_0")
    }
    assert found == {
        Engine("native", "own"): "ggml-base-q8_0.bin",
        Engine("wasmer", "own"): "ggml-base-q8_0.bin",
        Engine("faster-whisper", "int8"): "ggml-base.bin",
    }


def test_by_default_the_long_recording_is_for_the_small_model() -> None:
    found = cells(whole=False)
    long = {
        (one.variant.weights.name, one.variant.weights.quant)
        for one in found
        if one.recording.label == plan.LONG
    }
    assert long == {("tiny.en", name) for name in ("f16", "q8_0", "float32", "int8")}
    short = [one for one in found if one.recording.label == plan.JFK]
    assert short == cells(RECORDINGS[:1])


def test_the_long_recording_lasts_more_than_a_minute_and_says_what_it_is() -> None:
    jfk, long = (material.recording(name).audio for name in plan.RECORDINGS)
    assert jfk.samples.tobytes() == audio.load(material.SAMPLES / "jfk.wav").samples.tobytes()
    assert long.duration_s > 60
    if long.source.startswith("jfk"):  # there is no other among the samples
        assert 66 < long.duration_s < 78
        n = len(jfk.samples)
        assert np.array_equal(long.samples[:n], jfk.samples)
        assert np.array_equal(long.samples[-n:], jfk.samples)
        assert not long.samples[n : n + 8000].any()
        assert "6 times" in long.source or "7 times" in long.source
