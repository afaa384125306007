"""Cuts a recording into chunks for the engine, while it is being decoded.

A chunk ends where it is quietest, so that no word is cut. The place depends only on where the chunk
begins and on the samples after that, so that a resumed run cuts in the same places.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.errors import UsageError
from whisperctl.options import Clip, TranscriptionOptions
from whisperctl.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio import BlockStream

T = TypeVar("T")

_BLOCK_S = 30.0

CHUNK_S = 300.0
"""Longest chunk of a long recording, in seconds."""

PARALLEL_CHUNK_S = 120.0
"""Longest chunk, in seconds, where the chunks of a recording are transcribed at once. Shorter ones
would share the work out more evenly, but the window at a chunk's end is seldom full."""

_SEARCH_S = 20.0
"""Seconds before the longest chunk's end in which a quiet place is searched."""

_QUIET_S = 0.3
"""Length of the quiet place; a pause between words is about that long."""

_TOO_SHORT_S = 0.01
"""A clip that begins this close to the end is beyond it: resampling may lose some samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Part of a recording that is decoded in one call.

    ``start`` is its first sample, counted from the recording's start. ``samples`` are float32,
    shape (n_samples,) or (n_samples, n_channels), [-1, 1], 16 kHz.
    """

    start: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """The sample after its last, counted from the recording's start."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """A chunk in a file, for a process that does not read the recording.

    The file holds nothing but float32 samples, in this machine's byte order. ``start`` is as in
    ``Chunk``; ``n_channels`` is 0 for samples of shape (n_samples,).
    """

    path: Path
    start: int
    n_channels: int = 0

    @classmethod
    def write(cls, chunk: Chunk, path: Path) -> Self:
        """Write a chunk.

        Raises:
            OSError: it cannot be written.
        """
        chunk.samples.tofile(path)
        return cls(path, chunk.start, 0 if chunk.samples.ndim == 1 else chunk.samples.shape[1])

    def read(self) -> Chunk:
        """Read the chunk.

        Raises:
            OSError: it cannot be read.
        """
        import numpy as np

        samples = np.fromfile(self.path, np.float32)
        return Chunk(
            self.start, samples.reshape(-1, self.n_channels) if self.n_channels else samples
        )


class ChunkSource(Protocol):
    """Chunks to transcribe, in order, and what is known of the recording that they are of.

    ``decode_ms`` is the time spent on decoding the file so far.
    """

    decode_ms: float

    @property
    def source(self) -> str:
        """Name of the recording in messages."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """One-line remarks about the file, so far."""
        ...

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders that read it, so far."""
        ...

    @property
    def total_s(self) -> float | None:
        """Seconds of all chunks; ``None`` if unknown."""
        ...

    def done_s(self, position: int) -> float:
        """Seconds of the chunks before a sample of the recording."""
        ...

    def duration_s(self) -> float:
        """Length of the recording in seconds, once all chunks were taken."""
        ...

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks."""
        ...


class OneChunk:
    """A single chunk of a recording that another process reads."""

    warnings: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()

    def __init__(self, chunk: Chunk, source: str) -> None:
        self.decode_ms = 0.0
        self.source = source
        self._chunk = chunk

    @property
    def total_s(self) -> float:
        """Seconds of the chunk."""
        return len(self._chunk.samples) / SAMPLE_RATE

    def done_s(self, position: int) -> float:
        """Seconds of the chunk before a sample of the recording."""
        return max(0, position - self._chunk.start) / SAMPLE_RATE

    def duration_s(self) -> float:
        """Seconds from the recording's start to the chunk's end."""
        return self._chunk.end / SAMPLE_RATE

    def __iter__(self) -> Iterator[Chunk]:
        yield self._chunk


class Chunks:
    """Chunks of a recording, or of its clips; can be iterated over once.

    A recording or clip of up to twice ``chunk_s`` is one chunk. ``decode_ms`` is the time spent on
    decoding the file so far. ``n_samples`` is the recording's length, once its end was read.

    Args:
        blocks: the recording, of which nothing was read.
        clips: parts of the recording to return; none means all of it.
        start: the sample to begin at; samples before it are read and dropped.
        chunk_s: longest chunk, except for the last.
    """

    def __init__(
        self,
        blocks: BlockStream,
        clips: Sequence[Clip] = (),
        *,
        start: int = 0,
        chunk_s: float = CHUNK_S,
    ) -> None:
        self.decode_ms = 0.0
        self.n_samples: int | None = None
        self._blocks = blocks
        self._source = iter(blocks)
        self._clips = clips or (Clip(),)
        self._begin = start
        self._chunk = max(1, round(chunk_s * SAMPLE_RATE))
        self._buffer: list[NDArray[np.float32]] = []
        self._buffer_start = 0
        self._buffer_end = 0

    @property
    def source(self) -> str:
        """Name of the recording in messages."""
        return self._blocks.source

    @property
    def warnings(self) -> tuple[str, ...]:
        """One-line remarks about the file, so far."""
        return self._blocks.warnings

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders that read it, so far."""
        return self._blocks.decoders

    @property
    def total_s(self) -> float | None:
        """Seconds of all chunks, including those before ``start``; ``None`` if unknown."""
        end_s = self._blocks.expected_s
        if self.n_samples is not None:
            end_s = self.n_samples / SAMPLE_RATE
        if end_s is None:
            last = self._clips[-1].end_s
            if last is None:
                return None
            end_s = last
        return sum(
            max(0.0, (end_s if c.end_s is None else min(c.end_s, end_s)) - c.start_s)
            for c in self._clips
        )

    def done_s(self, position: int) -> float:
        """Seconds of the chunks before a sample of the recording."""
        at_s = position / SAMPLE_RATE
        return sum(
            max(0.0, min(at_s, at_s if c.end_s is None else c.end_s) - c.start_s)
            for c in self._clips
        )

    def duration_s(self) -> float:
        """Length of the recording in seconds: the header's if a clip ended early, else as read."""
        if self.n_samples is None and self._blocks.stated_s is not None:
            return max(self._blocks.stated_s, self._buffer_end / SAMPLE_RATE)
        while self._read():
            self._drop_before(self._buffer_end)
        assert self.n_samples is not None
        return self.n_samples / SAMPLE_RATE

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks.

        Raises:
            AudioError: the recording cannot be read.
            UsageError: a clip begins after the end of the recording.
        """
        if len(self._clips) > 1:
            self._check_clips()
        for clip in self._clips:
            yield from self._chunks_of(clip)

    def _check_clips(self) -> None:
        """Check that every clip begins within the recording, before time is spent on others.

        Headers may be wrong, so the recording is decoded up to the last clip.
        """
        started = perf_counter()
        end_s = self._blocks.reaches_s(self._clips[-1].start_s)
        self.decode_ms += (perf_counter() - started) * 1000
        for clip in self._clips:
            if clip.start_s > end_s - _TOO_SHORT_S:
                raise self._beyond_end(clip, end_s)

    def _chunks_of(self, clip: Clip) -> Iterator[Chunk]:
        start = round(clip.start_s * SAMPLE_RATE)
        end = None if clip.end_s is None else round(clip.end_s * SAMPLE_RATE)
        while self._buffer_end <= start and self._read():
            self._drop_before(min(start, self._buffer_end))
        if self.n_samples is not None and start >= self.n_samples:
            raise self._beyond_end(clip, self.n_samples / SAMPLE_RATE)
        position = max(start, self._begin)
        while end is None or position < end:
            self._drop_before(position)
            enough = position + 2 * self._chunk
            while self._buffer_end <= enough and (end is None or self._buffer_end < end):
                if not self._read():
                    break
                self._drop_before(min(position, self._buffer_end))
            limit = self._buffer_end if end is None else min(end, self._buffer_end)
            if position >= limit:
                return
            cut = limit if limit <= enough else self._quietest(position)
            chunk = Chunk(position, self._samples(position, cut))
            self._drop_before(cut)  # now, as decoding takes long and much memory
            yield chunk
            del chunk
            position = cut

    def _read(self) -> bool:
        """Read one more block; false at the end."""
        if self.n_samples is not None:
            return False
        started = perf_counter()
        block = next(self._source, None)
        self.decode_ms += (perf_counter() - started) * 1000
        if block is None:
            self.n_samples = self._buffer_end
            return False
        self._buffer.append(block)
        self._buffer_end += len(block)
        return True

    def _drop_before(self, position: int) -> None:
        while self._buffer and self._buffer_start + len(self._buffer[0]) <= position:
            self._buffer_start += len(self._buffer.pop(0))

    def _samples(self, start: int, end: int) -> NDArray[np.float32]:
        import numpy as np

        at = self._buffer_start
        parts = []
        for block in self._buffer:
            parts.append(block[max(0, start - at) : max(0, end - at)])
            at += len(block)
        return np.concatenate(parts)

    def _quietest(self, position: int) -> int:
        search = min(round(_SEARCH_S * SAMPLE_RATE), self._chunk // 2)
        start = position + self._chunk - search
        samples = self._samples(start, position + self._chunk)
        return start + quietest(samples, min(round(_QUIET_S * SAMPLE_RATE), search // 2))

    def _beyond_end(self, clip: Clip, length_s: float) -> UsageError:
        return UsageError(
            f"the clip from {clip.start_s:g} s on begins after the end of "
            f"{quoted(self._blocks.source)}, which is {length_s:.1f} s long"
        )


@contextmanager
def open_chunks(
    source: str | Path, options: TranscriptionOptions, *, start: int = 0, chunk_s: float = CHUNK_S
) -> Iterator[Chunks]:
    """Open a recording to be transcribed with ``options``; channels are apart if they are speakers.

    Args:
        source: a media file, or ``"-"`` for standard input.
        options: track, decoder, filters and clips.
        start: the sample to begin at.
        chunk_s: longest chunk, except for the last.

    Raises:
        AudioError: it cannot be read.
        PluginError: the decoder or a filter cannot be loaded.
        UsageError: an option does not fit the recording.
    """
    with audio.open_stream(
        source,
        block_s=_BLOCK_S,
        split=options.speakers_from_channels,
        track=options.audio_track,
        decoder=options.decoder,
        filters=options.filters,
    ) as blocks:
        yield Chunks(blocks, audible_clips(options), start=start, chunk_s=chunk_s)


class Ahead(Generic[T]):
    """Items of an iterable, of which another thread computes the next one before it is asked for.

    ``ended`` is true once the last one was taken. To be closed.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.ended = False
        self._items = items
        self._ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
        self._room = threading.Semaphore(1)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="whisperctl-ahead", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> T | None:
        """The next item, or ``None`` if it is not there within ``timeout_s``, or all were taken.

        Raises:
            BaseException: what computing it raised.
        """
        if self.ended:
            return None
        try:
            found = self._ready.get(timeout=timeout_s) if timeout_s else self._ready.get_nowait()
        except Empty:
            return None
        if isinstance(found, tuple):
            self._room.release()
            return found[0]
        self.ended = True
        if found is not None:
            raise found
        return None

    def close(self) -> None:
        """Stop after the item that is being computed, and wait for that."""
        self.ended = True
        self._closed.set()
        self._room.release()
        self._thread.join()

    def _work(self) -> None:
        try:
            items = iter(self._items)
            while True:
                self._room.acquire()
                if self._closed.is_set():
                    return
                self._ready.put((next(items),))
        except StopIteration:
            self._ready.put(None)
        except BaseException as error:
            self._ready.put(error)


