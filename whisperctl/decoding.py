"""Every decoding parameter, in one place, the same for every backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
