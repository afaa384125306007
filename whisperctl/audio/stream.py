"""Any media file or standard input as float32 samples at 16 kHz.

``load`` returns a whole recording, ``open_stream`` returns it block by block. On the way lies a
chain of filters: channels are averaged, samples that are not finite become silence, the sample rate
is converted; then come the filters that a person asks for, and clipping to full scale. A stereo
recording with one silent channel comes out at half its level; where channels cancel each other out,
one of them is used. All of this but the averaging is mentioned in ``warnings``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Self

from whisperctl.audio.decoders.media import MediaReader
from whisperctl.audio.decoders.registry import AUTO
from whisperctl.audio.filters import AudioFormat
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

    from whisperctl.audio.filters.chain import FilterChain
    from whisperctl.audio.filters.registry import FilterSpec

_LOUD = 2.0
"""Peak above which samples have another scale; an encoder's overshoot stays below."""

_MOST_RESERVED = 3_600 * SAMPLE_RATE
"""Samples reserved because a header states them; beyond that the buffer grows with the samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Decoded audio, ready for a model.

    ``samples``: float32, shape (n_samples,), C-contiguous, [-1, 1], mono at ``SAMPLE_RATE``.
    ``source`` is the name to use in messages. ``warnings`` are one-line remarks about the file,
    such as audio shorter than its container states. ``decoders`` names those that read it, in
    order.
    """

    samples: NDArray[np.float32]
    source: str
    decode_ms: float = 0.0
    warnings: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


class _SampleReader:
    """Samples in memory, read as ``MediaReader`` reads a file."""

    def __init__(self, audio: Audio) -> None:
        self.source = _Named(audio.source, quoted(audio.source))
        self.warnings = list(audio.warnings)
        self.decoders = list(audio.decoders)
        self.stated_s = self.expected_s = audio.duration_s
        self._samples = audio.samples

    def warn(self, what: str) -> None:
        """Note something about the samples, as the rest of a sentence."""
        self.warnings.append(f"{self.source.label} {what}")

    def stop(self) -> None:
        """Do nothing: no read takes long."""

    def reaches_s(self, end_s: float) -> float:
        """Where the samples end, in seconds."""
        return self.stated_s

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ``SAMPLE_RATE`` and samples of shape (n_samples, 1).

        Raises:
            AudioError: there are none.
        """
        if not len(self._samples):
            raise AudioError(f"{self.source.label} contains no audio: it has no samples")
        for start in range(0, len(self._samples), SAMPLE_RATE):
            yield SAMPLE_RATE, self._samples[start : start + SAMPLE_RATE, None]

    def close(self) -> None:
        """Do nothing: the samples are the caller's."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Name of samples, and how sentences show it."""

    name: str
    label: str


