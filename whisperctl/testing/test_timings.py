"""Promise 10. Timings.

`Timings` holds what was measured in this call; what the engine does not tell stays out. `wall_ms`
is the time that `transcribe` took, `audio_decode_ms` that of `audio`. `phases` uses whisper.cpp's
names, listed in `whisperctl.transcript.PHASES`; together they take no longer than `total`, and that
no longer than the wall. `peak_memory_bytes` is the most memory that the process held, with
those that its engine runs in (`whisperctl.resources` counts both).
"""

from __future__ import annotations

import pytest

from whisperctl.audio import Audio
from whisperctl.testing.subject import Outcome
from whisperctl.transcript import PHASES

_SLACK = 1.05
_LEAST_BYTES = 20_000_000
_MOST_BYTES = 2**40


def test_the_wall_is_what_the_call_took(heard: Outcome, recording: Audio) -> None:
    timings = heard.transcript.timings
    assert 0 < timings.wall_ms <= heard.wall_ms, "wall_ms is the time of transcribe() alone"
    assert timings.wall_ms > heard.wall_ms / 2, "wall_ms is the time of the whole of transcribe()"
    assert timings.audio_decode_ms in (None, recording.decode_ms)
    for other_ms in (timings.module_compile_ms, timings.instantiate_ms):
        assert other_ms is None or other_ms >= 0


def test_phases_are_whisper_cpps_and_fit_into_the_whole(heard: Outcome) -> None:
    timings = heard.transcript.timings
    assert set(timings.phases) <= set(PHASES), f"phases are named {PHASES}"
    for name, phase in timings.phases.items():
        assert phase.total_ms >= 0, name
        assert phase.runs >= 0, name
        assert phase.runs > 0 or phase.total_ms == 0, f"{name} took time, so it ran"
    parts_ms = sum(
        phase.total_ms for name, phase in timings.phases.items() if name not in ("load", "total")
    )
    total = timings.phases.get("total")
    limit_ms = timings.wall_ms if total is None else total.total_ms
    assert parts_ms <= limit_ms * _SLACK, "phases take no longer than the total"
    assert limit_ms <= timings.wall_ms * _SLACK, "the total is no longer than the wall"


def test_phases_are_of_this_call_alone(short: Outcome) -> None:
    encoding = short.transcript.timings.phases.get("encode")
    if encoding is None:
        pytest.skip("the engine does not tell how often it encoded")
    assert encoding.runs == 1, "a few seconds are one window, whatever was heard before"


def test_the_peak_memory_is_plausible(heard: Outcome) -> None:
    peak_bytes = heard.transcript.timings.peak_memory_bytes
    assert peak_bytes is None or _LEAST_BYTES < peak_bytes < _MOST_BYTES, (
        "peak_memory_bytes is in bytes: see whisperctl.resources.peak_memory_bytes"
    )
