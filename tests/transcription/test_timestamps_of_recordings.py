"""Times in speech that was cut and joined map back to the recording."""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.engine.protocol import SpeechSpan
from whisperctl.transcript import Segment, Token, Word
from whisperctl.transcription.stages.timestamps import (
    GAP,
    RecordingTimes,
    Stretch,
    Timeline,
    joined,
    stretches,
)

# The engine's input: 0 to 1 s, 0.1 s of silence, 1.1 to 3.1 s, silence, 3.2 to 3.7 s.
PARTS = [Stretch(16_000, 32_000), Stretch(80_000, 112_000), Stretch(160_000, 168_000)]
TIMELINE = Timeline(PARTS)


def test_speech_is_joined_with_a_tenth_of_a_second_of_silence() -> None:
    samples = np.arange(1, 200_001, dtype=np.float32)

    engine_input = joined(samples, PARTS)

    assert len(engine_input) == TIMELINE.engine_s * 16_000
    np.testing.assert_array_equal(engine_input[:16_000], samples[16_000:32_000])
    assert not engine_input[16_000 : 16_000 + GAP].any()
    np.testing.assert_array_equal(engine_input[17_600:49_600], samples[80_000:112_000])


@pytest.mark.parametrize(
    ("engine_s", "start_s", "end_s"),
    [
        (-0.5, 1.0, 1.0),
        (0.0, 1.0, 1.0),
        (0.5, 1.5, 1.5),
        (1.0, 5.0, 2.0),  # what begins at a stretch's end begins with the next
        (1.05, 5.0, 2.0),
        (1.1, 5.0, 2.0),
        (1.6, 5.5, 5.5),
        (3.15, 10.0, 7.0),
        (3.7, 10.5, 10.5),
        (9.9, 10.5, 10.5),
    ],
)
def test_a_time_maps_to_its_place_in_the_recording(
    engine_s: float, start_s: float, end_s: float
) -> None:
    assert TIMELINE.start_s(engine_s) == pytest.approx(start_s)
    assert TIMELINE.end_s(engine_s) == pytest.approx(end_s)


def test_every_sample_maps_back_to_itself() -> None:
    for start, part in zip((0, 17_600, 51_200), PARTS, strict=True):
        for offset in range(1, part.end - part.start, 501):
            assert TIMELINE.start_s((start + offset) / 16_000) == (part.start + offset) / 16_000
            assert TIMELINE.end_s((start + offset) / 16_000) == (part.start + offset) / 16_000


def test_a_span_that_only_touches_a_stretch_is_put_into_the_other() -> None:
    assert TIMELINE.span(0.9, 2.0) == pytest.approx((5.0, 5.9))
    assert TIMELINE.span(0.2, 1.2) == pytest.approx((1.2, 2.0))
    assert TIMELINE.span(0.2, 2.0) == pytest.approx((1.2, 5.9))


def test_no_time_is_ever_in_a_removed_silence() -> None:
    chance = np.random.default_rng(1)
    for start_s, length_s in zip(
        chance.uniform(0, 4, 2000), chance.uniform(0, 2, 2000), strict=True
    ):
        for mapped in TIMELINE.span(start_s, start_s + length_s):
            at = mapped * 16_000
            assert any(part.start - 1 <= at <= part.end + 1 for part in PARTS)


def test_words_and_tokens_are_mapped_too() -> None:
    segment = Segment(
        0.2,
        2.0,
        " a b",
        (Token(1, b" a", 1.0, 0.2, 0.8), Token(2, b" b", 1.0, 1.2, 2.0), Token(3, b"", 1.0)),
        (Word(0.2, 0.8, " a", 1.0), Word(1.2, 2.0, " b", 1.0)),
    )

    first, second = RecordingTimes(TIMELINE).add(segment)

    mapped = [word for part in (first, second) for word in part.words]
    times = [(word.start_s, word.end_s) for word in mapped]
    assert times == [pytest.approx((1.2, 1.8)), pytest.approx((5.1, 5.9))]
    tokens = [(t.start_s, t.end_s) for part in (first, second) for t in part.tokens]
    assert tokens == [*times, (None, None)]


@pytest.mark.parametrize("with_words", [True, False])
def test_a_segment_is_cut_where_a_long_silence_was_removed(with_words: bool) -> None:
    texts = (" Yes,", " I do.", " And", " you?", " No.")
    times = ((0.1, 0.4), (0.5, 0.9), (1.2, 1.6), (1.7, 2.9), (3.3, 3.6))
    words = tuple(Word(*time, text, 1.0) for time, text in zip(times, texts, strict=True))
    tokens = tuple(Token(n, text.encode(), 1.0) for n, text in enumerate(texts))
    segment = Segment(0.0, 3.7, "".join(texts), tokens, words if with_words else ())

    parts = list(RecordingTimes(TIMELINE).add(segment))

    assert [part.text for part in parts] == [" Yes, I do.", " And you?", " No."]
    assert [(part.start_s, part.end_s) for part in parts] == [
        pytest.approx((1.0, 2.0)),
        pytest.approx((5.0, 7.0)),
        pytest.approx((10.0, 10.5)),
    ]
    assert [[token.id for token in part.tokens] for part in parts] == [[0, 1], [2, 3], [4]]
    assert [len(part.words) for part in parts] == ([2, 2, 1] if with_words else [0, 0, 0])
    near = Timeline([Stretch(0, 16_000), Stretch(40_000, 80_000)])  # 1.5 s: it may stay
    assert len(list(RecordingTimes(near).add(segment))) == 1
    one = Segment(0.0, 3.7, " Yesss")
    assert [part.text for part in RecordingTimes(TIMELINE).add(one)] == [" Yesss"]


@pytest.mark.parametrize(
    ("start_s", "end_s", "text", "expected"),
    [
        (0.0, 1.5, " Ask what you can do", [(1.0, 2.0, " Ask what you can do")]),
        (0.6, 2.9, " ask what you can do", [(5.0, 6.8, " ask what you can do")]),
        (0.0, 1.5, " Can you do it? Yes", [(1.0, 2.0, " Can you do it?"), (5.0, 5.4, " Yes")]),
    ],
    ids=["before", "after", "sentence"],
)
def test_a_word_of_a_sentence_is_not_moved_across_a_removed_silence_by_an_inexact_time(
    start_s: float, end_s: float, text: str, expected: list[tuple[float, float, str]]
) -> None:
    parts = RecordingTimes(TIMELINE).add(Segment(start_s, end_s, text))

    assert [(round(p.start_s, 3), round(p.end_s, 3), p.text) for p in parts] == expected


def test_spans_become_stretches_in_order_and_apart() -> None:
    spans = [SpeechSpan(-1, 0.5), SpeechSpan(0.5, 1.0), SpeechSpan(2.0, 9.0), SpeechSpan(9.5, 9.9)]

    assert stretches(spans, 5 * 16_000) == [Stretch(0, 16_000), Stretch(32_000, 80_000)]
