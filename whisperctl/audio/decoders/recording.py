"""What the decoders that are made of FFmpeg share: all that lies above its demuxers and decoders.

Joined recordings, times and gaps, stated durations, damage and the warnings about them. Where
FFmpeg runs, in this process or in a sandbox, is left to a ``Demuxer``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

from whisperctl.audio.decoders import BLOCK_SAMPLES, MediaInfo, Track, choose_track, containers
from whisperctl.errors import AudioError, DecoderStoppedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio.decoders import Block
    from whisperctl.audio.decoders.containers import ContainerFacts, TrackFacts
    from whisperctl.audio.source import Source

_DAMAGED_S = 0.1
"""Less than this that cannot be decoded is a seam, as between mp3 files that were joined."""

_NOTICED_S = 0.5
"""Less silence in place of what is missing is not worth a warning."""

_MOST_UNREADABLE = 100
"""After so many parts of a file in a row without audio, the rest is given up."""

_GAP_S = 0.1
"""Shorter gaps between timestamps are rounding: containers count in milliseconds or coarser."""

_JUMP_S = 10.0
"""A longer gap is a reset clock, in formats whose clock may be reset. FFmpeg's tools draw the same
line, as -dts_delta_threshold."""

_UNSTATED_S = 600.0
"""A gap longer than this is a damaged timestamp, where no duration of the recording is stated, or
another clock."""

_MOST_SILENCE_S = 24 * 3600.0
"""Silence that is put into a recording at most, whatever its timestamps say."""

_COMMON_STARTS = (
    *(b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff"),
    *(b"ID3", b"\x1aE\xdf\xa3", b"FLV\1", b"NIST_1A"),  # the second opens Matroska
)


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a track that follow each other, with one sample rate.

    ``rate`` is in Hz, and above 0 if there are samples. ``samples`` are those of all frames:
    float32, shape (n_samples, n_channels), [-1, 1]. ``frames`` has for each its number of samples
    and its timestamp in units of the track's time base, ``None`` if it has none. (-1, ``None``) is
    a packet that could not be decoded.
    """

    rate: int
    samples: NDArray[np.float32]
    frames: Sequence[tuple[int, int | None]]


class Demuxer(Protocol):
    """FFmpeg with an open file, or a part of one."""

    @property
    def facts(self) -> ContainerFacts:
        """The file and its audio streams."""
        ...

    def frames(self, track: int) -> Iterator[Frames]:
        """Decode one track; called at most once.

        Args:
            track: its number, from 1. There is a decoder for its codec.

        Raises:
            AudioError: the rest cannot be read.
            PluginError: the decoder failed.
        """
        ...

    def close(self) -> None:
        """Release everything but the source; may be called more than once."""
        ...


OpenDemuxer: TypeAlias = "Callable[[Source, tuple[int, int] | None], Demuxer]"
"""Opens a file, or the part of it that begins and ends at these bytes.

Raises ``UnsupportedMediaError`` for a format that is not read, ``AudioError`` for a damaged file,
and ``PluginError`` if FFmpeg is missing.
"""


