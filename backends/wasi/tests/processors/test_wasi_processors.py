"""The processors that come with the package, by what they do to sound."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl.audio import Audio
from whisperctl.audio.filters import AudioFormat, builtin, registry
from whisperctl.audio.filters.chain import FilterChain
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.errors import UsageError
from whisperctl_wasi.processors.filters import ModuleFilter

Samples = NDArray[np.float32]

NAMES = sorted(
    one.name
    for one in registry.probe()
    if isinstance(registry.FILTERS.load(one.name), ModuleFilter)
)


def filtered(samples: Samples, *filters: str | FilterSpec, block: int = 16_384) -> Samples:
    """Samples of shape (n_samples,) or (n_samples, n_channels) after filters."""
    given = samples if samples.ndim == 2 else samples[:, np.newaxis]
    specs = [registry.parse(one) if isinstance(one, str) else one for one in filters]
    with FilterChain(specs, AudioFormat(16_000, given.shape[1], block)) as chain:
        found = np.concatenate([*chain.process(given), *chain.flush()])
    return found if samples.ndim == 2 else found[:, 0]


def noise(n_samples: int, level: float = 0.1) -> Samples:
    return np.random.default_rng(1).normal(0, level, n_samples).astype(np.float32)


def tone(level_db: float, seconds: float = 1.0) -> Samples:
    times = np.arange(round(16_000 * seconds)) / 16_000
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * 1_000 * times)).astype(np.float32)


def db(samples: Any) -> float:
    """Level of the second half, where a processor has settled; a full sine is at -3."""
    return 10 * float(np.log10(np.mean(np.square(samples[len(samples) // 2 :], dtype=float))))


def extremes(name: str) -> Iterator[str]:
    """The filter with each parameter at each end of its range, and with the defaults."""
    yield name
    for one in registry.load(name)[1].parameters:
        for end in one.choices or (one.low, one.high):
            yield f"{name}:{one.name}={registry.shown_value(end)}"


def test_all_of_them_are_here() -> None:
    assert [
        *("bit_crusher", "compressor", "denoise", "echo", "gain", "gate"),
        *("highpass", "lowpass", "wave_shaper"),
    ] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_same_samples_come_out_wherever_blocks_are_cut(name: str, jfk: Audio) -> None:
    speech = jfk.samples[8_000:10_000]
    whole = filtered(speech, name, block=2_000)
    for block in (1, 127, 1_024):
        np.testing.assert_array_equal(filtered(speech, name, block=block), whole)


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_processed_on_their_own(name: str, jfk: Audio) -> None:
    channels = np.stack([jfk.samples[:20_000], noise(20_000), np.zeros(20_000, np.float32)], axis=1)
    found = filtered(channels, name, block=1_000)
    for n in range(3):
        np.testing.assert_array_equal(found[:, n], filtered(channels[:, n], name))


@pytest.mark.parametrize("name", NAMES)
def test_anything_comes_out_finite_at_the_ends_of_every_range(name: str) -> None:
    hostile = [noise(2_000, level) for level in (1e-42, 1e-12, 1, 1_000)]
    samples = np.concatenate([*hostile, np.zeros(2_000, np.float32), hostile[2]])
    for text in extremes(name):
        assert len(filtered(samples, text)) == len(samples)  # the chain checks that it is finite


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_sample_rates_work(name: str, rate: int) -> None:
    text = "lowpass:frequency=3000" if name == "lowpass" else name
    spec = registry.parse(text)
    with FilterChain([spec], AudioFormat(rate)) as chain:
        block = noise(rate)[:, np.newaxis]
        found = np.concatenate([*chain.process(block), *chain.flush()])
    assert found.any()


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("gain:db=-7.3", builtin.Gain()),
        ("gain:db=60", builtin.Gain()),
        ("highpass:frequency=1", builtin.Highpass()),
        ("highpass", builtin.Highpass()),
        ("lowpass:frequency=7999", builtin.Lowpass()),
        ("lowpass:frequency=440", builtin.Lowpass()),
    ],
)
def test_filters_that_ffmpeg_has_too_give_the_same(
    text: str, core: builtin.Gain, jfk: Audio
) -> None:
    """The difference is below -90 dB of the signal."""
    spec = registry.parse(text)
    theirs = FilterSpec(spec.name, "1", core, spec.values)
    ours, expected = filtered(jfk.samples, spec), filtered(jfk.samples, theirs)
    assert core.describe().parameters == spec.plugin.describe().parameters
    assert np.abs(ours - expected).max() <= 10 ** (-90 / 20) * np.abs(expected).max()


def test_a_cutoff_beyond_half_the_rate_is_refused() -> None:
    spec = registry.parse("highpass:frequency=5000")
    with pytest.raises(UsageError, match="refuses its values, or 1 channels at 8000 Hz"):
        spec.plugin.open(AudioFormat(8_000), dict(spec.values))


def test_bits_are_levels_and_samples_are_held() -> None:
    ramp = np.linspace(-1, 1, 999, dtype=np.float32)
    np.testing.assert_array_equal(
        np.unique(filtered(ramp, "bit_crusher:bits=3")), np.arange(-4, 5) / 4
    )
    held = filtered(ramp, "bit_crusher:bits=24,hold=4")
    np.testing.assert_allclose(held, np.repeat(ramp[::4], 4)[:999], atol=2e-7)


def test_curves_are_those_that_are_stated() -> None:
    ramp = np.linspace(-1, 1, 999, dtype=np.float32)
    soft = 3 * ramp / (1 + 2 * abs(ramp))
    np.testing.assert_allclose(filtered(ramp, "wave_shaper"), soft, rtol=1e-6)
    hard = np.clip(3 * ramp, -1, 1)
    np.testing.assert_allclose(filtered(ramp, "wave_shaper:curve=hard"), hard, rtol=1e-6)
    np.testing.assert_array_equal(filtered(ramp, "wave_shaper:drive=0"), ramp)


def test_a_compressor_leaves_what_is_quiet_and_divides_what_is_loud() -> None:
    def change(level_db: float, text: str) -> float:
        return db(filtered(tone(level_db), text)) - db(tone(level_db))

    text = "compressor:threshold=-30,ratio=4,attack=0.1,release=500"
    assert change(-40, text) == pytest.approx(0, abs=0.1)
    assert change(-10, text) == pytest.approx(-15, abs=0.5)
    assert change(-40, f"{text},makeup=6") == pytest.approx(6, abs=0.1)


def test_a_gate_attenuates_what_is_quiet_after_a_while() -> None:
    both = np.concatenate([tone(-20), tone(-60)])
    found = filtered(both, "gate:threshold=-40,range=30,hold=200,release=20")
    assert db(found[:16_000]) == pytest.approx(db(both[:16_000]), abs=0.1)
    assert db(found[16_000:]) == pytest.approx(db(both[16_000:]) - 30, abs=0.5)
    held = slice(16_000, 16_000 + 3_000)
    np.testing.assert_allclose(found[held], both[held], atol=1e-5)


def test_echoes_come_at_their_time_and_fade() -> None:
    impulse = np.zeros(16_000, np.float32)
    impulse[5] = 1
    found = filtered(impulse, "echo:delay=100,feedback=0.5,mix=0.8")
    (at,) = np.nonzero(found)
    np.testing.assert_array_equal(at[:4], [5, 1_605, 3_205, 4_805])
    np.testing.assert_allclose(found[at[:4]], [1, 0.8, 0.4, 0.2], rtol=1e-6)


def test_noise_is_suppressed_and_speech_is_where_it_was(jfk: Audio) -> None:
    hiss = noise(len(jfk.samples), 0.01)
    assert db(filtered(hiss, "denoise:reduction=20")) == pytest.approx(db(hiss) - 20, abs=3)
    speech = filtered(jfk.samples + hiss, "denoise")
    assert np.corrcoef(speech, jfk.samples)[0, 1] > 0.97
    same = filtered(jfk.samples, "denoise:reduction=0")
    np.testing.assert_allclose(same, jfk.samples, atol=0.01)


@pytest.mark.slow
def test_no_codec_library_is_loaded() -> None:
    """Filters that FFmpeg has too do not load it."""
    code = (
        "import sys; from whisperctl.audio.filters import chain;"
        f"chain.check({[*NAMES, 'trim']!r});"
        "print([name for name in ('av', 'soundfile', 'wasmtime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "['wasmtime']\n")
