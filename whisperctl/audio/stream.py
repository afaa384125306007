"""Any media file or stdin to mono float32 samples at 16 kHz.

``load`` gives a whole recording, ``stream`` gives it block by block. Channels are averaged, so a
stereo recording with one silent channel comes out at half its level; where they cancel each other
out, one of them is used. Samples beyond full scale are clipped, and values that are not numbers
become silence; all of this but the averaging puts a note in ``warnings``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Self

from whisperctl.audio.decoders.media import MediaReader
from whisperctl.audio.decoders.registry import AUTO
from whisperctl.audio.filters.conversion import (
    RATES_HZ,
    SAMPLE_RATE,
    Cleaner,
    Clipper,
    Mixer,
    Resampler,
)
from whisperctl.errors import AudioError
from whisperctl.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOUD = 2.0
"""A peak this far beyond full scale means samples of another scale, not an encoder's overshoot."""

_MOST_RESERVED = 3_600 * SAMPLE_RATE
"""Samples reserved on a header's word alone; past that the buffer grows as samples arrive."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Decoded audio, ready for a model.

    ``samples``: float32, shape (n_samples,), C-contiguous, [-1, 1], mono at ``SAMPLE_RATE``.
    ``source`` is the name to use in messages. ``warnings`` are one-line notes about the file, such
    as audio shorter than its container states.
    """

    samples: NDArray[np.float32]
    source: str
    decode_ms: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


