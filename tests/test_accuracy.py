"""How well the samples are understood: word error rates against what is said in them."""

from __future__ import annotations

from pathlib import Path

import pytest

import whisperctl
from whisperctl.compare.scoring.wer import difference

SAMPLES = Path(__file__).parents[1] / "samples"
AT_MOST = 0.05
"""tiny.en makes no mistake in these; a model or an engine that is broken makes many."""

APART = 0.005
"""How far two engines' rates may be apart: half a point."""

ENGINES = ("native", "wasi/wasmtime", "faster-whisper")
"""One runtime of those that run the same module, which is tested to write the same bytes."""

_rates: dict[str, float] = {}
"""By recording, of the engine that came first."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["austen.flac", "jfk.wav"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_understands_the_samples_equally_well(
    name: str, engine: str, tiny_en: Path
) -> None:
    said = (SAMPLES / name).with_suffix(".txt").read_text("utf-8")
    transcript = whisperctl.transcribe(SAMPLES / name, model=str(tiny_en), backend=engine)
    rate = difference(said, transcript.text, language="en").normalized_wer.rate
    assert rate <= AT_MOST
    assert abs(_rates.setdefault(name, rate) - rate) <= APART
