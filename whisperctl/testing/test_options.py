"""Promise 10. Options.

Every field of `DecodeOptions` is honoured on every call. An option that does not fit the model is a
`UsageError`. So is one that the engine does not support, with a message that names it, before
anything is computed; to ignore it is never right. What may not be refused: every default, greedy
decoding (`beam_size=1`), and a language that the model knows.

Promise 11. Nothing lingers.

Neither options nor text nor random numbers of one call reach the next: at temperature 0 a recording
gives the same segments each time, whatever was transcribed before with whatever options.
"""

from __future__ import annotations

from typing import Any

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import SessionResult
from whisperctl.errors import UsageError
from whisperctl.testing.subject import (
    BEGINNING,
    GREEDY,
    RECITED,
    UNUSUAL,
    Outcome,
    Shared,
    Subject,
    beginning,
    one_line,
    outline,
    replaced,
    word_error_rate,
)
from whisperctl.transcript import Token

_WRONG_WORDS = 0.05
_SHOUTED = UNUSUAL["initial_prompt"]


def honoured(shared: Shared, audio: Audio, **options: Any) -> SessionResult:
    """Transcribe with these options; a backend that refuses one of them skips the test."""
    try:
        return shared.transcribe(audio, replaced(**options))
    except UsageError as error:
        check_refusal(error, *options)
        pytest.skip(f"refused, as it may: {error}")


def refusal(shared: Shared, audio: Audio, options: dict[str, Any]) -> UsageError | None:
    """The error that refuses these options; ``None`` if they are taken together."""
    try:
        shared.transcribe(audio, replaced(**options))
    except UsageError as error:
        return error
    return None


def check_refusal(error: UsageError, *options: str) -> None:
    assert one_line(error), "the message is one line"
    words = {word for option in options for word in option.split("_") if len(word) > 3}
    assert any(word in str(error).lower() for word in words), (
        f"the message names the option that is refused, of {options}: {error}"
    )


def test_the_defaults_are_taken_and_hear_what_is_said(detected: Outcome) -> None:
    text = detected.transcript.text
    wrong = word_error_rate(BEGINNING, text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {text}"


@pytest.fixture(scope="module")
def refusals(shared: Shared, clip: Audio) -> dict[str, UsageError | None]:
    """What the backend says of each unusual option by itself; ``None`` where it takes it."""
    blink = beginning(clip, 0.01)
    return {name: refusal(shared, blink, {name: value}) for name, value in UNUSUAL.items()}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_option_is_taken_or_refused_by_name(
    refusals: dict[str, UsageError | None], name: str
) -> None:
    if error := refusals[name]:
        check_refusal(error, name)
        pytest.skip(f"refused, as it may: {error}")


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
    assert transcript.language == "de"
    assert "fellow americans" in transcript.text.lower()


def test_the_initial_prompt_sets_the_style(shared: Shared, clip: Audio, short: Outcome) -> None:
    assert "FELLOW" not in short.transcript.text
    transcript = honoured(shared, clip, initial_prompt=_SHOUTED)
    assert "FELLOW" in transcript.text, "initial_prompt is what the speaker said before"


def test_no_context_leaves_the_prompt_without_effect(reciting: Shared, clip: Audio) -> None:
    before: dict[str, Any] = {
        "language": "bn",
        "temperature_increment": 0.0,
        "initial_prompt": RECITED[0],
    }
    transcript = honoured(reciting, clip, **before, max_context=0)
    assert transcript.text == RECITED, (
        "max_context=0 gives the decoder no text before, the initial prompt included"
    )
    assert honoured(reciting, clip, **before).text != RECITED, "a prompt is text before"


def test_a_suppressed_word_is_not_written(shared: Shared, clip: Audio, short: Outcome) -> None:
    assert " fellow" in short.transcript.text
    transcript = honoured(shared, clip, suppress_regex=UNUSUAL["suppress_regex"])
    assert " fellow" not in transcript.text, "a token that suppress_regex matches is never decoded"


def test_what_is_no_regular_expression_is_refused(shared: Shared, clip: Audio) -> None:
    with pytest.raises(UsageError) as caught:
        shared.transcribe(clip, replaced(suppress_regex="(country"))
    check_refusal(caught.value, "suppress_regex")


def _probabilities(tokens: tuple[Token, ...]) -> list[float]:
    return [token.probability for token in tokens]


def test_no_option_of_the_call_before_has_an_effect(
    shared: Shared, clip: Audio, short: Outcome, refusals: dict[str, UsageError | None]
) -> None:
    blink = beginning(clip, 0.01)
    # The tests of options before have left suppress_regex behind if it stays, and it is slow.
    taken = [name for name in UNUSUAL if refusals[name] is None and name != "suppress_regex"]
    unusual = {name: UNUSUAL[name] for name in taken}
    if refusal(shared, blink, unusual):  # only those that it takes together
        unusual = {}
        for name in taken:
            if not refusal(shared, blink, {**unusual, name: UNUSUAL[name]}):
                unusual[name] = UNUSUAL[name]
    shared.transcribe(clip, replaced(**unusual))

    again = shared.transcribe(clip, GREEDY)

    assert outline(again) == outline(short.transcript), (
        f"the options {unusual} of one call changed what the next one hears"
    )
    for one, other in zip(again.segments, short.transcript.segments, strict=True):
        assert _probabilities(one.tokens) == pytest.approx(_probabilities(other.tokens), abs=1e-3)
