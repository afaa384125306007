"""Segments that move in time, and sums of timings."""

from __future__ import annotations

from whisperctl.transcript import Segment, Timings, TimingsSum, Token, Word


def total(*runs: Timings) -> Timings:
    timings = TimingsSum()
    for run in runs:
        timings.add(run)
    return timings.total(audio_decode_ms=5.0)


def test_cpu_time_is_summed_over_all_runs() -> None:
    assert total(Timings(wall_ms=10, cpu_ms=15), Timings(wall_ms=4, cpu_ms=7)).cpu_ms == 22


def test_cpu_time_is_unknown_when_that_of_any_run_is() -> None:
    known, unknown = Timings(wall_ms=10, cpu_ms=15), Timings(wall_ms=4)

    assert total(known, unknown).cpu_ms is None
    assert total(unknown, known).cpu_ms is None
    assert total(known, unknown, known).wall_ms == 24


def test_without_a_run_cpu_time_is_zero() -> None:
    assert total().cpu_ms == 0


def test_a_shifted_segment_has_its_words_and_tokens_later() -> None:
    tokens = (Token(1, b" a", 1.0, 0.5, 1.0), Token(2, b"", 1.0))
    segment = Segment(0.5, 1.5, " a", tokens, (Word(0.5, 1.0, " a", 1.0),))

    shifted = segment.shifted(2.0)

    assert (shifted.start_s, shifted.end_s) == (2.5, 3.5)
    assert shifted.tokens == (Token(1, b" a", 1.0, 2.5, 3.0), Token(2, b"", 1.0))
    assert shifted.words == (Word(2.5, 3.0, " a", 1.0),)
