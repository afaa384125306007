"""Promise 8. Nothing lingers.

Neither options nor text nor chance of one call reach the next: at temperature 0 a recording gives
the same segments each time, whatever was transcribed before with whatever options.
"""

from __future__ import annotations

from typing import Any

import pytest

from whisperctl.audio import Audio
from whisperctl.errors import UsageError
from whisperctl.testing import speech
from whisperctl.testing.subject import GREEDY, UNUSUAL, Outcome, Shared, outline, replaced
from whisperctl.transcript import Token


def _taken(shared: Shared, blink: Audio, options: dict[str, Any]) -> bool:
    try:
        shared.transcribe(blink, replaced(**options))
    except UsageError:
        return False
    return True


def _probabilities(tokens: tuple[Token, ...]) -> list[float]:
    return [token.probability for token in tokens]


def test_no_option_of_the_call_before_has_an_effect(
    shared: Shared, recording: Audio, clip: Audio, heard: Outcome
) -> None:
    blink = speech.beginning(clip, 0.01)
    unusual: dict[str, Any] = {}
    for name, value in UNUSUAL.items():  # those it takes, and takes together
        # The tests of options before have left one behind if it stays, and it is slow.
        if name != "suppress_regex" and _taken(shared, blink, {**unusual, name: value}):
            unusual[name] = value
    shared.transcribe(clip, replaced(**unusual))

    again = shared.transcribe(recording, GREEDY)

    assert outline(again) == outline(heard.transcript), (
        f"the options {unusual} of one call changed what the next one hears"
    )
    for one, other in zip(again.segments, heard.transcript.segments, strict=True):
        assert _probabilities(one.tokens) == pytest.approx(_probabilities(other.tokens), abs=1e-3)