class Recording:
    """See ``whisperctl.audio.decoders.Media``; one file, or several recordings joined in one."""

    def __init__(self, source: Source, open_demuxer: OpenDemuxer) -> None:
        """Open a recording.

        Args:
            source: the file, which the caller closes.
            open_demuxer: opens it, or a part of it.

        Raises:
            AudioError, PluginError: as ``open_demuxer``.
        """
        self.warnings: list[str] = []
        self._source = source
        self._open_demuxer = open_demuxer
        self._later = containers.parts(source)
        self._first = list(islice(self._later, 2))
        self._whole = None if len(self._first) > 1 else self._open(None)

    def probe(self) -> MediaInfo:
        """Container and tracks: those of the first readable one of joined recordings."""
        if self._whole is not None:
            return self._whole.info()
        problem: AudioError | None = None
        for number, place in enumerate(self._places()):
            try:
                part = self._open(place)
            except AudioError as error:
                problem = error
            else:
                with part:
                    return part.info(joined=True)
            if number + 1 >= _MOST_UNREADABLE:
                break
        assert problem is not None
        raise problem

    def blocks(self, track: int) -> Iterator[Block]:
        """Decode; see ``whisperctl.audio.decoders.Media.blocks``."""
        if self._whole is None:
            yield from self._joined_blocks(track)
            return
        with self._whole as part:
            decoded_s = 0.0
            for rate, block in part.blocks(track):
                decoded_s += len(block) / max(1, rate)
                yield rate, block
            short = containers.cut_short(part.stated_s, decoded_s) if decoded_s else None
            if short:
                self.warnings.append(short)
            else:
                self._warn_of_damage(part)

    def close(self) -> None:
        """Close the demuxer; the source stays open."""
        if self._whole is not None:
            self._whole.close()

    def _open(self, place: tuple[int, int] | None) -> _Part:
        return _Part(self._source, self._open_demuxer(self._source, place))

    def _places(self) -> Iterator[tuple[int, int]]:
        """Start and end of each of the joined recordings, in bytes."""
        yield from self._first
        # Those found are kept, as they are looked for while others are decoded.
        for place in self._later:
            self._first.append(place)
            yield place

    def _joined_blocks(self, track: int) -> Iterator[Block]:
        n_all = n_unreadable = n_in_a_row = 0
        lost_s = 0.0
        error: AudioError | None = None
        for place in self._places():
            n_decoded = 0
            try:
                with self._open(place) as part:
                    decoded_s = 0.0
                    for rate, block in part.blocks(track):
                        n_decoded += len(block)
                        decoded_s += len(block) / max(1, rate)
                        yield rate, block
                    if short_s := containers.lost_s(part.stated_s, decoded_s):
                        lost_s += short_s
                    else:
                        self._warn_of_damage(part)
            except DecoderStoppedError:
                raise
            except AudioError as unreadable:
                error = unreadable
            n_all += n_decoded
            n_in_a_row = 0 if n_decoded else n_in_a_row + 1
            n_unreadable += not n_decoded
            if n_in_a_row >= _MOST_UNREADABLE:
                break
        if error is not None and not n_all:
            raise error
        if n_unreadable:
            self.warnings.append(
                f"is damaged: {n_unreadable} of the recordings joined in it cannot be read"
            )
        if lost_s:
            self.warnings.append(
                f"is damaged: {lost_s:.1f} s of the recordings joined in it could not be read"
            )

    def _warn_of_damage(self, part: _Part) -> None:
        if part.missing_s > _NOTICED_S or part.damaged_s > _DAMAGED_S:
            self.warnings.append(
                "is damaged or has gaps: "
                f"{part.missing_s:.1f} s of silence stand in for what is missing, "
                f"{part.n_damaged} packets could not be decoded"
            )


