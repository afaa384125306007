"""Decoding with FFmpeg's libraries, through PyAV: everything that FFmpeg reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from whisperctl import __version__
from whisperctl.audio import tracks
from whisperctl.audio.decoders import (
    BLOCK_SAMPLES,
    CONTRACT,
    DecoderInfo,
    MediaInfo,
    Track,
    containers,
)
from whisperctl.errors import AudioError, PluginError

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame, AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

    from whisperctl.audio.decoders import Block
    from whisperctl.audio.source import Source

_DAMAGED_S = 0.1
"""Less than this that cannot be decoded is a seam, as between mp3 files that were joined."""

_NOTICED_S = 0.5
"""Less silence in place of what is missing is not worth a warning."""

_MOST_UNREADABLE = 100
"""After so many parts of a file in a row without audio, the rest is given up."""

_SAFE_PLANES = 7
"""PyAV looks for a frame's planes until a null pointer. FFmpeg keeps eight pointers in the frame
itself, behind which there are sizes: a plane that is none is read where a frame has all eight."""


class FfmpegDecoder:
    """See ``whisperctl.audio.decoders.Decoder``."""

    name = "ffmpeg"
    contract = CONTRACT
    preference = 10

    def describe(self) -> DecoderInfo:
        """Version and state."""
        from importlib import metadata

        try:
            library = f"PyAV {metadata.version('av')}"
        except metadata.PackageNotFoundError:
            return DecoderInfo(self.name, __version__, "PyAV", "pip install av")
        return DecoderInfo(self.name, __version__, library)

    def open(self, source: Source) -> FfmpegMedia:
        """Open a recording; see ``whisperctl.audio.decoders.Decoder.open``."""
        return FfmpegMedia(source)


class FfmpegMedia:
    """See ``whisperctl.audio.decoders.Media``; one file, or several recordings joined in one."""

    def __init__(self, source: Source) -> None:
        self.warnings: list[str] = []
        self._source = source
        self._later = containers.parts(source)
        self._first = list(islice(self._later, 2))
        self._whole = None if len(self._first) > 1 else _Part(source, None)

    def probe(self) -> MediaInfo:
        """Container and tracks: those of the first readable one of joined recordings."""
        if self._whole is not None:
            return self._whole.info()
        problem: AudioError | None = None
        for number, place in enumerate(self._places()):
            try:
                part = _Part(self._source, place)
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
        """Close FFmpeg's handle; the source stays open."""
        if self._whole is not None:
            self._whole.close()

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
                with _Part(self._source, place) as part:
                    decoded_s = 0.0
                    for rate, block in part.blocks(track):
                        n_decoded += len(block)
                        decoded_s += len(block) / max(1, rate)
                        yield rate, block
                    if short_s := containers.lost_s(part.stated_s, decoded_s):
                        lost_s += short_s
                    else:
                        self._warn_of_damage(part)
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

    def __init__(self, source: Source, place: tuple[int, int] | None) -> None:
        """Open it.

        Args:
            source: the file.
            place: start and end in bytes of the part to read, ``None`` for all of the file.

        Raises:
            AudioError: FFmpeg cannot open it.
            PluginError: PyAV is not installed.
        """
        self._source = source
        self._container = self._open(
            "fd:" if place is None else f"subfile,,start,{place[0]},end,{place[1]},,:fd:"
        )
        self._origin_s = (self._container.start_time or 0) / 1_000_000
        self._end_s = containers.container_end_s(self._container, source)
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
        self._container.close()

    def info(self, *, joined: bool = False) -> MediaInfo:
        """Container and tracks; no durations if other recordings follow."""
        found = tuple(
            self._track(number, stream, joined=joined)
            for number, stream in enumerate(self._container.streams.audio, 1)
        )
        expected_s = None if joined else containers.container_s(self._container)
        return MediaInfo(self._container.format.name, found, expected_s)

    def _track(self, number: int, stream: AudioStream, *, joined: bool = False) -> Track:
        # PyAV's types leave out that this is missing when FFmpeg has no decoder for the coding.
        codec = getattr(stream, "codec_context", None)
        return Track(
            number=number,
            codec="" if codec is None else codec.codec.canonical_name,
            sample_rate=0 if codec is None else codec.sample_rate,
            channels=0 if codec is None else codec.channels,
            language=stream.metadata.get("language", ""),
            title=stream.metadata.get("title", ""),
            default=_is_default(stream),
            stated_s=None
            if joined
            else containers.stated_end_s(
                self._container, stream, self._source, self._origin_s, self._end_s
            ),
        )

    def blocks(self, track: int) -> Iterator[Block]:
        """Decode one track.

        Yields:
            The sample rate in Hz and float32 samples of shape (n_samples, n_channels), [-1, 1].

        Raises:
            AudioError: there is no such track, or it cannot be decoded.
        """
        import numpy as np

        pending: list[NDArray[np.float32]] = []
        n_pending = 0
        before = (0, 0)
        for rate, samples in self._frames(track):
            shape = (rate, samples.shape[1])
            if pending and (shape != before or n_pending >= BLOCK_SAMPLES):
                yield before[0], np.concatenate(pending)
                pending.clear()
                n_pending = 0
            pending.append(samples)
            n_pending += len(samples)
            before = shape
        if pending:
            yield before[0], np.concatenate(pending)

    def _open(self, url: str) -> InputContainer:
        try:
            import av
        except (ImportError, OSError) as error:
            raise PluginError(
                f'decoder "ffmpeg" cannot load PyAV ({error}): pip install av'
            ) from error

        # The descriptor is read by C code. A Python file object would be called back from there,
        # and a KeyboardInterrupt in such a callback is swallowed.
        os.lseek(self._source.descriptor, 0, os.SEEK_SET)
        try:
            return av.open(
                url,
                mode="r",
                options={
                    "fd": str(self._source.descriptor),
                    "protocol_whitelist": "fd,subfile",
                    "format_whitelist": containers.READ,
                },
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise AudioError(self._unreadable()) from error

    def _frames(self, track: int) -> Iterator[Block]:
        """Decode one track, with silence where timestamps leave a gap, so that times stay true."""
        import av
        import numpy as np

        container = self._container
        all_tracks = self.info().tracks
        chosen = tracks.choose(all_tracks, str(track), self._source.label)
        stream = container.streams.audio[chosen.number - 1]
        self.stated_s = chosen.stated_s
        clock = containers.Clock(
            self._origin_s,
            self._end_s,
            jumps=containers.is_named(container, containers.CLOCK_JUMPS),
        )
        n_frames = 0
        frame_s = 0.0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except IndexError:
                # PyAV asks for what is left of a track that began late, which it does not have:
                # that comes after all that is left of the tracks it has.
                break
            except av.FFmpegError:
                # An encoder's first packets may lean on ones that were cut off: not worth a word.
                if n_frames:
                    self.n_damaged += 1
                    self.damaged_s += frame_s
                continue
            for frame in frames:
                assert isinstance(frame, av.AudioFrame)
                if frame.sample_rate <= 0 or not frame.samples:
                    continue
                silence_s = clock.silence_before(frame.time)
                self.missing_s = clock.missing_s
                for n_samples in _portions(round(silence_s * frame.sample_rate)):
                    silence = np.zeros((n_samples, frame.layout.nb_channels), np.float32)
                    yield frame.sample_rate, silence
                n_frames += 1
                frame_s = frame.samples / frame.sample_rate
                clock.advance(frame_s)
                yield frame.sample_rate, _channels(frame).T

    def _unreadable(self) -> str:
        head = self._source.peek(12)
        known = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff")
        others = (b"ID3", b"\x1aE\xdf\xa3", b"FLV\1", b"NIST_1A")  # the second opens Matroska
        if head.startswith((*known, *others)) or head[4:8] == b"ftyp":
            return f"{self._source.label} is damaged or cut short: copy or record it again"
        return (
            f"{self._source.label} is not a readable audio or video file: "
            "check that it is a recording"
        )


def _portions(n_samples: int) -> Iterator[int]:
    while n_samples > 0:
        yield min(n_samples, BLOCK_SAMPLES)
        n_samples -= BLOCK_SAMPLES


def _is_default(stream: AudioStream) -> bool:
    from av.stream import Disposition

    return Disposition.default in stream.disposition


def _channels(frame: AudioFrame) -> NDArray[np.float32]:
    """A frame's samples: float32, shape (n_channels, n_samples), [-1, 1].

    FFmpeg's own mixing to mono is not used: in float it makes stereo louder by sqrt(2).
    """
    import av
    import numpy as np

    packed = frame.format.packed.name
    wide = packed == "s64"
    if wide or (frame.format.is_planar and frame.layout.nb_channels > _SAFE_PLANES):
        packer = av.AudioResampler("dbl" if wide else packed, frame.layout, frame.sample_rate)
        return np.concatenate([_channels(part) for part in packer.resample(frame)], axis=1)
    # Planar formats give (n_channels, n_samples), packed ones (1, n_samples * n_channels).
    samples: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    scaled: NDArray[np.float32] = samples.astype(np.float32)
    if samples.dtype.kind == "u":
        scaled -= 128
        scaled /= 128
    elif samples.dtype.kind == "i":
        scaled /= 2 ** (8 * samples.dtype.itemsize - 1)
    return scaled
