"""How well a reading is understood: the word error rate against what is said in it.

The conformance suite does the same for each engine with the other sample, and with beam search.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import whisperctl
from whisperctl.compare.scoring.wer import difference

SAMPLES = Path(__file__).parents[1] / "samples"
AT_MOST = 0.05
"""tiny.en makes no mistake in it; a model or an engine that is broken makes many."""

APART = 0.005
"""How far two engines' rates may be apart: half a point."""

ENGINES = ("native", "wasi/wasmtime", "faster-whisper")
"""One runtime of those that run the same module, which is tested to write the same bytes."""

_rates: list[float] = []
"""Those of the engines so far."""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_understands_a_reading_equally_well(engine: str, tiny_en: Path) -> None:
    recording = SAMPLES / "austen.flac"
    said = recording.with_suffix(".txt").read_text("utf-8")
    transcript = whisperctl.transcribe(recording, model=str(tiny_en), backend=engine, beam_size=1)
    rate = difference(said, transcript.text, language="en").normalized_wer.rate
    assert rate <= AT_MOST
    _rates.append(rate)
    assert abs(_rates[0] - rate) <= APART
