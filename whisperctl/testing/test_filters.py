"""The promises of a filter; each class is about one of ``docs/filters.md``.

``--filter`` names the filter, with values if need be, as for ``whisperctl transcribe``. Most tests
run it as whisperctl does, which checks format, length, latency and finite values with each block.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.filters import CONTRACT, AudioFormat, Processor, registry
from whisperctl.audio.filters.chain import FilterChain
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.errors import UsageError
from whisperctl.jobs.job import resident_bytes
from whisperctl.testing.plugin import PLUGIN
from whisperctl.testing.subject import load_recording

Samples = NDArray[np.float32]

_TOLERANCE = 1e-4
"""Difference that rounding may make where blocks are cut elsewhere."""

_SHIFT = SAMPLE_RATE // 100
"""Delay that the phases of a filter's frequencies may make up, in samples."""

_DESCRIPTORS = Path("/dev/fd")
_LONGEST_HELD_S = 60
_MOST_HELD_BYTES = 8 << 20


@pytest.fixture(scope="module")
def spec(request: pytest.FixtureRequest) -> FilterSpec:
    """The filter under test, with its values."""
    if request.config.stash.get(PLUGIN, None) is None:
        raise pytest.UsageError(
            "run these tests with: pytest -p whisperctl.testing.plugin "
            "--pyargs whisperctl.testing --filter NAME"
        )
    return registry.parse(str(request.config.getoption("--filter")))


@pytest.fixture(scope="module")
def talk() -> Samples:
    """Eleven seconds of speech: float32, shape (n_samples, 1)."""
    return load_recording().samples[:, np.newaxis]


def filtered(spec: FilterSpec, samples: Samples, cuts: int | Sequence[int] = 16_384) -> Samples:
    """Samples after the filter, which gets them in blocks of these lengths, in turn."""
    lengths = [cuts] if isinstance(cuts, int) else cuts
    audio = AudioFormat(n_channels=samples.shape[1], block_samples=max(lengths))
    found: list[Samples] = []
    with FilterChain([spec], audio) as chain:
        position = n = 0
        while position < len(samples):
            length = lengths[n % len(lengths)]
            found += chain.process(samples[position : position + length])
            position += length
            n += 1
        found += chain.flush()
    return np.concatenate(found)


def opened(spec: FilterSpec, n_channels: int = 1) -> Processor:
    """A processor as the filter opens it, without anything of whisperctl's around it."""
    return spec.plugin.open(AudioFormat(n_channels=n_channels), dict(spec.values))


def noise(n_samples: int, level: float = 0.1) -> Samples:
    """Reproducible white noise of shape (n_samples, 1)."""
    random = np.random.default_rng(n_samples)
    return random.normal(0, level, (n_samples, 1)).astype(np.float32)


