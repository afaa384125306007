"""Cuts a recording into chunks for the engine, while it is being decoded.

A chunk ends where it is quietest, so that no word is cut. The place depends only on where the chunk
begins and on the samples after that, so that a resumed run cuts in the same places.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, Self

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.errors import UsageError
from whisperctl.options import Clip, TranscriptionOptions, VadOptions
from whisperctl.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio import Audio, BlockStream
    from whisperctl.engine.protocol import Detection, Detector

_BLOCK_S = 30.0
_POLL_S = 0.5

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
    shape (n_samples,) or (n_samples, n_channels), [-1, 1], 16 kHz. ``detections`` are a detector's
    results for each channel, if there is a detector.
    """

    start: int
    samples: NDArray[np.float32]
    detections: tuple[Detection, ...] = ()

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
    """Chunks to transcribe, in order, and what is known of the recording that they are of."""

    @property
    def decode_ms(self) -> float:
        """Time spent on decoding the file so far."""
        ...

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


class StoppedError(SystemExit):
    """Nobody waits for what a thread reads; it dies of it silently."""


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
        self._stopped = False

    def stop(self) -> None:
        """Make the next read in another thread raise ``StoppedError``."""
        self._stopped = True
        self._blocks.stop()

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
        if self._stopped:
            raise StoppedError
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
    source: str | Path | Audio,
    options: TranscriptionOptions,
    *,
    start: int = 0,
    chunk_s: float = CHUNK_S,
) -> Iterator[Chunks]:
    """Open a recording to be transcribed with ``options``; channels are apart if they are speakers.

    Args:
        source: a media file, ``"-"`` for standard input, or samples in memory.
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


class ReadAhead:
    """A recording of which another thread reads the next chunk while the caller uses this one.

    That thread runs the detector as well. A ``ChunkSource`` that is to be closed.

    Args:
        source: a media file, ``"-"`` for standard input, or samples in memory.
        options: options for the recording.
        start: the sample to begin at.
        chunk_s: longest chunk, except for the last.

    Raises:
        AudioError, PluginError, UsageError: as for ``open_chunks``; what is found later is raised
            where chunks are taken.
    """

    def __init__(
        self,
        source: str | Path | Audio,
        options: TranscriptionOptions,
        *,
        start: int = 0,
        chunk_s: float = CHUNK_S,
    ) -> None:
        self.ended = False
        self._options = options
        self._stack = ExitStack()
        # Here, as standard input is read to its end, which nothing but a signal interrupts.
        self._chunks = self._stack.enter_context(
            open_chunks(source, options, start=start, chunk_s=chunk_s)
        )
        self._duration_s = 0.0
        self._warnings: tuple[str, ...] = ()
        self._detector: Detector | None = None
        self._detector_named = threading.Event()
        self._ready: SimpleQueue[tuple[Chunk, tuple[str, ...]] | BaseException | None] = (
            SimpleQueue()
        )
        self._taken = threading.Semaphore(0)
        self._closed = False
        self._detecting = False
        self._thread = threading.Thread(target=self._work, name="whisperctl-read", daemon=True)
        self._thread.start()

    @property
    def decode_ms(self) -> float:
        """Time spent on decoding the file so far."""
        return self._chunks.decode_ms

    @property
    def source(self) -> str:
        """Name of the recording in messages."""
        return self._chunks.source

    @property
    def warnings(self) -> tuple[str, ...]:
        """One-line remarks about the file, up to the chunk that was taken last."""
        return self._warnings

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders that read it, so far."""
        return self._chunks.decoders

    @property
    def total_s(self) -> float | None:
        """Seconds of all chunks, including those before ``start``; ``None`` if unknown."""
        return self._chunks.total_s

    def done_s(self, position: int) -> float:
        """Seconds of the chunks before a sample of the recording."""
        return self._chunks.done_s(position)

    def duration_s(self) -> float:
        """Length of the recording in seconds, once ``ended`` is true."""
        return self._duration_s

    def detect_with(self, detector: Detector | None) -> None:
        """Name the detector; no chunk is ready before, but the first one is read."""
        self._detector = detector
        self._detector_named.set()

    def take(self, timeout_s: float) -> Chunk | None:
        """The next chunk, or ``None`` if it is not ready in time, or all were taken: ``ended``.

        Raises:
            AudioError: the recording cannot be read.
            BackendError: the detector failed.
            PluginError: a decoder or filter failed.
            UsageError: a clip begins after the end of the recording.
        """
        if self.ended:
            return None
        try:
            found = self._ready.get(timeout=timeout_s) if timeout_s else self._ready.get_nowait()
        except Empty:
            return None
        if isinstance(found, tuple):
            self._taken.release()
            chunk, self._warnings = found
            return chunk
        self.ended = True
        self._warnings = self._chunks.warnings
        if found is not None:
            raise found
        return None

    def __iter__(self) -> Iterator[Chunk]:
        while not self.ended:
            chunk = self.take(_POLL_S)
            if chunk is not None:
                yield chunk
                del chunk  # now, as its memory is needed for the one after the next

    def close(self) -> None:
        """Stop reading and detecting; safe to call again."""
        self.ended = self._closed = True
        self._detector_named.set()
        self._taken.release()
        if self._thread.is_alive():
            self._chunks.stop()
        if self._detecting and self._thread.ident is not None:
            import ctypes

            # As Ctrl-C stops it in the main thread: a detector computes for seconds.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(StoppedError)
            )
        self._thread.join()
        self._stack.close()

    def _work(self) -> None:
        try:
            for chunk in self._chunks:
                self._detector_named.wait()
                self._check_open()
                self._detecting = True
                complete = detected(chunk, self._detector, self._options)
                self._detecting = False
                self._ready.put((complete, self._chunks.warnings))
                del chunk, complete
                self._taken.acquire()
                self._check_open()
            self._duration_s = self._chunks.duration_s()
            self._ready.put(None)
        except BaseException as error:
            self._ready.put(error)

    def _check_open(self) -> None:
        if self._closed:
            raise StoppedError


def detected(chunk: Chunk, detector: Detector | None, options: TranscriptionOptions) -> Chunk:
    """The chunk with detections, if there is a detector and an option needs them."""
    vad = detection_options(options)
    if detector is None or (vad is None and not options.speech_check):
        return chunk
    import numpy as np

    samples = chunk.samples if chunk.samples.ndim == 2 else chunk.samples[:, np.newaxis]
    detections = tuple(
        detector.detect(np.ascontiguousarray(channel), vad or VadOptions()) for channel in samples.T
    )
    return replace(chunk, detections=detections)


def detection_options(options: TranscriptionOptions) -> VadOptions | None:
    """Options of the detection that chunks are cut to speech by; ``None`` if they are not."""
    if options.vad is None and options.speakers_from_channels:
        # Whisper's times are bad around long silence, and each is silent while others speak.
        return VadOptions()
    return options.vad


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