class _Part:
    """A file, or a part of it that is a recording of its own; open until ``close``.

    ``stated_s`` is the end of the decoded track by the header. ``missing_s`` is the silence that
    stands in for what is missing. ``n_damaged`` counts packets that could not be decoded, and
    ``damaged_s`` is about how much audio they held.
    """

    def __init__(self, source: Source, demuxer: Demuxer) -> None:
        self._source = source
        self._demuxer = demuxer
        self._facts = demuxer.facts
        self._origin_s = (self._facts.start_us or 0) / 1_000_000
        self._end_s = containers.container_end_s(self._facts, source)
        self.stated_s: float | None = None
        self.missing_s = 0.0
        self.n_damaged = 0
        self.damaged_s = 0.0

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; may be called more than once."""
        self._demuxer.close()

    def info(self, *, joined: bool = False) -> MediaInfo:
        """Container and tracks; no durations if other recordings follow."""
        found = tuple(
            self._track(number, track, joined=joined)
            for number, track in enumerate(self._facts.tracks, 1)
        )
        expected_s = None if joined else containers.container_s(self._facts)
        return MediaInfo(self._facts.format, found, expected_s)

    def _track(self, number: int, track: TrackFacts, *, joined: bool = False) -> Track:
        stated_s = containers.stated_end_s(
            self._facts, track, self._source, self._origin_s, self._end_s
        )
        return Track(
            number=number,
            codec=track.codec,
            sample_rate=track.sample_rate,
            channels=track.channels,
            language=track.language,
            title=track.title,
            default=track.default,
            stated_s=None if joined or (stated_s or 0.0) > containers.LONGEST_S else stated_s,
        )

    def blocks(self, track: int) -> Iterator[Block]:
        """Decode one track.

        Yields:
            The sample rate in Hz and float32 samples of shape (n_samples, n_channels), [-1, 1].

        Raises:
            AudioError: there is no such track, or it cannot be decoded.
        """
        pending: list[NDArray[np.float32]] = []
        n_pending = 0
        before = (0, 0)
        for rate, samples in self._in_time(track):
            shape = (rate, samples.shape[1])
            if pending and (shape != before or n_pending >= BLOCK_SAMPLES):
                yield before[0], _joined(pending)
                pending.clear()
                n_pending = 0
            pending.append(samples)
            n_pending += len(samples)
            before = shape
        if pending:
            yield before[0], _joined(pending)

    def _in_time(self, track: int) -> Iterator[Block]:
        """Decode one track, with silence where timestamps leave a gap, so that times stay true."""
        import numpy as np

        chosen = choose_track(self.info().tracks, str(track), self._source.label)
        self.stated_s = chosen.stated_s
        time_base = self._facts.tracks[chosen.number - 1].time_base
        clock = Clock(
            self._origin_s,
            self._end_s,
            jumps=containers.is_named(self._facts, containers.CLOCK_JUMPS),
        )
        began = False
        frame_s = 0.0
        for decoded in self._demuxer.frames(chosen.number):
            rate, samples = decoded.rate, decoded.samples
            start = end = 0  # of frames without a gap between them
            for n_samples, pts in decoded.frames:
                if n_samples < 0:
                    # An encoder's first packets may lean on ones that were cut off: not worth a
                    # word.
                    if began:
                        self.n_damaged += 1
                        self.damaged_s += frame_s
                    continue
                silence_s = clock.silence_before(_seconds(pts, time_base))
                if silence_s:
                    self.missing_s = clock.missing_s
                    for n_silent in _portions(round(silence_s * rate)):
                        if end > start:
                            yield rate, samples[start:end]
                            start = end
                        yield rate, np.zeros((n_silent, samples.shape[1]), np.float32)
                began = True
                frame_s = n_samples / rate
                clock.advance(frame_s)
                end += n_samples
            if end > start:
                yield rate, samples[start:end]


class Clock:
    """Follows the timestamps of one track.

    ``position_s`` is where the next sample lies, in seconds from the recording's start.
    ``missing_s`` is how much silence stands in for what is missing after the track's first sample.
    """

    def __init__(self, origin_s: float, end_s: float | None, *, jumps: bool) -> None:
        """Start a clock.

        Args:
            origin_s: the timestamp at which the recording starts.
            end_s: where the recording ends at the latest, in seconds from its start, if known.
            jumps: the clock of such files may be reset in the middle, as where transport streams
                are joined.
        """
        self._origin_s = origin_s
        self._end_s = end_s
        self._jumps = jumps
        self._began = False
        self._silence_s = 0.0
        self.position_s = 0.0
        self.missing_s = 0.0

    def silence_before(self, time_s: float | None) -> float:
        """Seconds of silence to put before a sample with this timestamp, ``None`` if it has none.

        A gap that is not believed sets the clock: what follows counts from where it is.
        """
        gap_s = 0.0 if time_s is None else time_s - self._origin_s - self.position_s
        began, self._began = self._began, True
        if abs(gap_s) <= _GAP_S:
            return 0.0
        if gap_s < 0 or not self._believed(gap_s, began):
            self._origin_s += gap_s
            return 0.0
        if began:
            self.missing_s += gap_s
        self._silence_s += gap_s
        self.position_s += gap_s
        return gap_s

    def advance(self, duration_s: float) -> None:
        """Count decoded audio."""
        self.position_s += duration_s

    def _believed(self, gap_s: float, began: bool) -> bool:
        if self._silence_s + gap_s > _MOST_SILENCE_S:
            return False
        if self._jumps and began:
            return gap_s <= _JUMP_S
        if self._jumps or self._end_s is None:  # programs of one stream have clocks of their own
            return gap_s <= _UNSTATED_S
        return self.position_s + gap_s < self._end_s + 1


def unreadable(source: Source, otherwise: AudioError) -> AudioError:
    """The error about a file that a demuxer cannot open.

    Args:
        source: the file.
        otherwise: the error if it does not even begin as a recording does.
    """
    head = source.peek(12)
    if head.startswith(_COMMON_STARTS) or head[4:8] == b"ftyp":
        return AudioError(f"{source.label} is damaged or cut short: copy or record it again")
    return otherwise


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    # A sandbox gives whole blocks, which need no copy.
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _seconds(pts: int | None, time_base: tuple[int, int] | None) -> float | None:
    return None if pts is None or time_base is None else pts * time_base[0] / time_base[1]


def _portions(n_samples: int) -> Iterator[int]:
    while n_samples > 0:
        yield min(n_samples, BLOCK_SAMPLES)
        n_samples -= BLOCK_SAMPLES
