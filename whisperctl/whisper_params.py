"""Our decoding options in whisper.cpp's terms, the same for every backend that runs whisper.cpp."""

from __future__ import annotations

from typing import TypedDict

from whisperctl.decoding import DecodeOptions

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
    )