_N = 3 * SAMPLE_RATE
HOSTILE = {
    "silence": np.zeros((_N, 1), np.float32),
    "direct current": np.ones((_N, 1), np.float32),
    "a square wave": np.where(np.arange(_N) // 40 % 2, 1, -1).astype(np.float32)[:, np.newaxis],
    "an impulse": np.eye(_N, 1, -_N // 2, np.float32),
    "noise far beyond full scale": noise(_N, 1_000.0),
    "noise that nobody hears": noise(_N, 1e-12),
    "values below the smallest normal number": noise(_N, 1e-42),
    "silence, then noise": np.concatenate([np.zeros((_N, 1), np.float32), noise(_N)]),
}
"""Recordings with values that nobody speaks."""


class TestDescription:
    """Promise 1. Description. `describe` is quick, starts nothing, and declares each parameter
    with its name, type, range, default, unit and a line of help. whisperctl reads and checks the
    values; `open` gets one for every parameter, works at both ends of each range, and raises
    `UsageError` if values contradict each other.
    """

    def test_it_says_what_it_is(self, spec: FilterSpec) -> None:
        started = time.monotonic()
        info = spec.plugin.describe()

        assert time.monotonic() - started < 1, "describe() starts nothing"
        assert spec.plugin.name == spec.name, "the filter's name is the entry point's name"
        assert spec.plugin.contract == CONTRACT
        for text in (info.summary, info.version):
            assert text.strip() and text.isprintable(), "summary and version are one line each"

    def test_its_parameters_are_declared_in_full(self, spec: FilterSpec) -> None:
        parameters = spec.plugin.describe().parameters

        names = [parameter.name for parameter in parameters]
        assert len(set(names)) == len(names), "no two parameters have one name"
        for parameter in parameters:
            assert parameter.name.isidentifier() and parameter.name == parameter.name.lower()
            assert parameter.help.strip() and parameter.help.isprintable(), "help is one line"
            assert parameter.low <= parameter.high
            if parameter.default is not None:
                text = f"{spec.name}:{parameter.name}={registry.shown_value(parameter.default)}"
                required = [f"{p.name}={v}" for p in parameters if p.required for v in [_some(p)]]
                again = registry.parse(",".join([text, *required]))
                assert dict(again.values)[parameter.name] == parameter.default, "it is in its range"

    def test_it_works_at_the_ends_of_every_range(self, spec: FilterSpec, talk: Samples) -> None:
        for parameter in spec.plugin.describe().parameters:
            ends = [end for end in (parameter.low, parameter.high) if math.isfinite(end)]
            values: list[Any] = [
                *(ends if parameter.type == "float" else map(int, ends)),
                *parameter.choices,
                *([True, False] if parameter.type == "bool" else []),
            ]
            for value in values:
                others = tuple((k, v) for k, v in spec.values if k != parameter.name)
                edge = FilterSpec(
                    spec.name, spec.version, spec.plugin, (*others, (parameter.name, value))
                )
                with suppress(UsageError):  # it contradicts the other values
                    assert len(filtered(edge, talk[:20_000])) == 20_000


class TestRecordings:
    """Promise 2. Recordings. Each `open` gives a new `Processor` for one recording, which shares
    nothing with another. The same recording and values give the same output while `version` stays
    the same.
    """

    def test_a_second_recording_comes_out_like_the_first(
        self, spec: FilterSpec, talk: Samples
    ) -> None:
        first = filtered(spec, talk)
        filtered(spec, noise(30_000, 0.9))

        np.testing.assert_array_equal(filtered(spec, talk), first)

    def test_two_recordings_at_once_do_not_mix(self, spec: FilterSpec, talk: Samples) -> None:
        inputs = [talk[:80_000], noise(80_000)]
        alone = [filtered(spec, samples, 8_000) for samples in inputs]
        found: list[list[Samples]] = [[], []]

        with (
            FilterChain([spec], AudioFormat(block_samples=8_000)) as first,
            FilterChain([spec], AudioFormat(block_samples=8_000)) as second,
        ):
            for start in range(0, 80_000, 8_000):
                for chain, samples, blocks in zip((first, second), inputs, found, strict=True):
                    blocks += chain.process(samples[start : start + 8_000])
            for chain, blocks in zip((first, second), found, strict=True):
                blocks += chain.flush()

        for blocks, expected in zip(found, alone, strict=True):
            np.testing.assert_array_equal(np.concatenate(blocks), expected)


class TestBlocks:
    """Promise 3. Blocks. Blocks are float32 of shape (n_samples, n_channels) at 16 kHz, finite,
    read-only, and at most `audio.block_samples` long; there is one channel, except for
    `--speaker-from-channels`. The output has the same format. It is finite, and does not depend on
    where blocks are cut.
    """

    def test_blocks_may_be_cut_anywhere(self, spec: FilterSpec, talk: Samples) -> None:
        whole = filtered(spec, talk, len(talk))

        for cuts in (16_384, 128, (1, 7, 480, 4_096, 33)):
            np.testing.assert_allclose(filtered(spec, talk, cuts), whole, atol=_TOLERANCE)

    def test_single_samples_are_blocks_too(self, spec: FilterSpec, talk: Samples) -> None:
        short = talk[16_000:17_000]
        np.testing.assert_allclose(
            filtered(spec, short, 1), filtered(spec, short, 1_000), atol=_TOLERANCE
        )

    @pytest.mark.parametrize("n_channels", [2, 6])
    def test_channels_stay_as_many_and_in_their_places(
        self, spec: FilterSpec, talk: Samples, n_channels: int
    ) -> None:
        silent = np.zeros((48_000, n_channels), np.float32)
        silent[:, 1] = talk[16_000:64_000, 0]

        found = filtered(spec, silent)

        assert found.shape == silent.shape
        powers = np.square(found, dtype=np.float64).sum(axis=0)
        assert powers.max() == 0 or int(powers.argmax()) == 1

    @pytest.mark.parametrize("name", HOSTILE)
    def test_any_recording_comes_out_finite(self, spec: FilterSpec, name: str) -> None:
        assert np.isfinite(filtered(spec, HOSTILE[name])).all()


class TestTimes:
    """Promise 4. Times. As many samples come out as went in, at the same times. A filter may hold
    samples back and return them from `flush`. One whose output lags behind states the `latency` in
    samples: whisperctl drops that many at the start, and feeds as many samples of silence at the
    end.
    """

    @pytest.mark.parametrize("n_samples", [1, 2, 159, 1_600, 47_999])
    def test_short_recordings_come_out_whole(self, spec: FilterSpec, n_samples: int) -> None:
        assert len(filtered(spec, noise(n_samples))) == n_samples

    def test_times_do_not_shift(self, spec: FilterSpec, talk: Samples) -> None:
        found = filtered(spec, talk)

        assert len(found) == len(talk)
        n = 2 * len(talk)
        spectra = [np.fft.rfft(samples[:, 0].astype(np.float64), n) for samples in (found, talk)]
        cross = np.fft.irfft(spectra[0] * np.conj(spectra[1]), n)
        level = float(np.linalg.norm(found) * np.linalg.norm(talk))
        at = int(np.argmax(np.abs(cross)))
        if level == 0 or abs(cross[at]) < 0.5 * level:
            pytest.skip("the output is too different from speech to say when it is heard")
        assert min(at, n - at) <= _SHIFT, "state the latency that the output has"


class TestMemory:
    """Promise 5. Memory. Memory is bounded, however long a recording is: at most a minute is held
    back.
    """

    def test_memory_is_bounded(self, spec: FilterSpec) -> None:
        """Four minutes, of the last three of which a filter that keeps everything keeps 11 MiB."""
        minute = noise(60 * SAMPLE_RATE)
        minute.flags.writeable = False
        processor = opened(spec)
        held = before = 0
        try:
            for n in range(4):
                if n == 1:
                    before = resident_bytes(os.getpid()) or 0
                for start in range(0, len(minute), 16_384):
                    block = minute[start : start + 16_384]
                    held += len(block) - len(processor.process(block))
            grown = (resident_bytes(os.getpid()) or 0) - before
        finally:
            processor.close()
        assert held <= _LONGEST_HELD_S * SAMPLE_RATE, "at most a minute is held back"
        assert grown < _MOST_HELD_BYTES, f"{grown >> 20} MiB more after three minutes"


class TestClosing:
    """Promise 6. Closing. `close` releases everything, and may be called at any time and more than
    once.
    """

    def test_closing_releases_everything_at_any_time(self, spec: FilterSpec, talk: Samples) -> None:
        def things() -> tuple[int, int]:
            descriptors = len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.is_dir() else 0
            return threading.active_count(), descriptors

        block = talk[:16_000].copy()
        block.flags.writeable = False
        opened(spec).close()
        before = things()
        for n_blocks in (0, 1, 3):
            processor = opened(spec)
            for _ in range(n_blocks):
                processor.process(block)
            processor.close()
            processor.close()
        finished = opened(spec)
        finished.process(block)
        finished.flush()
        finished.close()
        assert things() == before, "threads and files are gone after close()"


def _some(parameter: Any) -> str:
    """A value of a parameter that has to be given."""
    if parameter.type == "bool":
        return "true"
    if parameter.type == "str":
        return parameter.choices[0] if parameter.choices else "a"
    low = parameter.low if math.isfinite(parameter.low) else min(0, parameter.high)
    return registry.shown_value(low)
