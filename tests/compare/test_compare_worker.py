"""The process of one engine, and the parent that starts it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.conftest import LETTERS
from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare import runner
from whisperctl.compare.plan import Cell, Variant, prepare
from whisperctl.compare.result import ModelFile
from whisperctl.compare.statistics import BY_NAME, NAMES, rounded
from whisperctl.engine.registry import Engine
from whisperctl.options import DecodeOptions
from whisperctl.processes import WorkerProcess, end_all
from whisperctl.storage import records
from whisperctl.transcript import PHASES, Segment

NATIVE = Engine("native", "native")


OPTIONS = DecodeOptions(beam_size=1)


def cell_of(samples: Audio, model: Path, engine: Engine = NATIVE) -> Cell:
    variant = Variant(engine, ModelFile("tiny.en", "f16", model), 2)
    return Cell(prepare(samples.source, None, samples), variant)


@pytest.fixture
def cell(jfk: Path, reciting: Path) -> Cell:
    return cell_of(audio.load(jfk), reciting)


@pytest.fixture
def long_cell(jfk: Path, model: Path, fake_site: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Almost two minutes, of which no test sees the end."""
    monkeypatch.setenv("PYTHONPATH", str(fake_site))
    samples = np.tile(audio.load(jfk).samples, 10)
    return cell_of(Audio(samples, "long"), model, Engine("fake", "slow"))


def cells() -> list[psutil.Process]:
    """Processes of cells that this process started."""
    return [p for p in psutil.Process().children() if "whisperctl.compare.worker" in p.cmdline()]


@pytest.mark.slow
def test_segments_stream_and_the_transcript_comes_whole(cell: Cell) -> None:
    streamed: list[Segment] = []
    ballast = np.ones(60_000_000)  # 480 MB in this process, which are none of the cell's
    began = time.perf_counter()
    found = runner.run(cell, OPTIONS, warm_up=False, on_segment=streamed.append)
    took_ms = (time.perf_counter() - began) * 1000
    assert isinstance(found, runner.Result), found
    assert found.transcript.text == LETTERS
    assert tuple(streamed) == found.transcript.segments
    tokens = [token for segment in streamed for token in segment.tokens]
    assert b"".join(token.data for token in tokens).decode().strip() == found.transcript.text
    assert set(PHASES) == set(found.counts)
    assert found.counts["decode"] > 1
    values = found.values
    assert set(values) < set(NAMES)
    assert all(values[name] == rounded(values[name], BY_NAME[name].unit) for name in values)
    # One transcription, so that the first is the one.
    assert values["first_ms"] == values["wall_ms"]
    assert values["cold_start_ms"] == pytest.approx(
        values["start_ms"] + values["open_ms"] + values["first_ms"], abs=0.01
    )
    assert values["encode_ms"] < values["total_ms"] < values["wall_ms"] < took_ms
    assert 0 < values["start_ms"] < took_ms - values["wall_ms"]
    assert values["load_ms"] < values["open_ms"]
    size_bytes = cell.variant.model.path.stat().st_size
    assert size_bytes < values["peak_memory_bytes"] < ballast.nbytes
    assert cells() == []


@pytest.mark.slow
def test_what_comes_first_counts_for_nothing_but_the_cold_start(jfk: Path, reciting: Path) -> None:
    """With beam search native loads its model anew between the two."""
    speech = Audio(audio.load(jfk).samples, "11 s", 12.5)
    options = DecodeOptions(beam_size=2, temperature_increment=0.0, word_timestamps=True)
    streamed: list[Segment] = []
    found = runner.run(cell_of(speech, reciting), options, on_segment=streamed.append)
    assert isinstance(found, runner.Result), found
    values = found.values
    assert found.counts["encode"] == 1  # the window that warmed up would be a second
    segments = found.transcript.segments
    assert [segment.text for segment in streamed] == [segment.text for segment in segments]
    assert "".join(word.text for word in segments[0].words) == segments[0].text
    assert values["cold_start_ms"] > values["open_ms"] + values["first_ms"]
    assert values["real_time_factor"] == pytest.approx(values["wall_ms"] / 11_000, rel=1e-3)
    assert values["audio_decode_ms"] == 12.5
    # Of two threads, however busy the machine is; loading the model and warming up do not count.
    assert 10 < values["cpu_ms"] < 2.05 * values["wall_ms"]