def audible_clips(options: TranscriptionOptions) -> tuple[Clip, ...]:
    """Clips to transcribe, without what the filters silence; none is the whole recording.

    Raises:
        UsageError: the filters silence all clips.
    """
    if not options.filters:
        return options.clips
    from whisperctl.audio.filters import chain

    start_s, end_s = chain.check(options.filters)
    if start_s <= 0 and math.isinf(end_s):
        return options.clips
    found = []
    for clip in options.clips or (Clip(),):
        start = max(clip.start_s, start_s)
        end = min(math.inf if clip.end_s is None else clip.end_s, end_s)
        if start < end:
            found.append(Clip(start, None if math.isinf(end) else end))
    if not found:
        raise UsageError(
            f"filters {', '.join(options.filters)} silence everything that is to be transcribed: "
            "change them, or the clips"
        )
    return tuple(found)


def quietest(samples: NDArray[np.float32], n_quiet: int) -> int:
    """Middle of the ``n_quiet`` samples with the least energy, the first if several are equal.

    Args:
        samples: float32, shape (n_samples,) or (n_samples, n_channels); at least ``n_quiet``.
        n_quiet: at least 1.
    """
    import numpy as np

    energy = np.square(samples, dtype=np.float64)
    if energy.ndim > 1:
        energy = energy.sum(axis=1)
    sums = np.cumsum(np.concatenate([np.zeros(1), energy]))
    # Sums of squares differ by rounding in silence: anything as quiet as that is equal.
    windows = np.maximum(sums[n_quiet:] - sums[:-n_quiet], 1e-9)
    return int(np.argmin(windows)) + n_quiet // 2
