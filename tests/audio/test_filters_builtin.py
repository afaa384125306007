"""Filters that come with whisperctl, by what they do to sound."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest

from tests.audio.conftest import Samples
from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.filters import AudioFormat, builtin, registry
from whisperctl.audio.filters.chain import FilterChain


@pytest.fixture(autouse=True)
def none_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters that another package replaces are tested here nevertheless."""

    def load(name: str) -> object:
        plugin = getattr(builtin, name.title())()
        return plugin, plugin.describe()

    monkeypatch.setattr(registry, "load", load)


def filtered(samples: Any, *filters: str) -> Any:
    """Samples of shape (n_samples,) or (n_samples, n_channels) after filters."""
    block = samples if samples.ndim == 2 else samples[:, np.newaxis]
    form = AudioFormat(n_channels=block.shape[1])
    with FilterChain(registry.parse_all(filters), form) as chain:
        found = np.concatenate([*chain.process(block), *chain.flush()])
    return found if samples.ndim == 2 else found[:, 0]


def tone(frequency: float, seconds: float = 2.0, level: float = 0.25) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def db(after: Any, before: Any) -> float:
    """Change of level in the second half, where a filter has settled."""
    half = len(after) // 2
    powers = [float(np.mean(np.square(x[half:], dtype=np.float64))) for x in (after, before)]
    return 10 * float(np.log10(powers[0] / powers[1]))


def loudness(samples: Any) -> float:
    """Integrated loudness in LUFS, by FFmpeg's ebur128."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="fltp", layout="mono")
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    graph.push(frame)
    graph.push(None)
    found = -70.0
    while True:
        try:
            found = float(graph.pull().metadata.get("lavfi.r128.I", found))
        except (av.EOFError, av.BlockingIOError):
            return found


def test_gain_is_in_decibels(speech: Samples) -> None:
    assert db(filtered(speech, "gain:db=-12"), speech) == pytest.approx(-12, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "frequency", "expected"),
    [
        ("highpass:frequency=400", 400, -3),
        ("highpass:frequency=400", 100, -24),
        ("highpass:frequency=400", 4_000, 0),
        ("lowpass:frequency=1000", 1_000, -3),
        ("lowpass:frequency=1000", 4_000, -28),
        ("lowpass:frequency=1000", 100, 0),
        ("highpass:frequency=1", 1_000, 0),
        ("lowpass:frequency=7999", 1_000, 0),
    ],
)
def test_the_passes_have_the_slope_of_a_second_order_butterworth(
    name: str, frequency: float, expected: float
) -> None:
    before = tone(frequency)
    assert db(filtered(before, name), before) == pytest.approx(expected, abs=1.1)


@pytest.mark.slow
@pytest.mark.parametrize("level_db", [-40, -10, 6])
def test_loudness_comes_out_near_its_target(speech: Samples, level_db: int) -> None:
    talk = np.tile(speech, 3)
    quiet = (talk * 10 ** (level_db / 20)).astype(np.float32)

    assert loudness(filtered(quiet, "normalize")) == pytest.approx(-23, abs=1.5)
    assert loudness(filtered(quiet, "normalize:target=-16")) == pytest.approx(-16, abs=1.5)


def test_normalization_keeps_peaks_below_their_maximum(speech: Samples) -> None:
    found = filtered(speech * 5, "normalize:target=-5,peak=-6")
    assert np.abs(found).max() <= 10 ** (-6 / 20) * 1.02


def test_normalization_shifts_nothing(speech: Samples) -> None:
    found = filtered(speech, "normalize")
    n = 2 * len(speech)
    cross = np.fft.irfft(np.fft.rfft(found, n) * np.conj(np.fft.rfft(speech, n)))
    assert int(np.argmax(cross)) == 0
    assert len(found) == len(speech)


@pytest.mark.slow
@pytest.mark.parametrize("n_samples", [1, 15, 100, 6_399, 16_000, 47_999, 48_001, 51_200, 51_201])
def test_normalization_of_anything_short_or_silent_is_finite(
    speech: Samples, n_samples: int
) -> None:
    for samples in (speech[:n_samples], np.zeros(n_samples, np.float32)):
        assert len(filtered(samples, "normalize")) == n_samples
    assert not filtered(np.zeros(n_samples, np.float32), "normalize").any()


def test_nothing_is_amplified_that_nobody_hears(speech: Samples) -> None:
    for inaudible in (speech * np.float32(1e-9), speech[:20_000] * np.float32(1e-9)):
        assert np.abs(filtered(inaudible, "normalize")).max() < 1e-6


@pytest.mark.slow
def test_speakers_on_channels_of_their_own_become_equally_loud(speech: Samples) -> None:
    talk = np.tile(speech, 2)
    found = filtered(np.stack([talk, talk * np.float32(0.03)], axis=1), "normalize")
    assert loudness(found[:, 0].copy()) == pytest.approx(loudness(found[:, 1].copy()), abs=1)


def test_trim_silences_and_shifts_nothing(speech: Samples) -> None:
    found = filtered(speech, "trim:start=2,end=3.5")
    inside = slice(2 * SAMPLE_RATE, round(3.5 * SAMPLE_RATE))
    np.testing.assert_array_equal(found[inside], speech[inside])
    found[inside] = 0
    assert not found.any()


def test_trim_without_values_keeps_everything(speech: Samples) -> None:
    np.testing.assert_array_equal(filtered(speech, "trim"), speech)
    assert not filtered(speech, "trim:start=1e7").any()