class BlockStream:
    """A recording being decoded: iterate over it once, and close it or use it in a ``with``.

    ``source`` is the name to use in messages. ``stated_s`` is the duration in seconds that the
    header states, known once the first block was read, if at all. ``warnings`` are as in ``Audio``,
    complete when the last block was read.
    """

    def __init__(
        self,
        source: str | Path,
        block_s: float | None,
        *,
        split: bool = False,
        track: str | None = None,
        decoder: str = AUTO,
    ) -> None:
        self._media = MediaReader(source, track=track, decoder=decoder)
        self._split = split
        self._pieces = self._converted()
        if block_s is not None:
            self._pieces = _equal_blocks(self._pieces, max(1, round(block_s * SAMPLE_RATE)))

    @property
    def source(self) -> str:
        """The file's path, or "standard input"."""
        return self._media.source.name

    @property
    def stated_s(self) -> float | None:
        """Seconds the header states; ``None`` if it states none, or fewer than were decoded."""
        return self._media.stated_s

    @property
    def expected_s(self) -> float | None:
        """Seconds the recording may last, a guess if its header states nothing."""
        return self._media.expected_s

    @property
    def warnings(self) -> tuple[str, ...]:
        """One-line notes so far."""
        return tuple(self._media.warnings)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._media.close()

    def reaches_s(self, end_s: float) -> float:
        """Where the recording ends, but no further than a block after ``end_s``, in seconds.

        Decodes from the start, and must be called before iterating.

        Raises:
            AudioError: the recording cannot be read.
        """
        return self._media.reaches_s(end_s)

    def _converted(self) -> Iterator[NDArray[np.float32]]:
        """Blocks of any length; shape and values are those that ``open_stream`` states."""
        cleaner, resampler, clipper = Cleaner(), Resampler(), Clipper()

        def finish(block: NDArray[np.float32]) -> NDArray[np.float32]:
            clipped = clipper.process(block)
            return clipped if self._split else clipped[:, 0]

        for rate, block in self._decoded():
            for converted in resampler.process(rate, cleaner.process(block)):
                yield finish(converted)
        for converted in resampler.flush():
            yield finish(converted)
        if cleaner.n_replaced:
            self._media.warn(
                f"has {cleaner.n_replaced} samples that are not numbers: silence stands in for them"
            )
        if clipper.peak > _LOUD:
            self._media.warn(
                f"is {clipper.peak:.3g} times louder than full scale and was clipped: "
                "scale its samples to between -1 and 1"
            )

    def _decoded(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Sample rate in Hz, and samples of shape (n_samples, n_channels), mono unless split."""
        mixer = Mixer(split=self._split)
        low, high = RATES_HZ
        for rate, block in self._media.blocks():
            opposed = mixer.opposed
            mixed = mixer.process(block)
            if opposed is None and mixer.opposed is not None:
                self._media.warn(
                    "has channels that cancel each other out (one is inverted): "
                    f"channel {mixer.opposed} is used instead of their average"
                )
            if not low <= rate <= high:
                raise AudioError(
                    f"{self._media.source.label} is damaged: it states a sample rate of {rate} Hz, "
                    f"outside {low} to {high}"
                )
            yield rate, mixed


def open_stream(
    source: str | Path,
    block_s: float = 30.0,
    *,
    split: bool = False,
    track: str | None = None,
    decoder: str = AUTO,
) -> BlockStream:
    """Decode a recording of any length in little memory.

    Args:
        source: a media file, or ``"-"`` for standard input.
        block_s: seconds in each block, but for the last, which may be shorter.
        split: keep the channels apart instead of averaging them.
        track: number, from 1, or language of the audio track to read; ``None`` is the default one,
            else the first.
        decoder: name of the only decoder to use, or ``"auto"``.

    Returns:
        An iterable of float32 arrays, [-1, 1], at ``SAMPLE_RATE``: shape (n_samples,), mono; or
        (n_samples, n_channels) with ``split``, also for a recording of one channel.

    Raises:
        AudioError: here, or while iterating, as ``load``.
        PluginError: the decoder cannot be loaded, or failed.
        UsageError: ``track`` is neither a number from 1 nor a language, or the decoder is not
            installed.
    """
    return BlockStream(source, block_s, split=split, track=track, decoder=decoder)


def load(source: str | Path, *, track: str | None = None, decoder: str = AUTO) -> Audio:
    """Decode a whole recording.

    Args:
        source: a media file, or ``"-"`` for standard input.
        track: number, from 1, or language of the audio track to read; ``None`` is the default one,
            else the first.
        decoder: name of the only decoder to use, or ``"auto"``.

    Raises:
        AudioError: it is missing, empty, not media, without audio or such a track, damaged from its
            start, or too long for this machine's memory.
        PluginError: the decoder cannot be loaded, or failed.
        UsageError: ``track`` is neither a number from 1 nor a language, or the decoder is not
            installed.
    """
    import numpy as np

    started = perf_counter()
    filled = 0
    with BlockStream(source, None, track=track, decoder=decoder) as blocks:
        samples = np.empty(0, np.float32)
        try:
            for block in blocks:
                end = filled + len(block)
                if end > len(samples):
                    stated = round((blocks.stated_s or 0) * SAMPLE_RATE) + SAMPLE_RATE
                    # Growing moves memory pages, not samples, and untouched pages cost nothing.
                    samples.resize(
                        max(end, min(stated, _MOST_RESERVED), len(samples) * 3 // 2), refcheck=False
                    )
                samples[filled:end] = block
                filled = end
            samples.resize(filled, refcheck=False)
        except MemoryError as error:
            raise AudioError(
                f"{quoted(blocks.source)} is too long for this machine's memory: split it"
            ) from error
        return Audio(samples, blocks.source, (perf_counter() - started) * 1000, blocks.warnings)


def _equal_blocks(
    pieces: Iterator[NDArray[np.float32]], n_samples: int
) -> Iterator[NDArray[np.float32]]:
    import numpy as np

    block = np.empty(0, np.float32)
    filled = 0
    for piece in pieces:
        while len(piece):
            if not filled:
                block = np.empty((n_samples, *piece.shape[1:]), np.float32)
            part = piece[: n_samples - filled]
            block[filled : filled + len(part)] = part
            filled += len(part)
            piece = piece[len(part) :]
            if filled == n_samples:
                yield block
                filled = 0
    if filled:
        yield block[:filled]
