"""Decodes recordings, at whatever sample rate they have, to mono or channel by channel.

libsndfile reads what it is good at (wav, flac, ogg); FFmpeg's libraries, through PyAV, read the
rest and take over where libsndfile gives up. What a file is shows in its content, never its name.

Both libraries get an open file descriptor rather than a name. A name can then not be taken for a
protocol (``concat:``, ``http:``), and FFmpeg may use no protocol but that descriptor and no
container format that points to other files, so a playlist in disguise opens nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisperctl.errors import AudioError
from whisperctl.source import open_source

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame, AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

    Block = tuple[int, NDArray[np.float32]]

_BLOCK_SAMPLES = 65_536
_GAP_S = 0.1
"""Shorter gaps between timestamps are rounding: containers count in milliseconds or coarser."""

_LOST_S = 0.5
"""Less missing than this is padding that encoders add or trim, not a recording cut short."""

_UNKNOWN_SIZE = 0x7FF0_0000
"""Programs that write a wav to a pipe cannot know its size, and state 2 or 4 GiB."""

_SAFE_PLANES = 8
"""PyAV looks for a frame's planes until a null pointer, which FFmpeg puts after eight or fewer."""

# mp3 is left to FFmpeg although libsndfile reads it: its mpg123 prints every flaw on stderr.
_SOUNDFILE_STARTS = tuple(b"RIFF RIFX RF64 riff fLaC OggS FORM .snd caff".split())

# Formats that hold their media themselves. Playlists, image sequences, subtitles, devices and
# text art are left out.
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,"
    "mpc,mpc8,mpeg,mpegts,ogg,qcp,rm,spx,tak,tta,voc,w64,wav,wv"
)


