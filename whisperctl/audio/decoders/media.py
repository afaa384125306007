"""Decoded recordings, at whatever sample rate and with as many channels as they have.

libsndfile reads what it is good at (wav, flac, aiff); FFmpeg's libraries, through PyAV, read the
rest and take over where libsndfile gives up. What a file is shows in its content, never its name.

Both libraries get an open file descriptor rather than a name. A name can then not be taken for a
protocol (``concat:``, ``http:``), and FFmpeg may use no protocol but that descriptor and no
container format that points to other files, so a playlist in disguise opens nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from whisperctl.audio import tracks
from whisperctl.audio.decoders import joined
from whisperctl.audio.decoders.ffmpeg import BLOCK_SAMPLES, Decoder
from whisperctl.audio.source import Source, open_source
from whisperctl.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio.decoders.ffmpeg import Block

_LOST_S = 0.5
"""Less missing than this is padding that encoders add or trim, not a recording cut short."""

_DAMAGED_S = 0.1
"""Less than this that cannot be decoded is a seam, as between mp3 files that were joined."""

_UNKNOWN_SIZE = 0x7FF0_0000
"""Programs that write a wav to a pipe cannot know its size, and state 2 or 4 GiB."""

_UNKNOWN_FRAMES = 1 << 48
"""libsndfile counts this many and more where it finds no end."""

_MOST_UNREADABLE = 100
"""After so many parts of a file in a row without audio, the rest is given up."""

# mp3 is left to FFmpeg although libsndfile reads it: its mpg123 prints every flaw on stderr. So is
# ogg, of which libsndfile shows one track only.
_SOUNDFILE_STARTS = tuple(b"RIFF RIFX RF64 riff fLaC FORM .snd caff".split())


class Media:
    """One open recording; a context manager that holds a file descriptor.

    ``warnings`` are one-line notes, complete when ``blocks`` is exhausted.
    """

    def __init__(self, source: str | Path | Source, *, track: str | None = None) -> None:
        """Open a recording.

        Args:
            source: a path, or ``"-"`` for standard input.
            track: number, from 1, or language of the audio track to read; ``None`` is the default
                one, else the first.

        Raises:
            AudioError: it is missing, may not be read, is not a file or pipe, or is empty.
            UsageError: ``track`` is neither a number from 1 nor a language.
        """
        if track is not None:
            tracks.check(track)
        self.source = source if isinstance(source, Source) else open_source(source)
        self.warnings: list[str] = []
        self._track = track
        self._stated_s: float | None = None
        self._expected_s: float | None = None
        self._decoded_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stated_s(self) -> float | None:
        """Seconds its header states, once the first block was read and if it states any.

        What is not true any more is not stated: more was decoded.
        """
        if self._stated_s is None or self._decoded_s > self._stated_s + _LOST_S:
            return None
        return self._stated_s

    @property
    def expected_s(self) -> float | None:
        """Seconds it may last, a guess if its header states nothing."""
        known = self.stated_s or self._expected_s
        return None if known is None else max(known, self._decoded_s)

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self.source.file.close()

    def warn(self, what: str) -> None:
        """Note something about the recording, as the rest of a sentence."""
        self.warnings.append(f"{self.source.label} {what}")

    def reaches_s(self, end_s: float) -> float:
        """Where the recording ends, but no further than a block after ``end_s``, in seconds.

        Decodes from the start, and leaves ``blocks`` and what is known from it alone.

        Raises:
            AudioError: as ``blocks``.
        """
        reached_s = 0.0
        with closing(Media(self.source, track=self._track)._raw_blocks()) as blocks:
            for rate, block in blocks:
                reached_s += len(block) / max(1, rate)
                if reached_s > end_s:
                    break
        return reached_s

    def blocks(self) -> Iterator[Block]:
        """Decode from the start.

        Yields:
            The sample rate in Hz and some samples: float32, shape (n_samples, n_channels). Rate and
            channels can change within a file.

        Raises:
            AudioError: it is not media, holds no audio, or is damaged from the start.
        """
        for rate, block in self._raw_blocks():
            self._decoded_s += len(block) / max(1, rate)
            yield rate, block

    def _raw_blocks(self) -> Generator[Block]:
        """All samples, float32 of shape (n_samples, n_channels)."""
        n_decoded = 0
        for rate, block in self._of_all_parts():
            n_decoded += len(block)
            yield rate, block
        if not n_decoded:
            raise AudioError(
                f"{self.source.label} holds no audio (its audio track is empty or damaged): "
                "copy or record it again"
            )

    def _of_all_parts(self) -> Iterator[Block]:
        parts = joined.parts(self.source)
        first = list(islice(parts, 2))
        if len(first) < 2:
            yield from self._of_one()
            return
        n_all = n_unreadable = n_in_a_row = 0
        lost_s = 0.0
        error: AudioError | None = None
        for part in (part for some in (first, parts) for part in some):
            decoder = Decoder(self.source, self._track, part)
            n_decoded = 0
            decoded_s = 0.0
            try:
                for rate, block in decoder.blocks():
                    n_decoded += len(block)
                    decoded_s += len(block) / max(1, rate)
                    yield rate, block
            except AudioError as unreadable:
                error = unreadable
            if decoder.remark is not None and not n_all:
                self.warn(decoder.remark)
            short_s = (decoder.stated_s or 0.0) - decoded_s
            if short_s > _LOST_S:
                lost_s += short_s
            else:
                self._warn_of_damage(decoder)
            n_all += n_decoded
            n_in_a_row = 0 if n_decoded else n_in_a_row + 1
            n_unreadable += not n_decoded
            if n_in_a_row >= _MOST_UNREADABLE:
                break
        if error is not None and not n_all:
            raise error
        if n_unreadable:
            self.warn(f"is damaged: {n_unreadable} of the recordings joined in it cannot be read")
        if lost_s:
            self.warn(
                f"is damaged: {lost_s:.1f} s of the recordings joined in it could not be read"
            )

    def _of_one(self) -> Iterator[Block]:
        """Decode what is one recording, with whichever library can."""
        n_decoded = 0
        one_track = self._track in (None, "1")
        if one_track and self.source.head(4).startswith(_SOUNDFILE_STARTS):
            import soundfile

            try:
                for rate, block in self._by_soundfile():
                    n_decoded += len(block)
                    yield rate, block
            except soundfile.SoundFileError:
                pass  # unknown to it, or damaged: FFmpeg knows more and finds its way back
            else:
                if n_decoded:
                    return
        n_skipped = n_decoded
        try:
            for rate, block in self._by_ffmpeg():
                new = block[n_skipped:]
                n_skipped -= len(block) - len(new)
                n_decoded += len(new)
                if len(new):
                    yield rate, new
        except AudioError:
            if not n_decoded:
                raise
            self.warn("is cut short or damaged: its end could not be read")

    def _by_soundfile(self) -> Iterator[Block]:
        import soundfile

        os.lseek(self.source.descriptor, 0, os.SEEK_SET)
        with soundfile.SoundFile(self.source.descriptor, closefd=False) as sound:
            rate: int = sound.samplerate
            if rate <= 0 or sound.subtype.startswith("MPEG"):
                return
            if 0 < sound.frames < _UNKNOWN_FRAMES:
                self._stated_s = _stated_frames(sound.frames, sound.extra_info) / rate
            n_decoded = 0
            n_read = max(1, BLOCK_SAMPLES // sound.channels)
            while True:
                block: NDArray[np.float32] = sound.read(n_read, dtype="float32", always_2d=True)
                if not len(block):
                    break
                n_decoded += len(block)
                yield rate, block
            if n_decoded:
                self._warn_if_short(n_decoded / rate)

    def _by_ffmpeg(self) -> Iterator[Block]:
        decoder = Decoder(self.source, self._track, None)
        decoded_s = 0.0
        for rate, block in decoder.blocks():
            if not decoded_s:
                self._stated_s, self._expected_s = decoder.stated_s, decoder.expected_s
                if decoder.remark is not None:
                    self.warn(decoder.remark)
            decoded_s += len(block) / max(1, rate)
            yield rate, block
        if not (decoded_s and self._warn_if_short(decoded_s)):
            self._warn_of_damage(decoder)

    def _warn_of_damage(self, decoder: Decoder) -> None:
        if decoder.missing_s > _LOST_S or decoder.damaged_s > _DAMAGED_S:
            self.warn(
                "is damaged or has gaps: "
                f"{decoder.missing_s:.1f} s of silence stand in for what is missing, "
                f"{decoder.n_damaged} packets could not be decoded"
            )

    def _warn_if_short(self, end_s: float) -> bool:
        if self._stated_s is None or self._stated_s - end_s <= _LOST_S:
            return False
        self.warn(
            f"is cut short or damaged: its header states {self._stated_s:.1f} s, "
            f"only {end_s:.1f} s could be read"
        )
        return True


def _stated_frames(n_frames: int, log: str) -> int:
    # libsndfile takes the file's size for the truth, and leaves the header's word in its log.
    match = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
    if not match:
        return n_frames
    stated_bytes, true_bytes = int(match[1]), int(match[2])
    if stated_bytes >= _UNKNOWN_SIZE or stated_bytes <= true_bytes or true_bytes == 0:
        return n_frames
    return n_frames * stated_bytes // true_bytes
