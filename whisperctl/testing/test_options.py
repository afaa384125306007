"""Promise 7. Options.

Every field of `DecodeOptions` is honoured on every call. An option that does not fit the model is a
`UsageError`. So is one that the engine has nothing for, with a message that names it, before
anything is computed; to ignore it is never right. What may not be refused: every default, greedy
decoding (`beam_size=1`), and a language that the model knows.
"""

from __future__ import annotations

from typing import Any

import pytest

from whisperctl.audio import Audio
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions
from whisperctl.testing import speech
from whisperctl.testing.subject import UNUSUAL, Outcome, Shared, Subject, one_line, replaced
from whisperctl.transcript import Transcript

_WRONG_WORDS = 0.05
_SHOUTED = UNUSUAL["initial_prompt"]


def honoured(shared: Shared, audio: Audio, **options: Any) -> Transcript:
    """What is heard with these options; a backend that refuses one of them skips the test."""
    try:
        return shared.transcribe(audio, replaced(**options))
    except UsageError as error:
        check_refusal(error, *options)
        pytest.skip(f"refused, as it may: {error}")


def check_refusal(error: UsageError, *options: str) -> None:
    assert one_line(error), "the message is one line"
    words = {word for option in options for word in option.split("_") if len(word) > 3}
    assert any(word in str(error).lower() for word in words), (
        f"the message names the option that is refused, of {options}: {error}"
    )


def test_the_defaults_are_taken_and_hear_what_is_said(shared: Shared, clip: Audio) -> None:
    transcript = shared.transcribe(clip, DecodeOptions())
    wrong = speech.word_error_rate(speech.BEGINNING, transcript.text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {transcript.text}"


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_option_is_taken_or_refused_by_name(shared: Shared, clip: Audio, name: str) -> None:
    blink = speech.beginning(clip, 0.01)
    honoured(shared, blink, **{name: UNUSUAL[name]})


def test_a_language_that_nobody_knows_is_refused(shared: Shared, clip: Audio) -> None:
    with pytest.raises(UsageError) as caught:
        shared.transcribe(clip, replaced(language="klingon"))
    assert "klingon" in str(caught.value), "the message names the language"


def test_what_an_english_model_cannot_do_is_refused(
    shared: Shared, clip: Audio, subject: Subject
) -> None:
    if not subject.english_only:
        pytest.skip("the model knows other languages too")
    with pytest.raises(UsageError) as caught:
        shared.transcribe(clip, replaced(language="de"))
    assert one_line(caught.value), "the message is one line"
    with pytest.raises(UsageError) as caught:
        shared.transcribe(clip, replaced(task="translate"))
    assert one_line(caught.value), "the message is one line"


def test_translation_is_into_english(shared: Shared, clip: Audio, subject: Subject) -> None:
    if subject.english_only:
        pytest.skip("the model cannot translate")
    # Told that this is German, the model writes German, unless it is to translate.
    transcript = honoured(shared, clip, language="de", task="translate")
    assert (transcript.language, transcript.task) == ("de", "translate")
    assert "fellow americans" in transcript.text.lower()


def test_the_initial_prompt_sets_the_style(
    shared: Shared, recording: Audio, heard: Outcome
) -> None:
    assert "COUNTRY" not in heard.transcript.text
    transcript = honoured(shared, recording, initial_prompt=_SHOUTED)
    assert "COUNTRY" in transcript.text, "initial_prompt is what the speaker said before"


def test_no_context_leaves_the_prompt_without_effect(
    shared: Shared, clip: Audio, short: Outcome
) -> None:
    transcript = honoured(shared, clip, initial_prompt=_SHOUTED, max_context=0)
    assert transcript.text == short.transcript.text, (
        "max_context=0 gives the decoder no text before, the initial prompt included"
    )


def test_a_suppressed_word_is_not_written(shared: Shared, clip: Audio, short: Outcome) -> None:
    assert " fellow" in short.transcript.text
    transcript = honoured(shared, clip, suppress_regex=UNUSUAL["suppress_regex"])
    assert " fellow" not in transcript.text, "a token that suppress_regex matches is never decoded"


def test_what_is_no_regular_expression_is_refused(shared: Shared, clip: Audio) -> None:
    with pytest.raises(UsageError) as caught:
        shared.transcribe(clip, replaced(suppress_regex="(country"))
    check_refusal(caught.value, "suppress_regex")
