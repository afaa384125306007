"""Regular expressions are checked before an engine sees them."""

from __future__ import annotations

import pytest

from whisperctl.engine.toolkit.whisper_params import check_regex, whisper_params
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        " ?[Uu]h+",
        r"[^\w\s]|\.\.\.",
        "(?:a|b)*?c{2,3}",
        r"(a)\1",
        "[[:punct:][:digit:]]+",
        "(?=x)x(?!y)",
        r"^\[.*\]$",
        "",
        "|",
        "größe",
        "[a-z0-9_-]",
        r"\x41\(",
    ],
)
def test_what_every_engine_takes_is_taken(pattern: str) -> None:
    check_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not closed"),
        ("a)", "closes nothing"),
        ("[", "not closed"),
        ("[]", "empty"),
        ("a]", "closes nothing"),
        ("*", "repeats nothing"),
        ("a**", "repeats nothing"),
        ("a{", "begins no"),
        ("a{3,2}", "backwards"),
        ("a{2000}", "more than"),
        ("[z-a]", "backwards"),
        ("(?<=a)b", "must be"),
        ("(?P<n>a)", "must be"),
        (r"\1", "no meaning"),
        (r"\q", "no meaning"),
        ("\\", "no meaning"),
        ("[é]", "cannot be in a set"),
        ("a\0b", "null"),
        ("\ud800", "UTF-8"),
        ("(" * 30 + ")" * 30, "deep"),
        ("a" * 2000, "longer"),
    ],
)
def test_what_an_engine_could_refuse_is_one_clear_error(pattern: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        whisper_params(DecodeOptions(suppress_regex=pattern), "en")
    assert str(caught.value).startswith("invalid --suppress-regex")
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


def test_only_a_prompt_that_is_not_to_be_followed_by_text_is_forgotten() -> None:
    def limit(**options: object) -> tuple[int, bool]:
        params = whisper_params(DecodeOptions(**options), "en")  # type: ignore[arg-type]  # any
        return params["n_max_text_ctx"], params["forget_text"]

    assert limit() == (16384, False)
    assert limit(condition_on_previous_text=False) == (0, False)
    assert limit(condition_on_previous_text=False, initial_prompt="x") == (16384, True)
    assert limit(initial_prompt="x") == (16384, False)
    assert limit(max_context=7, initial_prompt="x") == (7, False)
    # whisper.cpp would read beyond the end of the text.
    assert limit(max_context=1, initial_prompt="x", carry_initial_prompt=True) == (0, False)
