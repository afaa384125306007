"""Decoding with libsndfile: wav, flac, aiff and their like."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from whisperctl import __version__
from whisperctl.audio.decoders import BLOCK_SAMPLES, CONTRACT, DecoderInfo, MediaInfo, Track
from whisperctl.audio.decoders.containers import UNKNOWN_SIZE, cut_short, parts
from whisperctl.errors import AudioError, PluginError, UnsupportedMediaError

if TYPE_CHECKING:
    from whisperctl.audio.decoders import Block
    from whisperctl.audio.source import Source

# mp3 is left to others although libsndfile reads it: its mpg123 prints every flaw on stderr. So is
# ogg, of which libsndfile shows one track only.
_STARTS = tuple(b"RIFF RIFX RF64 riff fLaC FORM .snd caff".split())

_UNKNOWN_FRAMES = 1 << 48
"""libsndfile counts this many and more where it finds no end."""


class SoundfileDecoder:
    """See ``whisperctl.audio.decoders.Decoder``."""

    name = "soundfile"
    contract = CONTRACT
    preference = 20

    def describe(self) -> DecoderInfo:
        """Version and state."""
        from importlib import metadata

        try:
            library = f"soundfile {metadata.version('soundfile')}"
        except metadata.PackageNotFoundError:
            return DecoderInfo(self.name, __version__, "soundfile", "pip install soundfile")
        return DecoderInfo(self.name, __version__, library)

    def open(self, source: Source) -> SoundfileMedia:
        """Open a recording; see ``whisperctl.audio.decoders.Decoder.open``."""
        if not source.peek(4).startswith(_STARTS):
            raise UnsupportedMediaError(f"{source.label} is not wav, flac, aiff, au or caf")
        if len(list(islice(parts(source), 2))) > 1:
            raise UnsupportedMediaError(
                f"{source.label} contains several recordings joined together"
            )
        return SoundfileMedia(source)


class SoundfileMedia:
    """See ``whisperctl.audio.decoders.Media``."""

    def __init__(self, source: Source) -> None:
        try:
            import soundfile
        except (ImportError, OSError) as error:  # the latter without libsndfile itself
            raise PluginError(
                f'decoder "soundfile" cannot load libsndfile ({error}): pip install soundfile'
            ) from error
        self.warnings: list[str] = []
        self._source = source
        os.lseek(source.descriptor, 0, os.SEEK_SET)
        try:
            self._sound: Any = soundfile.SoundFile(source.descriptor, closefd=False)
        except soundfile.SoundFileError as error:
            raise UnsupportedMediaError(
                f"{source.label} is damaged, or of a kind unknown to libsndfile"
            ) from error
        if self._sound.samplerate <= 0 or self._sound.subtype.startswith("MPEG"):
            kind = self._sound.subtype
            self.close()
            raise UnsupportedMediaError(f"{source.label} contains {kind}")

    def probe(self) -> MediaInfo:
        """Container and the only track."""
        sound = self._sound
        stated_s = None
        if 0 < sound.frames < _UNKNOWN_FRAMES:
            stated_s = _stated_frames(sound.frames, sound.extra_info) / sound.samplerate
        track = Track(
            number=1,
            codec="flac" if sound.format == "FLAC" else sound.subtype.lower(),
            sample_rate=sound.samplerate,
            channels=sound.channels,
            title=sound.title,
            stated_s=stated_s,
        )
        return MediaInfo(sound.format.lower(), (track,), stated_s)

    def blocks(self, track: int) -> Iterator[Block]:
        """Decode; see ``whisperctl.audio.decoders.Media.blocks``."""
        import soundfile

        sound = self._sound
        (only,) = self.probe().tracks
        n_decoded = 0
        n_read = max(1, BLOCK_SAMPLES // sound.channels)
        while True:
            try:
                block = sound.read(n_read, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise AudioError(
                    f"{self._source.label} is damaged: copy or record it again"
                ) from error
            if not len(block):
                break
            n_decoded += len(block)
            yield sound.samplerate, block
        if n_decoded and (short := cut_short(only.stated_s, n_decoded / sound.samplerate)):
            self.warnings.append(short)

    def close(self) -> None:
        """Close libsndfile's handle; the source stays open."""
        self._sound.close()


def _stated_frames(n_frames: int, log: str) -> int:
    # libsndfile takes the file's size for the truth, and leaves the header's word in its log.
    match = re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.M)
    if not match:
        return n_frames
    stated_bytes, true_bytes = int(match[1]), int(match[2])
    if stated_bytes >= UNKNOWN_SIZE or stated_bytes <= true_bytes or true_bytes == 0:
        return n_frames
    return n_frames * stated_bytes // true_bytes
