"""The sum of several runs' timings."""

from __future__ import annotations

from whisperctl.transcript import Timings
from whisperctl.transcription.chunk_decoder import TimingsSum


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
