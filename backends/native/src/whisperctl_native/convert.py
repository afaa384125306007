"""Between our terms and those of whisper.cpp's bindings."""

from __future__ import annotations

import _pywhispercpp as pw
from whisperctl.engine.toolkit.token_times import RawTimes, TokenTimes
from whisperctl.engine.toolkit.whisper_params import WhisperParams
from whisperctl.engine.toolkit.words import text_of
from whisperctl.transcript import Segment, Token


def full_params(wanted: WhisperParams, threads: int) -> pw.whisper_full_params:
    """``whisper_full_params``, made anew and set as whisper-cli sets them."""
    params = pw.whisper_full_default_params(
        pw.WHISPER_SAMPLING_BEAM_SEARCH
        if wanted["strategy"] == "beam_search"
        else pw.WHISPER_SAMPLING_GREEDY
    )
    params.n_threads = threads
    params.greedy = {"best_of": wanted["best_of"]}
    params.beam_search = {"beam_size": wanted["beam_size"], "patience": -1.0}
    params.temperature = wanted["temperature"]
    params.temperature_inc = wanted["temperature_inc"]
    params.entropy_thold = wanted["entropy_thold"]
    params.logprob_thold = wanted["logprob_thold"]
    params.no_speech_thold = wanted["no_speech_thold"]
    params.n_max_text_ctx = wanted["n_max_text_ctx"]
    params.no_context = wanted["no_context"]
    params.translate = wanted["translate"]
    params.language = wanted["language"]  # the bindings make of "auto" what detects it
    if wanted["initial_prompt"]:
        params.initial_prompt = wanted["initial_prompt"]
    params.carry_initial_prompt = wanted["carry_initial_prompt"]
    params.suppress_nst = wanted["suppress_nst"]
    if wanted["suppress_regex"]:
        params.suppress_regex = wanted["suppress_regex"]
    params.token_timestamps = wanted["token_timestamps"]
    params.print_special = False
    params.print_realtime = False
    params.print_timestamps = False
    return params


def forgetting_params(wanted: WhisperParams, language: str) -> pw.whisper_full_params:
    """What makes ``whisper_full`` of no samples do one thing: begin without the text before.

    Args:
        wanted: the parameters of the run that is under way.
        language: a code; with ``"auto"`` whisper.cpp would listen.
    """
    params = pw.whisper_full_default_params(pw.WHISPER_SAMPLING_GREEDY)
    params.greedy = {"best_of": 1}
    params.language = language
    params.no_context = True
    params.duration_ms = 100  # with less it returns before it forgets, with more it computes
    params.n_max_text_ctx = wanted["n_max_text_ctx"]
    params.carry_initial_prompt = wanted["carry_initial_prompt"]
    if wanted["carry_initial_prompt"]:
        params.initial_prompt = wanted["initial_prompt"]
    params.print_progress = False
    return params


def segment(
    context: pw.whisper_context,
    i: int,
    *,
    no_speech_probability: float | None = None,
    temperature: float | None = None,
    times: TokenTimes | None = None,
) -> Segment:
    """Segment ``i`` of the run, with what of its tokens is text."""
    end_of_text = pw.whisper_token_eot(context)
    tokens = []
    raw = []
    for j in range(pw.whisper_full_n_tokens(context, i)):
        data = pw.whisper_full_get_token_data(context, i, j)
        if data.id < end_of_text:  # the others are marks, such as timestamps
            tokens.append(Token(data.id, pw.whisper_token_to_bytes(context, data.id), data.p))
            raw.append(RawTimes(data.t0, data.t1, data.t_dtw))
    found = Segment(
        start_s=pw.whisper_full_get_segment_t0(context, i) / 100,
        end_s=pw.whisper_full_get_segment_t1(context, i) / 100,
        text=text_of(tokens),
        tokens=tuple(tokens),
        no_speech_probability=no_speech_probability,
        temperature=temperature,
    )
    return found if times is None else times.timed(found, raw)
