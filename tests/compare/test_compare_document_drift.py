"""What a repeated comparison says has changed."""

from __future__ import annotations

from dataclasses import replace

from tests.compare.conftest import HEARD, MISHEARD, SAID, Make
from whisperctl.compare import document
from whisperctl.compare.result import Comparison, Drift


def drifted(then: Comparison, now: Comparison) -> Drift:
    found = document.with_drift(then, now).drift
    assert found is not None
    return found


def test_the_same_run_has_not_drifted(four_engines: Comparison) -> None:
    found = drifted(four_engines, four_engines)
    assert found.date == four_engines.date
    assert found.changes == ()
    assert [cell.text for cell in found.cells] == ["same", "same", "same", "none"]
    for cell in found.cells[:3]:
        assert cell.difference is None
        assert {ratio.value for ratio in cell.ratios.values()} == {1.0}


def test_a_text_that_changed_is_compared_with_what_it_was(make: Make) -> None:
    then, now = make(("native",), (SAID,)), make(("native",), (MISHEARD,))
    (cell,) = drifted(then, now).cells
    assert cell.text == "different"
    assert cell.difference is not None
    assert cell.difference.wer.n_reference == len(SAID.split())
    assert cell.difference.wer.rate > 0


def test_times_are_now_over_then(make: Make) -> None:
    then = make(("native",), (SAID,))
    (cell,) = then.cells
    runs = tuple(
        replace(run, values={name: 3 * value for name, value in run.values.items()})
        for run in cell.runs
    )
    (found,) = drifted(then, replace(then, cells=(replace(cell, runs=runs),))).cells
    ratio = found.ratios["wall_ms"]
    assert ratio.value == 3.0
    assert ratio.low is not None and ratio.high is not None
    assert ratio.low <= 3.0 <= ratio.high


def test_cells_are_found_again_whatever_their_order(make: Make) -> None:
    then = make(("native", "wasi/wasmer"), (HEARD, MISHEARD))
    now = make(("wasi/wasmer", "native"), (MISHEARD, HEARD))
    assert [cell.text for cell in drifted(then, now).cells] == ["same", "same"]


def test_everything_that_a_run_stands_on_is_named_when_it_changed(
    four_engines: Comparison,
) -> None:
    then = replace(
        four_engines, recordings=(replace(four_engines.recordings[0], decoders=("acme", "ffmpeg")),)
    )
    machine = replace(
        then.machine, cpu="Another processor", cpu_flags=("avx2", "avx512f"), python="3.14.0"
    )
    now = replace(
        then,
        machine=machine,
        packages={"whisperctl-asr": "0.2.0", "scipy": "1.0"},
        parameters={**then.parameters, "beam_size": 1},
        models=(replace(then.models[0], sha256="00" * 32),),
        recordings=(replace(then.recordings[0], samples_sha256="11" * 32, decoders=("ffmpeg",)),),
        engines=(
            replace(then.engines[0], versions={"backend": "9"}, system_info="AVX = 0"),
            replace(then.engines[1], files={"whisper.wasm": "00" * 32}),
            *then.engines[2:],
        ),
    )
    assert drifted(then, now).changes == (
        "cpu: A processor @ 2.00GHz then, Another processor now",
        "python: 3.11.7 then, 3.14.0 now",
        "CPU flags: -fma +avx512f",
        "version of whisperctl-asr: 0.1.0 then, 0.2.0 now",
        "version of numpy: 2.3.4 then, none now",
        "version of scipy: none then, 1.0 now",
        "parameter beam_size: 5 then, 1 now",
        "native, version of backend: 0.1.0 then, 9 now",
        "native, version of engine: whisper.cpp 1.8.2 then, none now",
        "native, version of runtime:  then, none now",
        "native: other CPU features in use",
        "wasi/wasmtime: another whisper.wasm",
        "model tiny.en f16: another file (/m/ggml-tiny.en.bin)",
        "recording jfk.wav: other samples",
        "recording jfk.wav: decoder acme and ffmpeg then, ffmpeg now",
    )
