"""Measuring plans, with the fake backend: order, failures, what is kept, and going on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.compare import measure as measuring
from whisperctl.compare.measure import Estimate, Journal, Step, measure
from whisperctl.compare.plan import Cell, Plan, PreparedRecording, Variant, prepare
from whisperctl.compare.result import Measurement, ModelFile, Run
from whisperctl.engine.registry import Engine
from whisperctl.options import DecodeOptions
from whisperctl.storage import state
from whisperctl.transcript import Segment, Transcript

QUICK = Engine("fake", "fake")
SLOW = Engine("fake", "slow")
GREEDY = DecodeOptions(language="en", beam_size=1, temperature_increment=0.0)


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(state.DIRECTORY_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def fake_backend(fake_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake backend, here and in the processes of cells."""
    monkeypatch.syspath_prepend(fake_site)
    monkeypatch.setenv("PYTHONPATH", str(fake_site))


@pytest.fixture(scope="module")
def recordings(jfk: Path) -> tuple[PreparedRecording, ...]:
    """The first and the last five seconds of the sample."""
    samples = audio.load(jfk).samples
    n = 5 * audio.SAMPLE_RATE
    return (
        prepare("first", jfk, Audio(samples[:n], "first")),
        prepare("last", jfk, Audio(samples[-n:].copy(), "last")),
    )


def plan_of(
    recordings: Sequence[PreparedRecording], model: Path, *engines: Engine, repeats: int = 1
) -> Plan:
    weights = ModelFile("tiny.en", "f16", model)
    variants = tuple(Variant(engine, weights, 1) for engine in engines)
    return Plan(tuple(recordings), variants, GREEDY, repeats, warm_up=False)


def places(steps: Sequence[Step], state: str) -> list[tuple[int, str, str]]:
    """Repeat, recording and engine of the steps in this state, in order."""
    return [
        (step.repeat, step.cell.recording.label, step.cell.variant.engine.label)
        for step in steps
        if step.state == state
    ]


