"""Damaged recordings of every container and codec end in samples or in one line."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.fuzz import campaign
from tests.fuzz.mutants import mutant
from tests.fuzz.seeds import SEEDS
from whisperctl.audio.decoders import registry
from whisperctl.audio.source import open_source


@pytest.mark.slow
def test_each_recording_is_of_the_codec_that_it_stands_for(tmp_path: Path) -> None:
    decoder = registry.DECODERS.load("ffmpeg")
    found = {}
    for seed in SEEDS:
        path = tmp_path / seed.name
        path.write_bytes(seed.make())
        source = open_source(path)
        with source.file, closing(decoder.open(source)) as media:
            found[seed.name] = media.probe().tracks[0].codec
    assert found == {seed.name: seed.codec for seed in SEEDS}


def test_a_mutant_is_the_same_whenever_it_is_made() -> None:
    data = bytes(range(256)) * 4
    made = [mutant(data, random.Random(f"a/{number}"), [b"other"]) for number in range(200)]
    assert made == [mutant(data, random.Random(f"a/{n}"), [b"other"]) for n in range(200)]
    assert len(set(made)) > 190
    assert data not in made


@pytest.mark.slow
@pytest.mark.skipif("sandbox" not in registry.names(), reason="no sandbox is installed")
def test_damage_ends_in_samples_or_one_line() -> None:
    """One of every recording; ``make fuzz`` decodes more."""
    n_mutants = len(SEEDS)
    report = campaign.run("sandbox", list(campaign.names(n_mutants)))
    assert report.failed == []
    assert sum(report.kinds.values()) == n_mutants
    # Damage that all is refused for would prove little.
    assert report.kinds["samples"] + report.kinds["warning"] > 0.4 * n_mutants
