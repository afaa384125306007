"""Which combinations are measured and in which order, and the middle of what is measured."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from bench import material, plan
from bench.measure import warm_ups
from bench.spread import ratio, spread
from bench.subjects import CT2_FORMATS, Subject
from whisperctl import audio


def subject(name: str, own_formats: tuple[str, ...] = ()) -> Subject:
    return Subject(name, name, name, None, (), own_formats, {})


SUBJECTS = (subject("native"), subject("wasmer"), subject("faster-whisper", CT2_FORMATS))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10])
def test_the_spread_is_what_numpy_says(n: int) -> None:
    values = np.random.default_rng(n).exponential(100, n)
    found = spread(list(values))
    first, middle, third = np.percentile(values, [25, 50, 75])
    assert found.median == pytest.approx(middle)
    assert found.iqr == pytest.approx(third - first)


def test_one_outlier_among_three_moves_no_median() -> None:
    assert spread([10.0, 900.0, 11.0]).median == 11.0


def test_a_single_value_has_no_spread() -> None:
    assert (spread([7.0]).median, spread([7.0]).iqr) == (7.0, None)


def test_a_ratio_needs_both() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is ratio(3.0, None) is ratio(3.0, 0.0) is None


def test_the_whole_product_has_every_combination_once() -> None:
    found = plan.combinations(SUBJECTS)
    assert len(found) == len(set(found))
    # Two engines of whisper.cpp with three formats, and another with two of its own.
    assert len(found) == 2 * 2 * 2 * (2 * 3 + 2)
    assert {one.format for one in found if one.subject.name == "native"} == set(plan.FORMATS)
    assert {one.format for one in found if one.subject.name == "faster-whisper"} == set(CT2_FORMATS)


def test_by_default_the_long_recording_is_for_the_small_model() -> None:
    found = plan.combinations(SUBJECTS, whole=False)
    long = {(one.model, one.format) for one in found if one.recording == plan.LONG}
    assert long == {("tiny.en", name) for name in ("f16", "q8_0", "float32", "int8")}
    short = [one for one in found if one.recording == plan.JFK]
    assert short == plan.combinations(SUBJECTS, recordings=[plan.JFK])


@pytest.mark.parametrize("repeats", [1, 2, 3, 7])
def test_each_repeat_has_everything_and_what_is_compared_is_side_by_side(repeats: int) -> None:
    found = plan.combinations(SUBJECTS)
    groups = {one.group for one in found}
    for repeat in range(repeats):
        ordered = plan.order(found, repeat, repeats)
        assert Counter(ordered) == Counter(found)
        changes = sum(a.group != b.group for a, b in itertools.pairwise(ordered))
        assert changes == len(groups) - 1


def test_each_repeat_begins_with_others() -> None:
    found = plan.combinations(SUBJECTS)
    orders = [plan.order(found, repeat, 3) for repeat in range(3)]
    assert len({ordered[0].group for ordered in orders}) == 3
    for group in {one.group for one in found}:
        firsts = [next(one for one in ordered if one.group == group) for ordered in orders]
        assert len(set(firsts)) == 3


def test_every_engine_is_warmed_up_with_every_model() -> None:
    warm = warm_ups(plan.combinations(SUBJECTS))
    assert Counter((one.subject.name, one.model) for one in warm) == Counter(
        (one.name, model) for one in SUBJECTS for model in plan.MODELS
    )


def test_the_long_recording_lasts_more_than_a_minute_and_says_what_it_is() -> None:
    jfk, long = material.recording(plan.JFK), material.recording(plan.LONG)
    assert jfk.samples.tobytes() == audio.load(material.SAMPLES / "jfk.wav").samples.tobytes()
    assert long.duration_s > 60
    if long.source.startswith("jfk"):  # there is no other among the samples
        assert 66 < long.duration_s < 78
        n = len(jfk.samples)
        assert np.array_equal(long.samples[:n], jfk.samples)
        assert np.array_equal(long.samples[-n:], jfk.samples)
        assert not long.samples[n : n + 8000].any()
        assert "6 times" in long.source or "7 times" in long.source
