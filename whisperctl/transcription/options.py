"""What a transcription is asked for, beyond the decoding of one piece of audio."""

from __future__ import annotations

from dataclasses import dataclass, field

from whisperctl.decoding import DecodeOptions
from whisperctl.errors import UsageError
from whisperctl.media import tracks
from whisperctl.speech import VadOptions


@dataclass(frozen=True, slots=True)
class Clip:
    """A window of a recording, in seconds from its start; ``end_s`` ``None`` is its end.

    Raises:
        UsageError: it is empty or begins before the recording.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if not self.start_s >= 0:
            raise UsageError(f"a clip cannot begin at {self.start_s:g} s")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise UsageError(f"a clip from {self.start_s:g} s to {self.end_s:g} s is empty")


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How to transcribe a recording.

    ``clips`` are the windows to transcribe, in order and apart; none of them is the whole
    recording. ``vad`` cuts away what is not speech before decoding. ``speech_check`` drops text
    where the detector hears no speech at all, without cutting anything. Text whose
    ``compression_ratio_threshold`` is exceeded (length in bytes over length deflated, as in
    openai-whisper) repeats itself, and is decoded again. ``speakers_from_channels`` transcribes
    each channel by itself and names its segments' speaker. ``audio_track`` is the number, from 1,
    or the language of the audio track to read; ``None`` is the default one, else the first.

    Raises:
        UsageError: clips overlap, are out of order, or a value is outside its range.
    """

    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    clips: tuple[Clip, ...] = ()
    vad: VadOptions | None = None
    speech_check: bool = True
    compression_ratio_threshold: float = 2.4
    speakers_from_channels: bool = False
    audio_track: str | None = None

    def __post_init__(self) -> None:
        if self.audio_track is not None:
            tracks.check(self.audio_track)
        for before, after in zip(self.clips, self.clips[1:], strict=False):
            if before.end_s is None or after.start_s < before.end_s:
                raise UsageError("clips must be in order and may not overlap")
        if not self.compression_ratio_threshold > 1:
            raise UsageError(
                "compression ratio threshold must be above 1, not "
                f"{self.compression_ratio_threshold:g}"
            )
