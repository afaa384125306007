"""Our decoding options in whisper.cpp's terms, the same for every backend that runs whisper.cpp."""

from __future__ import annotations

from typing import TypedDict

from whisperctl.engine.toolkit import suppress_regex
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions, VadOptions

WHISPER_MAX_TEXT_CTX = 16384
"""whisper.cpp's own default for ``n_max_text_ctx``: no limit but the model's."""


class WhisperParams(TypedDict):
    """Fields of ``whisper_full_params``, by their names in whisper.h, and one of our own.

    ``forget_text`` asks that before every window but the first the text decoded so far be
    forgotten, and that of an initial prompt with it unless that is carried.
    """

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


def whisper_params(
    options: DecodeOptions, language: str, *, aligning: bool = False
) -> WhisperParams:
    """Every parameter of a run.

    Args:
        options: what the user asked for.
        language: the resolved code, or ``"auto"``.
        aligning: whether the session was opened to align tokens with the sound; without, their
            times come from whisper.cpp's ``token_timestamps`` where they are asked for.

    Raises:
        UsageError: the regular expression is wrong, or the initial prompt is not text.
    """
    # Spaces alone would change the style of the text, as any prompt does.
    prompt = options.initial_prompt if options.initial_prompt.strip() else ""
    if "\0" in prompt:  # where whisper.cpp would end it
        raise UsageError(
            "the initial prompt has a NUL character: remove it, or save a file in UTF-16 as UTF-8"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the initial prompt is not text in UTF-8") from error
    if options.suppress_regex:
        suppress_regex.check(options.suppress_regex)
    # `no_context` only forgets the text of the recording before, which must never reach the next
    # one's prompt; within a recording, the limit on the context is what conditions on earlier text.
    # A prompt needs room in that limit, so then it is the text that is forgotten.
    limit = WHISPER_MAX_TEXT_CTX if options.max_context is None else options.max_context
    if not options.condition_on_previous_text and not prompt:
        limit = 0
    # One token is the mark before the text. To carry a prompt whisper.cpp takes at least one more,
    # and with room for none it reads beyond the end of the text.
    if options.carry_initial_prompt and limit == 1:
        limit = 0
    return WhisperParams(
        strategy="beam_search" if options.beam_size > 1 else "greedy",
        best_of=options.best_of,
        beam_size=options.beam_size,
        temperature=options.temperature,
        temperature_inc=options.temperature_increment,
        entropy_thold=options.entropy_threshold,
        logprob_thold=options.logprob_threshold,
        no_speech_thold=options.no_speech_threshold,
        n_max_text_ctx=min(limit, WHISPER_MAX_TEXT_CTX),
        no_context=True,
        translate=options.task == "translate",
        language=language,
        initial_prompt=prompt,
        carry_initial_prompt=options.carry_initial_prompt,
        suppress_nst=options.suppress_nst,
        suppress_regex=options.suppress_regex,
        token_timestamps=options.word_timestamps and not aligning,
        forget_text=bool(prompt) and not options.condition_on_previous_text,
    )


def refused_regex(options: DecodeOptions, reason: str) -> UsageError | None:
    """The error for a run that ended with this reason, if it is about its regular expression."""
    if options.suppress_regex and ("regex" in reason or "regular expression" in reason):
        return UsageError(f'suppress regex "{options.suppress_regex}" was refused: {reason}')
    return None


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