@pytest.mark.slow
def test_every_cell_is_measured_in_turns_and_the_first_transcript_kept(
    recordings: tuple[PreparedRecording, ...], model: Path
) -> None:
    plan = plan_of(recordings, model, QUICK, SLOW, repeats=2)
    steps: list[Step] = []
    streamed: list[Segment] = []
    began = time.monotonic()
    found = measure(plan, on_step=steps.append, on_segment=streamed.append)
    took_s = time.monotonic() - began

    assert tuple(found) == plan.cells
    done = places(steps, "done")
    quick, slow = "fake", "fake/slow"
    assert done[:4] == [
        (0, "first", quick),
        (0, "first", slow),
        (0, "last", quick),
        (0, "last", slow),
    ]
    assert done[4:] == [
        (1, "last", slow),
        (1, "last", quick),
        (1, "first", slow),
        (1, "first", quick),
    ]
    assert places(steps, "running") == done
    assert [step.n_done for step in steps] == [n // 2 for n in range(1, 17)]
    assert {step.n_total for step in steps} == {8}
    assert steps[0].eta_s is None and steps[-1].eta_s == 0
    etas = [step.eta_s for step in steps[1:]]
    assert all(0 < eta < 10 * took_s for eta in etas[:-1] if eta is not None)
    assert sum(step.took_s for step in steps) <= steps[-1].elapsed_s <= took_s

    texts = {cell.recording.label: m.transcript.text for cell, m in found.items() if m.transcript}
    assert "" != texts["first"] != texts["last"] != ""
    for cell, measurement in found.items():
        assert measurement.error == "" and measurement.stable
        assert [run.repeat for run in measurement.runs] == [0, 1]
        assert measurement.runs[0].counts == measurement.runs[1].counts
        assert measurement.runs[0].values != measurement.runs[1].values
        assert measurement.transcript is not None and measurement.transcript.segments[0].tokens
        last = [step.measurement for step in steps if step.cell == cell][-1]
        assert last == measurement
    segments = [s for m in found.values() if m.transcript for s in m.transcript.segments]
    assert len(streamed) == 2 * len(segments) and set(segments) <= set(streamed)


@pytest.mark.slow
def test_what_fails_is_not_tried_again_and_the_others_go_on(
    recordings: tuple[PreparedRecording, ...], model: Path, tmp_path: Path
) -> None:
    """One model is refused, and one is lost between two repeats."""
    bad, lost, away = (tmp_path / f"ggml-{name}.bin" for name in ("bad", "lost", "away"))
    bad.write_bytes(model.read_bytes()[:-10_000])
    shutil.copy(model, lost)
    variants = tuple(
        Variant(QUICK, ModelFile(path.stem, "f16", path), 1) for path in (bad, model, lost)
    )
    plan = Plan(recordings[:1], variants, GREEDY, 3, warm_up=False)
    steps: list[Step] = []

    def on_step(step: Step) -> None:
        steps.append(step)
        if (step.state, step.n_done) == ("done", 5):
            lost.rename(away)

    with Journal.open(plan, resume=False) as journal:
        refused, whole, cut_short = measure(plan, on_step=on_step, journal=journal).values()
    assert str(bad) in refused.error and refused.runs == () and refused.transcript is None
    assert whole.error == "" and len(whole.runs) == 3
    assert str(lost) in cut_short.error and len(cut_short.runs) == 1
    assert cut_short.transcript is not None
    failed = [step for step in steps if step.state == "failed"]
    assert [(step.error, step.n_done) for step in failed] == [
        (refused.error, 3),
        (cut_short.error, 8),
    ]
    assert steps[-1].n_done == steps[-1].n_total == 9

    # Once what was wrong is mended, failed cells are tried again, and nothing else.
    away.rename(lost)
    steps.clear()
    with Journal.open(plan, resume=True) as journal:
        found = measure(replace(plan, repeats=2), on_step=steps.append, journal=journal)
    assert [len(one.runs) for one in found.values()] == [0, 2, 2]
    assert [step.state for step in steps if step.state != "running"] == [
        *["resumed"] * 3,
        "failed",
        "done",
    ]


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on_and_measures_nothing_twice(
    recordings: tuple[PreparedRecording, ...], model: Path, state_directory: Path
) -> None:
    plan = plan_of(recordings[:1], model, QUICK, repeats=2)

    def interrupt(step: Step) -> None:
        if (step.state, step.repeat) == ("running", 1):
            raise KeyboardInterrupt

    with Journal.open(plan, resume=False) as journal, pytest.raises(KeyboardInterrupt):
        measure(plan, on_step=interrupt, journal=journal)
    (path,) = state_directory.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"key": "torn')

    steps: list[Step] = []
    with Journal.open(plan, resume=True) as journal:
        (kept,) = journal.kept(plan.cells[0]).values()
        (found,) = measure(plan, on_step=steps.append, journal=journal).values()
        assert journal.problem == ""
    assert [step.state for step in steps] == ["resumed", "running", "done"]
    assert steps[0].eta_s is not None and steps[0].eta_s > 0
    assert found.runs[0] == kept.run and len(found.runs) == 2
    assert found.transcript == kept.transcript and found.stable

    # More repeats go on from there, fewer need nothing, and done is done.
    steps.clear()
    more = replace(plan, repeats=3)
    with Journal.open(more, resume=True) as journal:
        (found,) = measure(more, on_step=steps.append, journal=journal).values()
    assert [step.state for step in steps] == ["resumed", "resumed", "running", "done"]
    assert len(found.runs) == 3
    with Journal.open(plan, resume=True) as journal:
        again: dict[Cell, Measurement] = measure(plan, journal=journal)
        journal.done()
    assert [m.runs for m in again.values()] == [found.runs[:2]]
    assert list(state_directory.iterdir()) == []
    with Journal.open(plan, resume=True) as journal:
        assert journal.kept(plan.cells[0]) == {}


@pytest.fixture
def entries(recordings: tuple[PreparedRecording, ...], model: Path) -> Plan:
    """A plan of which one run is in the journal."""
    plan = plan_of(recordings, model, QUICK)
    with Journal.open(plan, resume=False) as journal:
        run = Run(0, {"wall_ms": 1.5, "cold_start_ms": 2.0}, {"encode": 1})
        transcript = Transcript((Segment(0.0, 1.0, " hi"),), "en", 1.0)
        journal.add(plan.cells[0], run, transcript, whole_transcript=True)
    return plan


def kept(plan: Plan) -> int:
    with Journal.open(plan, resume=True) as journal:
        return sum(len(journal.kept(cell)) for cell in plan.cells)


def test_a_journal_is_of_all_that_numbers_depend_on(
    entries: Plan,
    recordings: tuple[PreparedRecording, ...],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert kept(entries) == 1
    assert kept(replace(entries, repeats=7)) == 1
    assert kept(replace(entries, recordings=recordings[::-1])) == 1
    copied = tmp_path / "ggml-tiny.en.bin"
    shutil.copy(model, copied)
    others = [
        plan_of(recordings, copied, QUICK),
        plan_of(recordings, model, SLOW),
        plan_of(recordings[:1], model, QUICK),
        replace(entries, warm_up=True),
        replace(entries, options=replace(GREEDY, beam_size=2)),
        replace(entries, variants=(replace(entries.variants[0], threads=2),)),
    ]
    for other in others:
        assert kept(other) == 0
    monkeypatch.setattr(measuring, "__version__", "0.0.1")
    assert kept(entries) == 0


def test_without_resume_what_was_kept_is_dropped(entries: Plan) -> None:
    Journal.open(entries, resume=False).close()
    assert kept(entries) == 0


def test_two_comparisons_never_share_a_journal(
    entries: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_WAIT_S", 0.0)
    with Journal.open(entries, resume=True), Journal.open(entries, resume=True) as second:
        assert "another process measures the same" in second.problem
        assert "--resume" in second.problem
        second.failed(entries.cells[0], "no")
        second.done()
    assert kept(entries) == 1


def test_a_journal_that_cannot_be_written_is_done_without(
    recordings: tuple[PreparedRecording, ...], model: Path, state_directory: Path
) -> None:
    state_directory.write_text("a file where the directory should be")
    plan = plan_of(recordings[:1], model, QUICK)
    with Journal.open(plan, resume=True) as journal:
        assert "cannot be written" in journal.problem
        assert journal.kept(plan.cells[0]) == {}
        journal.failed(plan.cells[0], "no")
        journal.done()


def test_slow_cells_count_as_slow(
    recordings: tuple[PreparedRecording, ...], model: Path, tmp_path: Path
) -> None:
    large = tmp_path / "ggml-large.bin"
    with large.open("wb") as file:
        file.truncate(10 * model.stat().st_size)
    tiny, slow = ModelFile("tiny.en", "f16", model), ModelFile("large", "f16", large)
    cells = {
        (engine.label, weights.name, threads): Cell(
            recordings[0], Variant(engine, weights, threads)
        )
        for engine in (QUICK, SLOW)
        for weights in (tiny, slow)
        for threads in (1, 2)
    }
    estimate = Estimate(warm_up=True)
    left = dict.fromkeys(cells.values(), 1)
    assert estimate.left_s(left) is None
    estimate.add(cells["fake", "tiny.en", 1], 4.0)
    assert estimate.left_s({cells["fake", "tiny.en", 1]: 2}) == 8.0
    assert estimate.left_s({cells["fake", "tiny.en", 2]: 1}) == 2.0
    assert estimate.left_s({cells["fake", "large", 1]: 1}) == pytest.approx(40.0)
    # What is known of the model itself says more than another model's size.
    estimate.add(cells["fake/slow", "large", 1], 100.0)
    assert estimate.left_s({cells["fake", "large", 1]: 1}) == 100.0
    estimate.add(cells["fake", "tiny.en", 1], 6.0)
    assert estimate.left_s({cells["fake", "tiny.en", 1]: 1}) == 5.0


MAIN = """
import sys
from pathlib import Path
from tests.compare.test_compare_measure import *
samples = audio.load(sys.argv[1]).samples
recording = prepare("a", None, Audio(samples, "a"))
plan = plan_of([recording], Path(sys.argv[2]), SLOW, repeats=999)
with Journal.open(plan, resume=False) as journal:
    measure(plan, on_step=lambda step: print(step.state, step.n_done, flush=True), journal=journal)
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_all_it_had_measured(
    jfk: Path, model: Path, state_directory: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(jfk), str(model)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, state.DIRECTORY_VARIABLE: str(state_directory)},
    )
    try:
        assert process.stdout is not None
        while process.stdout.readline() != "running 1\n":
            assert process.poll() is None
        time.sleep(0.3)
        children = psutil.Process(process.pid).children()
        assert len(children) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Its input ends with its parent.
        assert psutil.wait_procs(children, timeout=5)[1] == []
    finally:
        process.kill()
        process.communicate()
    samples = audio.load(jfk).samples
    plan = plan_of([prepare("a", None, Audio(samples, "a"))], model, SLOW, repeats=1)
    assert kept(plan) == 1