@pytest.mark.slow
def test_a_sandbox_tells_how_large_its_memory_was(jfk: Path, reciting: Path) -> None:
    sizes = {}
    for runtime in ("wasmer", "wasmtime"):
        one = cell_of(audio.load(jfk), reciting, Engine("wasi", runtime))
        found = runner.run(one, OPTIONS, warm_up=False)
        assert isinstance(found, runner.Result), found
        sizes[runtime] = found.values["linear_memory_bytes"]
        assert found.values["module_compile_ms"] > 0 and found.values["instantiate_ms"] > 0
    # The same program, whoever runs it: pages of 64 KiB.
    assert sizes["wasmer"] == sizes["wasmtime"]
    assert sizes["wasmer"] % 65536 == 0
    assert reciting.stat().st_size < sizes["wasmer"] < 1 << 30


def test_a_failure_is_told_in_words(cell: Cell, tmp_path: Path) -> None:
    bad = tmp_path / "ggml-bad.bin"
    bad.write_text("not a model")
    found = runner.run(cell_of(cell.recording.audio, bad), OPTIONS)
    assert isinstance(found, runner.Failure)
    assert str(bad) in found.message
    assert "\n" not in found.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("os.abort()", "its process was killed by SIGABRT"),
        (
            "print('no luck', file=sys.stderr, flush=True) or os._exit(7)",
            "ended with exit code 7: no luck",
        ),
        ("print('out of turn', flush=True) or 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_engine_that_takes_its_process_along_is_a_failure(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    record = tmp_path / "whisperctl_acme-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: whisperctl-acme\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[whisperctl.backends]\nacme = whisperctl_acme:Acme\n")
    (tmp_path / "whisperctl_acme.py").write_text(
        "import os, sys\n\nclass Acme:\n    name, contract, preference = 'acme', 1, 0\n"
        f"    def open(self, model, options):\n        {what}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = cell.variant.model.path
    found = runner.run(cell_of(cell.recording.audio, path, Engine("acme")), OPTIONS)
    assert isinstance(found, runner.Failure)
    assert reason in found.message
    assert cells() == []


@pytest.mark.slow
def test_what_a_callback_raises_ends_the_cell(long_cell: Cell) -> None:
    def stop(segment: Segment) -> None:
        raise LookupError("enough")

    started = time.monotonic()
    with pytest.raises(LookupError, match="enough"):
        runner.run(long_cell, OPTIONS, warm_up=False, on_segment=stop)
    assert cells() == []
    assert time.monotonic() - started < 60


@pytest.fixture
def busy(long_cell: Cell) -> Iterator[WorkerProcess]:
    """A worker in the midst of a recording."""
    process = WorkerProcess(runner.command(), "a test")
    request = runner.request(long_cell, OPTIONS, warm_up=False)
    process.send(records.line(request))
    process.send(long_cell.recording.audio.samples.data)
    assert next(process.answers()).startswith(b'["Segment"')
    yield process
    process.kill()
    end_all([process])
    process.close_answers()


@pytest.mark.slow
def test_a_cell_ends_when_its_parent_is_killed(busy: WorkerProcess) -> None:
    """The parent's end closes the pipe, however it ended."""
    stopped = time.monotonic()
    busy.stop()
    assert busy.exit_summary() == "its process ended with exit code 1"  # and wrote no error
    assert time.monotonic() - stopped < 5


@pytest.mark.slow
def test_ctrl_c_is_the_parents_business(busy: WorkerProcess) -> None:
    os.kill(busy.pid, signal.SIGINT)
    assert next(busy.answers()).startswith(b'["Segment"')
