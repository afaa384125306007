"""The process of one engine, and the parent that starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare import runner, wire
from whisperctl.compare.spec import Job
from whisperctl.decoding import DecodeOptions
from whisperctl.engines import Engine
from whisperctl.transcript import PHASES, Segment

CELL = (sys.executable, "-P", "-m", "whisperctl.compare.cell")
NATIVE = Engine("native", "native")


@pytest.fixture
def job(jfk: Path, tiny_en: Path) -> Job:
    return Job(audio.load(jfk), tiny_en, 2, DecodeOptions(beam_size=1))


@pytest.fixture
def long_job(job: Job) -> Job:
    """Eleven minutes, of which no test sees the end."""
    samples = np.tile(job.audio.samples, 60)
    return Job(Audio(samples, "long"), job.model, job.threads, job.options)


def cells() -> list[psutil.Process]:
    """Processes of cells that this process started."""
    return [p for p in psutil.Process().children() if "whisperctl.compare.cell" in p.cmdline()]


def test_segments_stream_and_the_transcript_comes_whole(job: Job) -> None:
    streamed: list[Segment] = []
    cell = runner.run(NATIVE, job, streamed.append)
    assert cell.error == ""
    assert cell.transcript is not None
    assert "country can do for you" in cell.transcript.text
    assert tuple(streamed) == cell.transcript.segments
    assert set(PHASES) == set(cell.transcript.timings.phases)
    assert cell.transcript.timings.phases["decode"].runs > 1
    assert cell.transcript.timings.audio_decode_ms == job.audio.decode_ms
    assert cell.open_ms is not None and cell.open_ms > 0
    assert cells() == []


def test_memory_is_the_cells_own(job: Job) -> None:
    ballast = np.ones(60_000_000)  # 480 MB in this process
    cell = runner.run(NATIVE, job)
    assert cell.transcript is not None
    peak = cell.transcript.timings.peak_memory_bytes
    assert peak is not None
    assert job.model.stat().st_size < peak < ballast.nbytes


def test_a_failure_is_told_in_words(job: Job, tmp_path: Path) -> None:
    bad = tmp_path / "ggml-bad.bin"
    bad.write_text("not a model")
    cell = runner.run(NATIVE, Job(job.audio, bad, 1, job.options))
    assert cell.transcript is None
    assert str(bad) in cell.error
    assert "\n" not in cell.error


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("os.abort()", "its process was ended by SIGABRT"),
        (
            "print('no luck', file=sys.stderr, flush=True) or os._exit(7)",
            "ended with exit code 7: no luck",
        ),
        ("print('out of turn', flush=True) or 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_engine_that_takes_its_process_along_is_a_failure(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    record = tmp_path / "whisperctl_acme-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: whisperctl-acme\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[whisperctl.backends]\nacme = whisperctl_acme:Acme\n")
    (tmp_path / "whisperctl_acme.py").write_text(
        "import os, sys\n\nclass Acme:\n    name = 'acme'\n"
        f"    def open(self, model, *, threads, runtime=None):\n        {what}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cell = runner.run(Engine("acme"), job)
    assert cell.transcript is None
    assert reason in cell.error
    assert cells() == []


def test_what_a_callback_raises_ends_the_cell(long_job: Job) -> None:
    def stop(segment: Segment) -> None:
        raise LookupError("enough")

    started = time.monotonic()
    with pytest.raises(LookupError, match="enough"):
        runner.run(NATIVE, long_job, stop)
    assert cells() == []
    assert time.monotonic() - started < 60


def test_a_cell_ends_when_its_parent_is_killed(long_job: Job) -> None:
    """The parent's end closes the pipe, however it ended."""
    with subprocess.Popen(
        CELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(wire.line(wire.request(NATIVE, long_job)))
        process.stdin.write(long_job.audio.samples.data)
        process.stdin.flush()
        assert b'"segment"' in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=5) == 1
        assert process.stderr.read() == b""


def test_ctrl_c_is_the_parents_business(long_job: Job) -> None:
    with subprocess.Popen(CELL, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(wire.line(wire.request(NATIVE, long_job)))
        process.stdin.write(long_job.audio.samples.data)
        process.stdin.flush()
        assert b'"segment"' in process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        assert b'"segment"' in process.stdout.readline()
        process.kill()
