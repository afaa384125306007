"""Reading whisper.cpp's log. The samples are what whisper.cpp 1.8.5 wrote."""

from __future__ import annotations

from whisperctl.engine.toolkit.whisper_params import (
    message,
    parse_fallbacks,
    parse_language,
    parse_timings,
)
from whisperctl.transcript import PHASES, Phase

TIMINGS = """
whisper_print_timings:     load time =    94.27 ms
whisper_print_timings:     fallbacks =   2 p /   1 h
whisper_print_timings:      mel time =    30.00 ms
whisper_print_timings:   sample time =   105.70 ms /   145 runs (     0.73 ms per run)
whisper_print_timings:   encode time =   577.95 ms /     2 runs (   288.98 ms per run)
whisper_print_timings:   decode time =     4.90 ms /     1 runs (     4.90 ms per run)
whisper_print_timings:   batchd time =   396.72 ms /   140 runs (     2.83 ms per run)
whisper_print_timings:   prompt time =     0.00 ms /     1 runs (     0.00 ms per run)
whisper_print_timings:    total time =  1132.15 ms
""".splitlines()
DETECTED = "whisper_full_with_state: auto-detected language: haw (p = 0.958310)"


def test_timings_are_those_printed() -> None:
    phases = parse_timings(["whisper_full: encode time is long", *TIMINGS, "mel time = soon"])

    assert tuple(phases) == PHASES
    assert phases["load"] == Phase(94.27, 1)
    assert phases["encode"] == Phase(577.95, 2)
    assert phases["encode"].per_run_ms == 288.975
    assert phases["batchd"] == Phase(396.72, 140)
    assert phases["total"] == Phase(1132.15, 1)


def test_a_phase_that_never_ran_has_no_runs() -> None:
    assert parse_timings(TIMINGS)["prompt"] == Phase(0.0, 0)


def test_no_lines_have_no_numbers() -> None:
    assert parse_timings([]) == {}
    assert parse_fallbacks([]) is None
    assert parse_language([]) is None


def test_fallbacks_are_those_printed() -> None:
    assert parse_fallbacks(TIMINGS) == 2
    assert parse_fallbacks(["whisper_print_timings:     fallbacks =   0 p /   0 h"]) == 0


def test_language_is_the_detected_one() -> None:
    assert parse_language(["language: de (p = 1)", DETECTED]) == ("haw", 0.95831)


def test_a_message_leaves_out_the_function_and_line_breaks() -> None:
    line = "whisper_model_load: invalid model data (bad magic)\n"

    assert message(line) == "invalid model data (bad magic)"
    assert message("cannot open C: not found") == "cannot open C: not found"
