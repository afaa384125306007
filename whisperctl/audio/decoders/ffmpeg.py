"""Decoding with FFmpeg's libraries, through PyAV: everything that FFmpeg reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whisperctl import __version__
from whisperctl.audio.decoders import CONTRACT, DecoderInfo, containers
from whisperctl.audio.decoders.containers import ContainerFacts, TrackFacts
from whisperctl.audio.decoders.recording import Frames, Recording, unreadable
from whisperctl.errors import AudioError, PluginError

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame, AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

    from whisperctl.audio.source import Source

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

    def open(self, source: Source) -> Recording:
        """Open a recording; see ``whisperctl.audio.decoders.Decoder.open``."""
        return Recording(source, FfmpegDemuxer)


class FfmpegDemuxer:
    """See ``whisperctl.audio.decoders.recording.Demuxer``."""

    def __init__(self, source: Source, place: tuple[int, int] | None) -> None:
        """Open a file, or a part of it.

        Args:
            source: the file.
            place: start and end in bytes of the part to read, ``None`` for all of the file.

        Raises:
            AudioError: FFmpeg cannot open it.
            PluginError: PyAV is not installed.
        """
        self._container = _open(
            source, "fd:" if place is None else f"subfile,,start,{place[0]},end,{place[1]},,:fd:"
        )
        streams = self._container.streams
        self.facts = ContainerFacts(
            format=self._container.format.name,
            start_us=self._container.start_time,
            duration_us=self._container.duration,
            n_video=len(streams.video),
            tracks=tuple(_facts(stream) for stream in streams.audio),
        )

    def close(self) -> None:
        """Close FFmpeg's handle; the source stays open."""
        self._container.close()

    def frames(self, track: int) -> Iterator[Frames]:
        """Decode one track; see ``whisperctl.audio.decoders.recording.Demuxer.frames``."""
        import av
        import numpy as np

        damaged = Frames(0, np.empty((0, 0), np.float32), ((-1, None),))
        packets = self._container.demux(self._container.streams.audio[track - 1])
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
                yield damaged
                continue
            for frame in frames:
                assert isinstance(frame, av.AudioFrame)
                if frame.sample_rate > 0 and frame.samples:
                    yield Frames(
                        frame.sample_rate, _channels(frame).T, ((frame.samples, frame.pts),)
                    )


def _open(source: Source, url: str) -> InputContainer:
    try:
        import av
    except (ImportError, OSError) as error:
        raise PluginError(f'decoder "ffmpeg" cannot load PyAV ({error}): pip install av') from error

    # The descriptor is read by C code. A Python file object would be called back from there, and a
    # KeyboardInterrupt in such a callback is swallowed.
    os.lseek(source.descriptor, 0, os.SEEK_SET)
    try:
        return av.open(
            url,
            mode="r",
            options={
                "fd": str(source.descriptor),
                "protocol_whitelist": "fd,subfile",
                "format_whitelist": containers.READ,
            },
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        no_recording = AudioError(
            f"{source.label} is not a readable audio or video file: check that it is a recording"
        )
        raise unreadable(source, no_recording) from error


def _facts(stream: AudioStream) -> TrackFacts:
    # PyAV's types leave out that this is missing when FFmpeg has no decoder for the coding.
    codec = getattr(stream, "codec_context", None)
    unit = stream.time_base
    return TrackFacts(
        codec="" if codec is None else codec.codec.canonical_name,
        sample_rate=0 if codec is None else codec.sample_rate,
        channels=0 if codec is None else codec.channels,
        language=stream.metadata.get("language", ""),
        title=stream.metadata.get("title", ""),
        default=_is_default(stream),
        tags=stream.metadata,
        time_base=None if unit is None else (unit.numerator, unit.denominator),
        start=stream.start_time,
        duration=stream.duration,
    )


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
    with np.errstate(over="ignore", invalid="ignore"):  # reported as not numbers, later
        scaled: NDArray[np.float32] = samples.astype(np.float32)
    if samples.dtype.kind == "u":
        scaled -= 128
        scaled /= 128
    elif samples.dtype.kind == "i":
        scaled /= 2 ** (8 * samples.dtype.itemsize - 1)
    return scaled