class Media:
    """One open recording; a context manager that holds a file descriptor.

    ``n_channels`` is how many channels it has, once the first block was read.
    ``stated_s`` is the duration in seconds its header states, once the first block was read and if
    it states one. ``warnings`` are one-line notes, complete when ``blocks`` is exhausted.
    """

    def __init__(self, source: str | Path, *, split: bool = False) -> None:
        """Open a recording.

        Args:
            source: a path, or ``"-"`` for standard input.
            split: keep the channels apart instead of averaging them.

        Raises:
            AudioError: it is missing, may not be read, is not a file or pipe, or is empty.
        """
        self.source = open_source(source)
        self.n_channels: int | None = None
        self.stated_s: float | None = None
        self._split = split
        self.warnings: list[str] = []

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self.source.file.close()

    def warn(self, what: str) -> None:
        """Note something about the recording, as the rest of a sentence."""
        self.warnings.append(f"{self.source.label} {what}")

    def blocks(self) -> Iterator[Block]:
        """Decode from the start.

        Yields:
            The sample rate in Hz, which can change within a file, and some samples: float32, shape
            (n_samples,), mono, the average of all channels; or (n_samples, n_channels) if they are
            kept apart.

        Raises:
            AudioError: it is not media, holds no audio, or is damaged from the start.
        """
        n_decoded = 0
        if self.source.head(4).startswith(_SOUNDFILE_STARTS):
            import soundfile

            try:
                for rate, block in self._blocks_by_soundfile():
                    n_decoded += len(block)
                    yield rate, block
            except soundfile.SoundFileError:
                pass  # unknown to it, or damaged: FFmpeg knows more and finds its way back
            else:
                if n_decoded:
                    return
        n_skipped = n_decoded
        try:
            for rate, block in self._blocks_by_av():
                new = block[n_skipped:]
                n_skipped -= len(block) - len(new)
                n_decoded += len(new)
                if len(new):
                    yield rate, new
        except AudioError:
            if not n_decoded:
                raise
            self.warn("is cut short or damaged: its end could not be read")
        if not n_decoded:
            raise AudioError(
                f"{self.source.label} holds no audio (its audio track is empty or damaged): "
                "copy or record it again"
            )

    def _mixed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """As many channels as are wanted, of float32 of shape (n_samples, n_channels)."""
        import numpy as np

        n_channels = block.shape[1]
        if self.n_channels is None:
            self.n_channels = n_channels
        if self._split and n_channels == self.n_channels:
            return np.ascontiguousarray(block)
        mono: NDArray[np.float32] = block[:, 0] if n_channels == 1 else block.mean(axis=1)
        if not self._split:
            return mono
        # The number of channels changed within the file: all of them hear everything.
        return np.repeat(mono[:, np.newaxis], self.n_channels, axis=1)

    def _blocks_by_soundfile(self) -> Iterator[Block]:
        import soundfile

        os.lseek(self.source.descriptor, 0, os.SEEK_SET)
        with soundfile.SoundFile(self.source.descriptor, closefd=False) as sound:
            rate: int = sound.samplerate
            if rate <= 0 or sound.subtype.startswith("MPEG"):
                return
            self.stated_s = _stated_frames(sound.frames, sound.extra_info) / rate
            n_decoded = 0
            n_read = max(1, _BLOCK_SAMPLES // sound.channels)
            while True:
                block: NDArray[np.float32] = sound.read(n_read, dtype="float32", always_2d=True)
                if not len(block):
                    break
                n_decoded += len(block)
                yield rate, self._mixed(block)
            if n_decoded:
                self._warn_if_short(n_decoded / rate)

    def _blocks_by_av(self) -> Iterator[Block]:
        import av
        import numpy as np

        # The descriptor is read by C code. A Python file object would be called back from there,
        # and a KeyboardInterrupt in such a callback is swallowed.
        os.lseek(self.source.descriptor, 0, os.SEEK_SET)
        try:
            container = av.open(
                "fd:",
                mode="r",
                options={
                    "fd": str(self.source.descriptor),
                    "protocol_whitelist": "fd",
                    "format_whitelist": _CONTAINERS,
                },
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise AudioError(self._unreadable()) from error
        with container:
            pending: list[NDArray[np.float32]] = []
            n_pending = pending_rate = 0
            for rate, samples in self._frames(container, self._audio_stream(container)):
                if pending and (rate != pending_rate or n_pending >= _BLOCK_SAMPLES):
                    yield pending_rate, np.concatenate(pending)
                    pending.clear()
                    n_pending = 0
                pending.append(samples)
                n_pending += len(samples)
                pending_rate = rate
            if pending:
                yield pending_rate, np.concatenate(pending)

    def _audio_stream(self, container: InputContainer) -> AudioStream:
        """The track marked as default, else the first."""
        from av.stream import Disposition

        tracks = container.streams.audio
        if not tracks:
            raise AudioError(
                f"{self.source.label} has no audio track: check that it is the right one"
            )
        stream = next((t for t in tracks if Disposition.default in t.disposition), tracks[0])
        # PyAV's types leave out that this is missing when FFmpeg has no decoder for the coding.
        if getattr(stream, "codec_context", None) is None:
            raise AudioError(
                f"{self.source.label} has audio in an unknown coding: convert it to wav"
            )
        return stream

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[Block]:
        """Decode one track, with silence where timestamps leave a gap, so that times stay true."""
        import av
        import numpy as np

        origin_s = (container.start_time or 0) / 1_000_000
        self.stated_s = self._stated_end_s(container, stream, origin_s)
        end_s = gaps_s = 0.0
        n_frames = n_damaged = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except av.FFmpegError:
                # An encoder's first packets may lean on ones that were cut off: not worth a word.
                n_damaged += n_frames > 0
                continue
            for frame in frames:
                assert isinstance(frame, av.AudioFrame)
                if frame.sample_rate <= 0 or not frame.samples:
                    continue
                gap_s = 0.0 if frame.time is None else frame.time - origin_s - end_s
                if gap_s > _GAP_S and end_s + gap_s < (self.stated_s or 0) + 1:
                    gaps_s += gap_s if n_frames else 0.0
                    end_s += gap_s
                    for n_samples in _portions(round(gap_s * frame.sample_rate)):
                        silence = np.zeros((n_samples, frame.layout.nb_channels), np.float32)
                        yield frame.sample_rate, self._mixed(silence)
                elif abs(gap_s) > _GAP_S:
                    origin_s += gap_s  # the clock jumped
                n_frames += 1
                end_s += frame.samples / frame.sample_rate
                yield frame.sample_rate, self._mixed(_channels(frame).T)
        short = n_frames > 0 and self._warn_if_short(end_s)
        if not short and (n_damaged or gaps_s > _LOST_S):
            self.warn(
                f"is damaged or has gaps: {gaps_s:.1f} s of silence stand in for what is missing, "
                f"{n_damaged} packets could not be decoded"
            )

    def _stated_end_s(
        self, container: InputContainer, stream: AudioStream, origin_s: float
    ) -> float | None:
        """Where the header says the audio ends, in seconds from the container's start."""
        container_s = None if container.duration is None else container.duration / 1_000_000
        if "matroska" in container.format.name:
            tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
            if tag:
                return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - origin_s
            return None if container.streams.video else container_s
        if container.format.name == "mp3" and not self._has_mp3_header():
            return None  # FFmpeg guesses it from the first frame's bit rate
        if stream.duration is None or stream.time_base is None:
            return container_s
        start_s = float((stream.start_time or 0) * stream.time_base)
        return start_s + float(stream.duration * stream.time_base) - origin_s

    def _has_mp3_header(self) -> bool:
        tag = self.source.head(10)
        offset = 0
        if tag.startswith(b"ID3"):  # its size has seven bits a byte (ID3v2.4, section 3.1)
            for byte in tag[6:]:
                offset = offset << 7 | byte & 0x7F
            offset += len(tag)
        frame = self.source.head(2048, offset)
        return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))

    def _warn_if_short(self, end_s: float) -> bool:
        if self.stated_s is None or self.stated_s - end_s <= _LOST_S:
            return False
        self.warn(
            f"is cut short or damaged: its header states {self.stated_s:.1f} s, "
            f"only {end_s:.1f} s could be read"
        )
        return True

    def _unreadable(self) -> str:
        head = self.source.head(8)
        known = (*_SOUNDFILE_STARTS, b"ID3", b"\x1aE\xdf\xa3")  # the last opens Matroska and WebM
        if head.startswith(known) or head[4:] == b"ftyp":
            return f"{self.source.label} is damaged or cut short: copy or record it again"
        return (
            f"{self.source.label} is not audio or video that can be read: "
            "check that it is a recording"
        )


def _stated_frames(n_frames: int, log: str) -> int:
    # libsndfile takes the file's size for the truth, and leaves the header's word in its log.
    match = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
    if not match:
        return n_frames
    stated_bytes, true_bytes = int(match[1]), int(match[2])
    if stated_bytes >= _UNKNOWN_SIZE or stated_bytes <= true_bytes or true_bytes == 0:
        return n_frames
    return n_frames * stated_bytes // true_bytes


def _portions(n_samples: int) -> Iterator[int]:
    while n_samples > 0:
        yield min(n_samples, _BLOCK_SAMPLES)
        n_samples -= _BLOCK_SAMPLES


def _channels(frame: AudioFrame) -> NDArray[np.float32]:
    """A frame's samples: float32, shape (n_channels, n_samples), [-1, 1].

    FFmpeg's own mixing to mono is not used: in float it makes stereo louder by sqrt(2).
    """
    import av
    import numpy as np

    if frame.format.is_planar and frame.layout.nb_channels > _SAFE_PLANES:
        packer = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
        return np.concatenate([_channels(packed) for packed in packer.resample(frame)], axis=1)
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
