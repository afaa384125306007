"""Our decoding options in whisper.cpp's terms, the same for every backend that runs whisper.cpp."""

from __future__ import annotations

from typing import TypedDict

from whisperctl.decoding import DecodeOptions
from whisperctl.speech import VadOptions

WHISPER_MAX_TEXT_CTX = 16384
"""whisper.cpp's own default for ``n_max_text_ctx``: no limit but the model's."""


class WhisperParams(TypedDict):
    """Fields of ``whisper_full_params``, by their names in whisper.h."""

    strategy: str
    best_of: int
    beam_size: int
    temperature: float
    temperature_inc: float
    entropy_thold: float
    logprob_thold: float
    no_speech_thold: float
    n_max_text_ctx: int
    no_context: bool
    translate: bool
    language: str
    initial_prompt: str
    carry_initial_prompt: bool
    suppress_nst: bool
    suppress_regex: str
    token_timestamps: bool
    forget_text: bool


def whisper_params(options: DecodeOptions, language: str) -> WhisperParams:
    """Every parameter of a run.

    Args:
        options: what the user asked for.
        language: the resolved code, or ``"auto"``.
    """
    # `no_context` only forgets the text of the recording before, which must never reach the next
    # one's prompt; within a recording, the limit on the context is what conditions on earlier text.
    limit = WHISPER_MAX_TEXT_CTX if options.max_context is None else options.max_context
    return WhisperParams(
        strategy="beam_search" if options.beam_size > 1 else "greedy",
        best_of=options.best_of,
        beam_size=options.beam_size,
        temperature=options.temperature,
        temperature_inc=options.temperature_increment,
        entropy_thold=options.entropy_threshold,
        logprob_thold=options.logprob_threshold,
        no_speech_thold=options.no_speech_threshold,
        n_max_text_ctx=limit if options.condition_on_previous_text else 0,
        no_context=True,
        translate=options.task == "translate",
        language=language,
        initial_prompt=options.initial_prompt,
        carry_initial_prompt=options.carry_initial_prompt,
        suppress_nst=options.suppress_nst,
        suppress_regex=options.suppress_regex,
        token_timestamps=False,
        forget_text=False,
    )


_UNLIMITED_S = 1e6
"""whisper.cpp takes every length above 100 000 s for none; a number, as JSON has no infinity."""


class VadParams(TypedDict):
    """Fields of ``whisper_vad_params``, by their names in whisper.h."""

    threshold: float
    min_speech_duration_ms: int
    min_silence_duration_ms: int
    max_speech_duration_s: float
    speech_pad_ms: int


def vad_params(options: VadOptions) -> VadParams:
    """Every parameter of a search for speech."""
    return VadParams(
        threshold=options.threshold,
        min_speech_duration_ms=options.min_speech_duration_ms,
        min_silence_duration_ms=options.min_silence_duration_ms,
        max_speech_duration_s=min(options.max_speech_duration_s, _UNLIMITED_S),
        speech_pad_ms=options.speech_pad_ms,
    )
