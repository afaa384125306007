"""All options of a transcription: decoding, speech detection, and the recording as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from whisperctl.audio import tracks
from whisperctl.audio.decoders.registry import AUTO
from whisperctl.errors import UsageError

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to decode; the defaults are whisper-cli's.

    ``language`` is a code such as ``"de"``, or ``"auto"`` to detect it. ``beam_size`` 1 is greedy
    decoding, where ``best_of`` candidates are drawn once the temperature is above zero.
    ``temperature_increment`` is what a failed window's temperature rises by, up to 1.0; zero turns
    temperature fallback off. A window fails when its mean token logprob is below
    ``logprob_threshold`` or its entropy is below ``entropy_threshold`` (a loop repeats few tokens,
    so its entropy is low). ``max_context`` limits the tokens of earlier text given to the decoder.
    ``carry_initial_prompt`` gives the initial prompt to every window instead of the first alone.
    ``suppress_nst`` keeps tokens that are no speech (brackets, notes) from being decoded,
    ``suppress_regex`` those whose text matches (ECMAScript, as whisper-cli takes it).
    ``word_timestamps`` asks for times of tokens and words.

    Raises:
        UsageError: a value is outside its range.
    """

    language: str = "auto"
    task: Task = "transcribe"
    beam_size: int = 5
    best_of: int = 5
    temperature: float = 0.0
    temperature_increment: float = 0.2
    entropy_threshold: float = 2.4
    logprob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    initial_prompt: str = ""
    condition_on_previous_text: bool = True
    max_context: int | None = None
    carry_initial_prompt: bool = False
    suppress_nst: bool = False
    suppress_regex: str = ""
    word_timestamps: bool = False

    def __post_init__(self) -> None:
        # whisper.cpp has room for eight decoders (WHISPER_MAX_DECODERS) and aborts past that.
        for name, value in (("beam size", self.beam_size), ("best of", self.best_of)):
            if not 1 <= value <= 8:
                raise UsageError(f"{name} must be from 1 to 8, not {value}")
        if not 0.0 <= self.temperature <= 1.0:
            raise UsageError(f"temperature must be from 0 to 1, not {self.temperature:g}")
        if not 0.0 <= self.temperature_increment <= 1.0:
            raise UsageError(
                f"temperature increment must be from 0 to 1, not {self.temperature_increment:g}"
            )
        if self.task not in ("transcribe", "translate"):
            raise UsageError(f'task must be "transcribe" or "translate", not "{self.task}"')
        if self.max_context is not None and self.max_context < 0:
            raise UsageError(f"max context must be 0 or more, not {self.max_context}")


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How speech is found; names and defaults are those of whisper.cpp's ``whisper_vad_params``.

    ``threshold`` is the probability from which a frame counts as speech. Speech shorter than
    ``min_speech_duration_ms`` is dropped, silence shorter than ``min_silence_duration_ms`` does not
    end it, and speech longer than ``max_speech_duration_s`` is cut. ``speech_pad_ms`` is added at
    both ends of each stretch.

    Raises:
        UsageError: a value is outside its range.
    """

    threshold: float = 0.5
    min_speech_duration_ms: int = 250
    min_silence_duration_ms: int = 100
    max_speech_duration_s: float = math.inf
    speech_pad_ms: int = 30

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise UsageError(f"VAD threshold must be between 0 and 1, not {self.threshold:g}")
        for name, value in (
            ("min speech duration", self.min_speech_duration_ms),
            ("min silence duration", self.min_silence_duration_ms),
            ("speech pad", self.speech_pad_ms),
        ):
            if not 0 <= value <= 60_000:
                raise UsageError(f"VAD {name} must be from 0 to 60000 ms, not {value}")
        if not self.max_speech_duration_s >= 1.0:
            raise UsageError(
                f"VAD max speech duration must be at least 1 s, not {self.max_speech_duration_s:g}"
            )


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
    ``decoder`` is the name of the only decoder to read the recording with, or ``"auto"``.
    ``filters`` are applied to the audio in order, each as ``NAME:key=value,key=value``.

    Raises:
        UsageError: clips overlap, are out of order, or a value is outside its range.
        PluginError: a filter cannot be loaded.
    """

    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    clips: tuple[Clip, ...] = ()
    vad: VadOptions | None = None
    speech_check: bool = True
    compression_ratio_threshold: float = 2.4
    speakers_from_channels: bool = False
    audio_track: str | None = None
    decoder: str = AUTO
    filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.audio_track is not None:
            tracks.check(self.audio_track)
        if self.filters:
            from whisperctl.audio.filters import chain

            chain.check(self.filters)
        for before, after in zip(self.clips, self.clips[1:], strict=False):
            if before.end_s is None or after.start_s < before.end_s:
                raise UsageError("clips must be in order and may not overlap")
        if not self.compression_ratio_threshold > 1:
            raise UsageError(
                "compression ratio threshold must be above 1, not "
                f"{self.compression_ratio_threshold:g}"
            )