class BlockStream:
    """A recording being decoded: iterate over it once, and close it or use it in a ``with``.

    ``source`` is the name to use in messages. ``stated_s`` is the duration in seconds that the
    header states, known once the first block was read, if at all. ``warnings`` and ``decoders`` are
    as in ``Audio``, complete when the last block was read.
    """

    def __init__(
        self,
        source: str | Path | Audio,
        block_s: float | None,
        *,
        split: bool = False,
        track: str | None = None,
        decoder: str = AUTO,
        filters: Sequence[str] = (),
    ) -> None:
        self._filters: tuple[FilterSpec, ...] = ()
        if filters:
            from whisperctl.audio.filters import registry

            self._filters = registry.parse_all(filters)
        self._media = (
            _SampleReader(source)
            if isinstance(source, Audio)
            else MediaReader(source, track=track, decoder=decoder)
        )
        self._split = split
        self._chain: FilterChain | None = None
        self._pieces = self._clipped()
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
        """One-line remarks so far."""
        return tuple(self._media.warnings)

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders that read it, so far."""
        return tuple(self._media.decoders)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def in_thread(self) -> Generator[NDArray[np.float32], None, None]:
        """The blocks, read by a thread while the caller uses the one before.

        A signal is handled while the thread reads, and ends a read that may take long: a decoder's
        C code may look through gigabytes for the next sound. Close the generator before the stream.
        """
        ready: Queue[NDArray[np.float32] | BaseException | None] = Queue(maxsize=1)
        left = Event()

        def read() -> None:
            end: BaseException | None = None
            try:
                for block in self:
                    ready.put(block)
                    if left.is_set():
                        return
            except BaseException as error:
                end = error
            ready.put(end)

        thread = Thread(target=read, name="whisperctl-read", daemon=True)
        thread.start()
        ended = False
        try:
            while not ended:
                found = ready.get()
                ended = found is None or isinstance(found, BaseException)
                if isinstance(found, BaseException):
                    raise found
                if found is not None:
                    yield found
        finally:
            left.set()
            if not ended:
                self.stop()
                with suppress(Empty):  # the thread may wait for room
                    ready.get_nowait()
            thread.join()

    def stop(self) -> None:
        """Make a read in another thread end at once, if it may take long."""
        self._media.stop()

    def close(self) -> None:
        """Close the filters and the file; may be called more than once."""
        if self._chain is not None:
            self._chain.close()
        self._media.close()

    def reaches_s(self, end_s: float) -> float:
        """Where the recording ends, but no further than a block after ``end_s``, in seconds.

        Decodes from the start, and must be called before iterating.

        Raises:
            AudioError: the recording cannot be read.
        """
        return self._media.reaches_s(end_s)

    def _clipped(self) -> Iterator[NDArray[np.float32]]:
        """Blocks of any length; shape and values are those that ``open_stream`` states."""
        clipper = Clipper()
        for block in self._filtered():
            clipped = clipper.process(block)
            yield clipped if self._split else clipped[:, 0]
        if clipper.peak > _LOUD:
            after, fix = "", "scale its samples to between -1 and 1"
            if self._filters:
                after, fix = " after filtering", "lower the level with --filter gain:db=-6"
            self._media.warn(
                f"is {clipper.peak:.3g} times louder than full scale{after} and was clipped: {fix}"
            )

    def _filtered(self) -> Iterator[NDArray[np.float32]]:
        """Samples of shape (n_samples, n_channels) after the filters that a person asks for."""
        if not self._filters:
            yield from self._converted()
            return
        from whisperctl.audio.filters.chain import FilterChain

        for block in self._converted():
            if self._chain is None:
                self._chain = FilterChain(self._filters, AudioFormat(SAMPLE_RATE, block.shape[1]))
            yield from self._chain.process(block)
        if self._chain is not None:
            yield from self._chain.flush()

    def _converted(self) -> Iterator[NDArray[np.float32]]:
        """Finite samples at ``SAMPLE_RATE``, of shape (n_samples, n_channels)."""
        cleaner, resampler = Cleaner(), Resampler()
        for rate, block in self._decoded():
            yield from resampler.process(rate, cleaner.process(block))
        yield from resampler.flush()
        if cleaner.n_replaced:
            self._media.warn(
                f"has {cleaner.n_replaced} samples that are not numbers: silence stands in for them"
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
    source: str | Path | Audio,
    block_s: float = 30.0,
    *,
    split: bool = False,
    track: str | None = None,
    decoder: str = AUTO,
    filters: Sequence[str] = (),
) -> BlockStream:
    """Decode a recording of any length in little memory.

    Args:
        source: a media file, ``"-"`` for standard input, or samples in memory, for which ``track``
            and ``decoder`` have no meaning.
        block_s: seconds in each block, but for the last, which may be shorter.
        split: keep the channels apart instead of averaging them.
        track: number, from 1, or language of the audio track to read; ``None`` is the default one,
            else the first.
        decoder: name of the only decoder to use, or ``"auto"``.
        filters: filters to apply, in order, such as ``"highpass:frequency=80"``.

    Returns:
        An iterable of float32 arrays, [-1, 1], at ``SAMPLE_RATE``: shape (n_samples,), mono; or
        (n_samples, n_channels) with ``split``, also for a recording of one channel.

    Raises:
        AudioError: here, or while iterating, as ``load``.
        PluginError: the decoder or a filter cannot be loaded, or failed.
        UsageError: ``track`` is neither a number from 1 nor a language, the decoder is not
            installed, or a filter is invalid.
    """
    return BlockStream(source, block_s, split=split, track=track, decoder=decoder, filters=filters)


def load(
    source: str | Path,
    *,
    track: str | None = None,
    decoder: str = AUTO,
    filters: Sequence[str] = (),
) -> Audio:
    """Decode a whole recording.

    Args:
        source: a media file, or ``"-"`` for standard input.
        track: number, from 1, or language of the audio track to read; ``None`` is the default one,
            else the first.
        decoder: name of the only decoder to use, or ``"auto"``.
        filters: filters to apply, in order, such as ``"highpass:frequency=80"``.

    Raises:
        AudioError: it is missing, empty, not media, without audio or such a track, damaged from its
            start, or too long for this machine's memory.
        PluginError: the decoder or a filter cannot be loaded, or failed.
        UsageError: ``track`` is neither a number from 1 nor a language, the decoder is not
            installed, or a filter is invalid.
    """
    import numpy as np

    started = perf_counter()
    filled = 0
    with BlockStream(source, None, track=track, decoder=decoder, filters=filters) as blocks:
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
        decode_ms = (perf_counter() - started) * 1000
        return Audio(samples, blocks.source, decode_ms, blocks.warnings, blocks.decoders)


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
