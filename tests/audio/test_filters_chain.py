"""The host's side of filters: true times, and one clear error for a filter that breaks its word."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from whisperctl import audio
from whisperctl.audio.filters import AudioFormat, FilterInfo, Processor, chain
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.errors import PluginError, UsageError
from whisperctl.options import Clip, TranscriptionOptions
from whisperctl.transcription.chunking import audible_clips

RAMP = np.linspace(-0.5, 0.5, 5_000, dtype=np.float32)[:, np.newaxis]


class Delay(Processor):
    """A processor as plugins in real time are: as many samples out as in, but later."""

    latency = 700

    def __init__(self) -> None:
        self._queue = np.zeros((self.latency, 1), np.float32)

    def process(self, block: Any) -> Any:
        queue = np.concatenate([self._queue, block])
        self._queue = queue[len(block) :]
        return queue[: len(block)]


class Hoarder(Processor):
    """Holds everything back until the end."""

    def __init__(self) -> None:
        self.blocks: list[Any] = []
        self.n_closed = 0

    def process(self, block: Any) -> Any:
        self.blocks.append(block.copy())
        return block[:0]

    def flush(self) -> Any:
        return np.concatenate(self.blocks)

    def close(self) -> None:
        self.n_closed += 1


class Doing(Processor):
    """Gives what a function gives for each block."""

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self._do = do

    def process(self, block: Any) -> Any:
        return self._do(block)


@dataclass(frozen=True)
class Acme:
    """A filter that opens the processors that it is given."""

    processor: Callable[[], Processor]
    name: str = "acme"
    contract: int = 1

    def describe(self) -> FilterInfo:
        return FilterInfo("Test.", "1")

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        return self.processor()


def acme(processor: Callable[[], Processor], n_filters: int = 1) -> list[FilterSpec]:
    return [FilterSpec("acme", "1", Acme(processor))] * n_filters


def filtered(samples: Any, filters: list[FilterSpec], block_samples: int = 300) -> Any:
    form = AudioFormat(n_channels=samples.shape[1], block_samples=block_samples)
    with chain.FilterChain(filters, form) as running:
        blocks: Iterator[Any] = iter([*running.process(samples), *running.flush()])
        return np.concatenate(list(blocks))


def test_latency_is_compensated_for_each_filter_of_a_chain() -> None:
    np.testing.assert_array_equal(filtered(RAMP, acme(Delay, 3)), RAMP)


def test_a_recording_shorter_than_the_latency_comes_out_whole() -> None:
    np.testing.assert_array_equal(filtered(RAMP[:5], acme(Delay)), RAMP[:5])


def test_samples_held_back_come_out_at_the_end() -> None:
    np.testing.assert_array_equal(filtered(RAMP, acme(Hoarder, 2)), RAMP)


def test_no_block_is_longer_than_the_format_says() -> None:
    lengths: list[int] = []

    def note(block: Any) -> Any:
        assert block.flags.c_contiguous
        lengths.append(len(block))
        return block

    filtered(np.repeat(RAMP, 4, axis=1)[:, ::2], acme(lambda: Doing(note)))
    assert max(lengths) == 300
    assert sum(lengths) == len(RAMP)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda block: block[1:], "is broken: it gave 4983 samples for 5000"),
        (lambda block: np.repeat(block, 2, axis=0), "is broken: it gave 600 samples for 300"),
        (lambda block: block[:, 0], "something else than float32 samples by channels"),
        (lambda block: block.astype(np.float64), "something else than float32 samples"),
        (lambda block: np.repeat(block, 2, axis=1), "is broken: it gave 2 channels for 1"),
        (lambda block: list(block), "something else than float32"),
        (lambda block: block * np.float32(np.nan), "not finite numbers: change its parameters"),
        (lambda block: sys.exit(3), "failed: SystemExit: 3"),
        (lambda block: block.sort(), "failed: ValueError: sort array is read-only"),
        (lambda block: dict[str, int]()["a\nb"], "failed: KeyError"),
    ],
)
def test_a_filter_that_breaks_its_word_is_one_error(do: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(PluginError, match=r'^filter "acme" ') as raised:
        filtered(RAMP, acme(lambda: Doing(do)))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("latency", [-1, 10**9, 1.5, "a", None])
def test_a_latency_that_cannot_be_is_refused(latency: Any) -> None:
    class Odd(Hoarder):
        pass

    Odd.latency = latency
    with pytest.raises(PluginError, match="states a latency of"):
        filtered(RAMP, acme(Odd))


def test_filters_are_closed_when_one_fails_to_open() -> None:
    opened: list[Hoarder] = []

    def once() -> Processor:
        if opened:
            raise UsageError("not twice")
        opened.append(Hoarder())
        return opened[0]

    with pytest.raises(UsageError, match="not twice"):
        chain.FilterChain(acme(once, 2), AudioFormat())
    assert opened[0].n_closed == 1


def test_a_stream_applies_filters_in_order_and_clips_last(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, RAMP, 16_000, subtype="FLOAT")

    down_and_up = audio.load(path, filters=["gain:db=40", "gain:db=-40"])
    up = audio.load(path, filters=["gain:db=20"])

    np.testing.assert_allclose(down_and_up.samples, RAMP[:, 0], atol=1e-6)
    assert down_and_up.warnings == ()
    assert np.abs(up.samples).max() == 1
    assert up.warnings == (
        f'"{path}" is 5 times louder than full scale after filtering and was clipped: '
        "lower the level with --filter gain:db=-6",
    )


def test_a_filter_can_rescue_a_recording_of_another_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, RAMP * 32_768, 16_000, subtype="FLOAT")

    loaded = audio.load(path, filters=["gain:db=-90.308734"])

    np.testing.assert_allclose(loaded.samples, RAMP[:, 0], atol=1e-4)
    assert loaded.warnings == ()


def test_filters_never_see_samples_that_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.tile(RAMP, (4, 1))
    samples[100:200] = np.nan
    samples[300] = np.inf
    soundfile.write(path, samples, 16_000, subtype="FLOAT")

    loaded = audio.load(path, filters=["highpass", "normalize", "lowpass"])

    assert np.isfinite(loaded.samples).all()
    assert ["101 samples that are not numbers" in warning for warning in loaded.warnings] == [True]


def test_a_level_beyond_all_numbers_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, RAMP, 16_000, subtype="FLOAT")
    with pytest.raises(PluginError, match=r'^filter "gain" gave samples that are not finite numb'):
        audio.load(path, filters=["gain:db=60"] * 50)


def test_channels_are_filtered_and_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.hstack([RAMP, RAMP * 0.1]), 16_000, subtype="FLOAT")

    with audio.open_stream(path, split=True, filters=["gain:db=6.0206"]) as blocks:
        (block,) = blocks

    np.testing.assert_allclose(block, np.hstack([RAMP, RAMP * 0.1]) * 2, atol=1e-5)


@pytest.mark.parametrize(
    ("filters", "clips", "expected"),
    [
        ((), (), ()),
        (("gain",), (Clip(1, 2),), (Clip(1, 2),)),
        (("trim:start=5",), (), (Clip(5),)),
        (("trim:start=5,end=9",), (), (Clip(5, 9),)),
        (
            ("trim:end=9",),
            (
                Clip(1, 2),
                Clip(8),
            ),
            (Clip(1, 2), Clip(8, 9)),
        ),
        (("trim:start=3,end=9",), (Clip(1, 2), Clip(2, 5)), (Clip(3, 5),)),
    ],
)
def test_what_is_silenced_is_not_transcribed(
    filters: tuple[str, ...], clips: tuple[Clip, ...], expected: tuple[Clip, ...]
) -> None:
    options = TranscriptionOptions(filters=filters, clips=clips)
    assert audible_clips(options) == expected


def test_clips_that_are_all_silenced_are_refused() -> None:
    options = TranscriptionOptions(filters=("trim:start=5",), clips=(Clip(0, 5),))
    with pytest.raises(UsageError, match="silence everything that is to be transcribed"):
        audible_clips(options)
