"""Promise 5. Callbacks.

`on_segment` gets each segment as it is decided, in order, the very ones that are returned,
`on_progress` a fraction from 0 to 1 that never falls, and `on_language`, once and before the first
segment, the language with its probability, which is `None` unless it was detected. All run in the
caller's thread and before `transcribe` returns. Any may be left out.
"""

from __future__ import annotations

import threading
import time

from whisperctl.audio import Audio
from whisperctl.testing.subject import GREEDY, Outcome, Shared, replaced
from whisperctl.transcript import SpokenLanguage


def test_segments_are_streamed_as_they_are_returned(heard: Outcome, at_length: Outcome) -> None:
    for one in (heard, at_length):
        assert tuple(one.streamed) == one.transcript.segments, (
            "on_segment gets exactly the segments that transcribe() returns, in order"
        )


def test_progress_rises_from_0_to_1(heard: Outcome, at_length: Outcome) -> None:
    for one in (heard, at_length):
        assert all(0 <= fraction <= 1 for fraction in one.progress), one.progress
        assert one.progress == sorted(one.progress), f"progress falls: {one.progress}"
    assert at_length.progress, "a recording of a minute gives some progress"


def test_the_language_is_told_once_before_the_text(heard: Outcome, at_length: Outcome) -> None:
    for one in (heard, at_length):
        assert one.languages == [SpokenLanguage("en")], one.languages
        assert not one.language_came_late, "on_language is called before on_segment"


def test_a_detected_language_is_told_as_it_is_returned(shared: Shared, clip: Audio) -> None:
    detected = shared.hear(clip, replaced(language="auto"))
    (language,) = detected.languages
    transcript = detected.transcript
    assert (language.code, language.probability) == (
        transcript.language,
        transcript.language_probability,
    )


def test_callbacks_run_in_the_callers_thread(heard: Outcome, at_length: Outcome) -> None:
    for one in (heard, at_length):
        assert one.threads == {threading.current_thread()}, (
            "callbacks run in the thread that called transcribe(): see "
            "whisperctl.engine.toolkit.worker_thread.run"
        )


def test_segments_come_while_the_engine_works(at_length: Outcome) -> None:
    before_end_ms = at_length.wall_ms - at_length.first_segment_ms
    assert before_end_ms > at_length.wall_ms / 4, (
        "the first segment of a minute of speech comes as it is decided, not at the end"
    )


def test_callbacks_may_be_left_out_and_none_comes_late(
    shared: Shared, clip: Audio, heard: Outcome
) -> None:
    told = len(heard.streamed), len(heard.progress)
    assert shared.session.transcribe(clip, GREEDY).segments
    time.sleep(0.05)
    assert (len(heard.streamed), len(heard.progress)) == told, (
        "no callback of a run is called after its transcribe() returned"
    )
