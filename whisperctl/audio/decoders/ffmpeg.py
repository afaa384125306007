"""Decoding with FFmpeg's libraries, through PyAV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whisperctl.audio import tracks
from whisperctl.audio.decoders import containers
from whisperctl.audio.decoders.clock import Clock
from whisperctl.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

    from whisperctl.audio.source import Source

    Block = tuple[int, NDArray[np.float32]]

BLOCK_SAMPLES = 65_536
"""Samples in a block, of each channel, about."""

_SAFE_PLANES = 7
"""PyAV looks for a frame's planes until a null pointer. FFmpeg keeps eight pointers in the frame
itself, behind which there are sizes: a plane that is none is read where a frame has all eight."""


class Decoder:
    """Decodes one track of one file, or of a part of it.

    ``stated_s`` is where the header says that it ends, and ``expected_s`` where it may end, once
    the first block was read; ``remark`` says which track was chosen, where there was a choice.
    ``missing_s`` is how much silence stands in for what is missing, and ``n_damaged`` counts
    packets that could not be decoded, and ``damaged_s`` about how much they held.
    """

    def __init__(self, source: Source, track: str | None, part: tuple[int, int] | None) -> None:
        """Read nothing yet.

        Args:
            source: the file.
            track: which track to take, as ``tracks.choose`` has it.
            part: start and end in bytes of the part to read, ``None`` for all of the file.
        """
        self._source = source
        self._track = track
        self._url = "fd:" if part is None else f"subfile,,start,{part[0]},end,{part[1]},,:fd:"
        self.stated_s: float | None = None
        self.expected_s: float | None = None
        self.remark: str | None = None
        self.missing_s = 0.0
        self.n_damaged = 0
        self.damaged_s = 0.0

    def blocks(self) -> Iterator[Block]:
        """Decode.

        Yields:
            The sample rate in Hz and float32 samples of shape (n_samples, n_channels), [-1, 1].

        Raises:
            AudioError: FFmpeg cannot open it, or finds no such track.
        """
        import numpy as np

        with self._open() as container:
            pending: list[NDArray[np.float32]] = []
            n_pending = 0
            before = (0, 0)
            for rate, samples in self._frames(container):
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

    def _open(self) -> InputContainer:
        import av

        # The descriptor is read by C code. A Python file object would be called back from there,
        # and a KeyboardInterrupt in such a callback is swallowed.
        os.lseek(self._source.descriptor, 0, os.SEEK_SET)
        try:
            return av.open(
                self._url,
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

    def _frames(self, container: InputContainer) -> Iterator[Block]:
        """Decode one track, with silence where timestamps leave a gap, so that times stay true."""
        import av
        import numpy as np

        stream = tracks.choose(container.streams.audio, self._track, self._source.label)
        self.remark = tracks.remark(container.streams.audio, stream, self._track)
        origin_s = (container.start_time or 0) / 1_000_000
        self.stated_s = containers.stated_end_s(container, stream, self._source, origin_s)
        self.expected_s = self.stated_s or containers.container_s(container)
        clock = Clock(
            origin_s,
            containers.container_end_s(container, self._source),
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
        head = self._source.head(12)
        known = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff")
        others = (b"ID3", b"\x1aE\xdf\xa3", b"FLV\1", b"NIST_1A")  # the second opens Matroska
        if head.startswith((*known, *others)) or head[4:8] == b"ftyp":
            return f"{self._source.label} is damaged or cut short: copy or record it again"
        return (
            f"{self._source.label} is not audio or video that can be read: "
            "check that it is a recording"
        )


def _portions(n_samples: int) -> Iterator[int]:
    while n_samples > 0:
        yield min(n_samples, BLOCK_SAMPLES)
        n_samples -= BLOCK_SAMPLES


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
