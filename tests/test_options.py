"""Decoding options: whisper-cli's defaults, and ranges that are checked where they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

from whisperctl.engine.toolkit.whisper_params import (
    WHISPER_MAX_TEXT_CTX,
    VadParams,
    WhisperParams,
    whisper_params,
)
from whisperctl.errors import UsageError
from whisperctl.options import Declared, DecodeOptions, Topic, VadOptions, check, declared, option


def test_the_defaults_are_those_of_whisper_cli() -> None:
    params = whisper_params(DecodeOptions(), "en")
    assert params["strategy"] == "beam_search"
    assert (params["beam_size"], params["best_of"]) == (5, 5)
    assert (params["temperature"], params["temperature_inc"]) == (0.0, 0.2)
    assert (params["entropy_thold"], params["logprob_thold"]) == (2.4, -1.0)
    assert params["n_max_text_ctx"] == WHISPER_MAX_TEXT_CTX
    assert not params["translate"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beam_size": 0}, "beam size must be from 1 to 8, not 0"),
        ({"beam_size": 10**400}, "beam size must be from 1 to 8, not 1000"),
        ({"beam_size": 9}, "beam size must be from 1 to 8, not 9"),
        ({"best_of": 0}, "best of"),
        ({"temperature": -0.1}, "temperature must be from 0 to 1"),
        ({"temperature": 1.5}, "temperature must be from 0 to 1"),
        ({"temperature_increment": 2.0}, "temperature increment on fallback must be from 0 to 1"),
        ({"task": "sing"}, 'not "sing"'),
        ({"entropy_threshold": float("inf")}, "entropy threshold must be a number, not inf"),
        ({"max_context": -1}, "max context must be 0 or more, not -1"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_range(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DecodeOptions(**options)


def test_one_beam_is_greedy_decoding() -> None:
    assert whisper_params(DecodeOptions(beam_size=1), "en")["strategy"] == "greedy"


def test_text_of_the_recording_before_never_reaches_the_next() -> None:
    for condition in (True, False):
        options = DecodeOptions(condition_on_previous_text=condition)
        assert whisper_params(options, "en")["no_context"] is True


def test_a_prompt_of_spaces_is_no_prompt() -> None:
    params = whisper_params(DecodeOptions(initial_prompt=" \n\t "), "en")
    assert params == whisper_params(DecodeOptions(), "en")


def test_a_prompt_that_would_be_cut_at_nul_is_refused() -> None:
    with pytest.raises(UsageError, match="NUL character: remove it, or save a file in UTF-16"):
        whisper_params(DecodeOptions(initial_prompt="M\0r\0"), "en")


def test_an_engine_that_decodes_one_window_at_a_time_refuses_more() -> None:
    with pytest.raises(UsageError, match="decodes one window at a time: leave out --batch-size"):
        whisper_params(DecodeOptions(batch_size=2), "en")
    assert whisper_params(DecodeOptions(batch_size=1), "en")
    assert whisper_params(DecodeOptions(batch_size=2), "en", batches=True)


def test_not_conditioning_on_earlier_text_leaves_no_room_for_it() -> None:
    params = whisper_params(DecodeOptions(condition_on_previous_text=False), "en")
    assert params["n_max_text_ctx"] == 0


@pytest.mark.parametrize(
    ("one", "fields"),
    [
        *((one, WhisperParams.__annotations__) for one in declared(DecodeOptions)),
        *((one, VadParams.__annotations__) for one in declared(VadOptions)),
    ],
    ids=lambda value: value.name if isinstance(value, Declared) else "",
)
def test_every_decoding_option_names_its_field_of_whisper_cpp(
    one: Declared, fields: dict[str, Any]
) -> None:
    if one.name != "batch-size":  # which whisper.cpp does not have
        assert one.option.whisper_cpp.rpartition(".")[2] in fields
    assert one.option.help.endswith(".")
    assert one.option.topic is not Topic.OTHER


@dataclass(frozen=True)
class Toy:
    count: int = option(1, "Count.", minimum=1, maximum=3)
    share: float = option(0.5, "Share.", minimum=0, maximum=1, exclusive=True)
    wait: float | None = option(None, "Wait.", name="wait-for", minimum=0, unit="seconds")
    most: float = option(math.inf, "Most.", minimum=1)
    plain: str = "not an option"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count must be from 1 to 3, not 0"),
        ({"share": 1.0}, "share must be between 0 and 1, not 1"),
        ({"share": math.nan}, "share must be between 0 and 1, not nan"),
        ({"wait": -1.0}, "wait for must be 0 or more seconds, not -1"),
        ({"wait": math.inf}, "wait for must be a number, not inf"),
        ({"most": 0.5}, "most must be 1 or more, not 0.5"),
    ],
)
def test_values_are_checked_as_declared_in_one_wording(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        check(Toy(**values))
    assert str(error.value) == message


def test_values_within_their_range_pass() -> None:
    for values in ({}, {"count": 3}, {"wait": 0.0}, {"most": math.inf}, {"share": 0.1}):
        check(Toy(**values))
    assert [one.name for one in declared(Toy)] == ["count", "share", "wait-for", "most"]
