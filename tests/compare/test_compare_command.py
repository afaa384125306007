"""``whisperctl compare`` as a person runs it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from whisperctl import audio

if TYPE_CHECKING:
    from tests.compare.conftest import RealRun
    from tests.conftest import Cli, MakePlugin

GREEDY = ("--beam-size", "1", "--language", "en")
NATIVE = ("-b", "native", "--no-warm-up", *GREEDY)
FAKE = ("-b", "fake/fake", "--no-warm-up", *GREEDY)
ENGINES = ("native", "wasi/wasmtime")
ACME = """
import time
from whisperctl.engine.protocol import BackendInfo, RuntimeInfo
from whisperctl.errors import BackendError

class Acme:
    name, contract, preference = "acme", 1, 0

    def describe(self):
        return BackendInfo("acme", "9.9", "Acme's engine", (RuntimeInfo("acme", "1"),))

    def open(self, model, options):
        raise BackendError("the engine is on strike")
"""


@pytest.fixture(scope="module")
def clip(jfk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first four seconds, in a file whose name needs care."""
    path = tmp_path_factory.mktemp("clips") / "my <b>talk, née.wav"
    with wave.open(str(jfk)) as long, wave.open(str(path), "wb") as short:
        short.setparams(long.getparams())
        short.writeframes(long.readframes(4 * long.getframerate()))
    return path


@pytest.mark.slow
def test_everything_is_combined_with_everything(fake: Cli, clip: Path, jfk: Path) -> None:
    references = fake.directory / "references"
    references.mkdir()
    (references / "jfk.txt").write_text(jfk.with_suffix(".txt").read_text("utf-8"), "utf-8")
    engines = ("fake", "fake/slow")
    done = fake.here(
        *("compare", clip, jfk, "-b", ",".join(engines), "-t", "1", "--reference", references),
        *("--no-warm-up", "--json"),
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [one["label"] for one in found["recordings"]] == [clip.name, "jfk.wav"]
    assert [(one["label"], one["threads"]) for one in found["variants"]] == [
        (label, 1) for label in engines
    ]
    combined = [(cell["recording"], cell["variant"]) for cell in found["cells"]]
    assert combined == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not any(cell["error"] for cell in found["cells"])
    assert {cell["baseline"] for cell in found["cells"]} == {0}
    assert [cell["difference"] is None for cell in found["cells"]] == [True, True, False, False]
    assert "née.wav has no reference" in done.err


@pytest.mark.slow
class TestARealRun:
    def test_every_cell_is_measured_twice(self, real_run: RealRun) -> None:
        assert [one.label for one in real_run.comparison.variants] == list(ENGINES)
        for cell in real_run.comparison.cells:
            assert not cell.error
            assert [run.repeat for run in cell.runs] == [0, 1]
            assert cell.baseline == 0

    def test_the_numbers_are_of_the_work_that_was_done(self, real_run: RealRun) -> None:
        for cell in real_run.comparison.cells:
            recording = real_run.comparison.recordings[cell.recording]
            variant = real_run.comparison.variants[cell.variant]
            for run in cell.runs:
                values = run.values
                assert run.counts["encode"] == 1
                assert values["encode_ms"] <= values["total_ms"] <= values["wall_ms"] * 1.01
                assert values["real_time_factor"] == pytest.approx(
                    values["wall_ms"] / 1000 / recording.duration_s, rel=1e-3
                )
                assert values["cold_start_ms"] == pytest.approx(
                    values["start_ms"] + values["open_ms"] + values["first_ms"], abs=0.01
                )
                assert variant.threads == 1
                assert 0 < values["cpu_ms"] < values["wall_ms"] * (variant.threads + 0.5)
                assert values["peak_memory_bytes"] > 30e6
                assert ("linear_memory_bytes" in values) == ("wasi" in variant.label)

    def test_the_engines_say_the_same(self, real_run: RealRun) -> None:
        for cell in real_run.comparison.cells:
            assert cell.stable
            assert cell.text_group == "A"
            if cell.baseline != cell.variant:
                assert cell.agreement is not None and cell.agreement.tokens is not None
                assert cell.agreement.difference.identical
                assert cell.agreement.tokens.rate == 1.0

    def test_errors_are_counted_where_there_is_a_reference(self, real_run: RealRun) -> None:
        for cell in real_run.comparison.cells:
            assert cell.difference is not None
            assert cell.difference.normalized_wer.substitutions == 1
            assert cell.difference.normalized_wer.rate == pytest.approx(1 / 22)
            assert cell.difference.wer.n_reference == 22

    def test_the_table_fits_eighty_columns_and_is_plain_in_a_pipe(self, real_run: RealRun) -> None:
        progress = [line for line in real_run.errors.splitlines() if " wrote " not in line]
        assert len(progress) == 4
        for line, n in zip(progress, range(1, 5), strict=True):
            assert re.fullmatch(rf"whisperctl: {n}/4 (native|wasi/wasmtime): \d+\.\d s", line)
        assert "\x1b" not in real_run.table
        lines = [line for line in real_run.table.splitlines() if not line.startswith("[")]
        assert max(map(len, lines)) <= 80
        assert "my fellow Americans" in real_run.table
        for row in ("audio decode", "load", "encode", "decode", "wall", "CPU time", "peak memory"):
            assert re.search(rf"^{row} +[\d.]+", real_run.table, re.MULTILINE), row
        assert re.search(r"^decode +[\d.]+ \(\d+ x [\d.]+\)", real_run.table, re.MULTILINE)

    def test_the_document_says_what_was_compared_and_where(
        self, real_run: RealRun, jfk: Path
    ) -> None:
        comparison = real_run.comparison
        recording, model = comparison.recordings[0], comparison.models[0]
        samples = audio.load(jfk).samples
        assert recording.samples_sha256 == hashlib.sha256(samples.data).hexdigest()
        assert recording.file_sha256 == hashlib.sha256(jfk.read_bytes()).hexdigest()
        assert model.sha256 == hashlib.sha256(real_run.model.read_bytes()).hexdigest()
        assert (model.name, model.quant) == ("tiny.en", "f16")
        native, wasi = comparison.engines
        assert native.files == {} and "CPU" in native.system_info
        (digest,) = wasi.files.values()
        module = Path(__file__).parents[2] / "backends/wasi/src/whisperctl_wasi"
        assert digest == hashlib.sha256((module / next(iter(wasi.files))).read_bytes()).hexdigest()
        assert comparison.machine.cpu and comparison.machine.processors >= 1
        assert comparison.parameters["beam_size"] == 1
        assert {"whisperctl-asr", "pywhispercpp", "wasmtime", "numpy"} <= set(comparison.packages)
        assert comparison.command[0] == "compare"

    def test_a_document_is_shown_again_without_measuring(self, real_run: RealRun, cli: Cli) -> None:
        run = real_run.document
        done = cli("compare", "--show", run, "--phases", "-o", "again.html", "-o", "again.json")
        assert done.code == 0
        assert done.out == real_run.table
        assert (cli.directory / "again.json").read_bytes() == run.read_bytes()
        page = (cli.directory / "again.html").read_text("utf-8")
        assert page == real_run.html.read_text("utf-8")

    def test_a_run_is_repeated_from_its_document(self, real_run: RealRun, cli: Cli) -> None:
        run = real_run.document
        done = cli(
            *("compare", "--from", run, "--repeat", "1", "--json"),
            *("--fail-if", "drift.wer>0", "--fail-if", "drift<1000"),
        )
        assert done.code == 1
        failures = [line for line in done.err.splitlines() if "error: " in line]
        assert len(failures) == 2
        assert all("drift<1000: it is " in line for line in failures)
        again = json.loads(done.out)
        for name in ("recordings", "models", "engines", "variants", "parameters"):
            assert again[name] == real_run.json[name]
        assert again["drift"]["date"] == real_run.json["date"]
        assert again["drift"]["changes"] == []
        assert {cell["text"] for cell in again["drift"]["cells"]} == {"same"}
        for cell, before, drift in zip(
            again["cells"], real_run.json["cells"], again["drift"]["cells"], strict=True
        ):
            now, then = (c["stats"]["wall_ms"]["median"] for c in (cell, before))
            assert drift["ratios"]["wall_ms"]["value"] == pytest.approx(now / then, rel=1e-3)


@pytest.mark.slow
def test_standard_input_can_be_compared_but_not_repeated(fake: Cli, clip: Path) -> None:
    done = fake("compare", "-", *FAKE, "-o", "run.json", stdin=clip.read_bytes())
    assert done.code == 0
    again = fake.here("compare", "--from", "run.json")
    assert again.code == 2
    assert "came from standard input and is gone" in again.err


@pytest.mark.slow
def test_a_run_is_repeated_elsewhere_with_its_recording_beside_it(fake: Cli, clip: Path) -> None:
    here, there = fake.directory / "here", fake.directory / "there"
    here.mkdir()
    (here / "talk.wav").write_bytes(clip.read_bytes())
    done = fake.here("compare", here / "talk.wav", *FAKE, "-o", here / "run.json")
    assert done.code == 0
    here.rename(there)
    again = fake.here("compare", "--from", there / "run.json", "--fail-if", "drift.wer>0")
    assert (again.code, again.err.count("\n")) == (0, 1)


@pytest.mark.slow
def test_a_cell_that_fails_does_not_stop_the_others(
    fake: Cli, clip: Path, plugin: MakePlugin
) -> None:
    sites = fake.settings["PYTHONPATH"], plugin("acme", ACME)["PYTHONPATH"]
    env = {"PYTHONPATH": os.pathsep.join(sites)}
    arguments = ("compare", clip, "-b", "acme", *FAKE)
    done = fake.here(*arguments, "--repeat", "2", "-o", "run.json", env=env)
    assert done.code == 1
    assert [line for line in done.err.splitlines() if " s" not in line[-3:]] == [
        "whisperctl: error: acme failed: the engine is on strike",
        'whisperctl: wrote "run.json"',
    ]
    assert "acme" in done.out and "the engine is on strike" in done.out
    failed, worked = json.loads((fake.directory / "run.json").read_text())["cells"]
    assert failed["error"] == "the engine is on strike"
    assert len(worked["runs"]) == 2


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_where_it_was(fake: Cli, clip: Path) -> None:
    arguments = ("compare", clip, *FAKE, "--repeat", "30", "--format", "json")
    process = fake.start(*arguments)
    state = fake.directory.parent / "state"
    deadline = time.monotonic() + 60
    while sum(path.read_bytes().count(b"\n") for path in state.glob("*.jsonl")) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    n_kept = int(re.findall(rb"(\d+) runs? (?:is|are) kept: .*--resume", errors)[0])
    assert n_kept >= 2
    done = fake.here(*arguments[:-4], "--repeat", str(n_kept + 1), "--format", "json", "--resume")
    (cell,) = json.loads(done.out)["cells"]
    assert [run["repeat"] for run in cell["runs"]] == list(range(n_kept + 1))
    assert not list(state.glob("*.jsonl"))


@pytest.mark.slow
def test_conditions_decide_the_exit_code(fake: Cli, clip: Path) -> None:
    reference = clip.with_name("said.txt")
    reference.write_text("And so, my fellow Martians", "utf-8")
    done = fake.here(
        *("compare", clip, *FAKE, "--reference", reference),
        *("--fail-if", "normalized_wer>0.1", "--fail-if", "wer>9", "--format", "csv"),
    )
    assert done.code == 1
    _, line = done.err.splitlines()
    assert line.startswith("whisperctl: error: normalized_wer>0.1: it is ")
    assert line.endswith(f"with fake on {clip.name}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "no input files"),
        (("{jfk}", "-b", "natve"), 2, 'did you mean "native"?'),
        (("{jfk}", "-b", "wasi/wasmtim"), 2, 'did you mean "wasmtime"?'),
        (("{jfk}", "--language", "gremlin"), 2, '"gremlin"'),
        (("{jfk}", "-t", "0"), 2, "threads must be 1 or more"),
        (("{jfk}", "--repeat", "0"), 2, "repeat must be from 1"),
        (("{jfk}", "--format", "pdf"), 2, 'unknown format "pdf"'),
        (("{jfk}", "-o", "report"), 2, '"report" does not show a format'),
        (("{jfk}", "-o", "no/such/report.html"), 1, "there is no directory"),
        (("{jfk}", "-f", "json", "-o", "{jfk}"), 2, "would replace the input"),
        (("{jfk}", "--reference", "r.csv", "-o", "r.csv"), 2, "would replace the input"),
        (("{jfk}", "--fail-if", "wer"), 2, "is not a condition"),
        (("{jfk}", "--baseline", "wasmer"), 2, 'unknown baseline "wasmer"'),
        (("{jfk}", "--reference", "gone.txt"), 2, '"gone.txt"'),
        (("no such file.wav",), 1, '"no such file.wav" does not exist'),
        (("-", "-"), 2, "standard input can be read only once"),
        (("--from", "gone.json"), 2, '"gone.json" cannot be read'),
        (("{jfk}", "--from", "gone.json"), 2, "--from defines what to compare: give no files"),
        (("--show", "a.json", "--from", "b.json"), 2, "give one of them"),
        (("--from", "a.json", "--threads", "1", "--beam-size", "2"), 2, "--threads, --beam-size"),
        (("--show", "a.json", "--repeat", "2"), 2, "--repeat has no effect with --show"),
        (("{jfk}", "--fail-if", "drift>1"), 2, '"drift>1" can never hold'),
        (("--show", "gone.json"), 2, '"gone.json" cannot be read'),
        (("run.json",), 2, '"run.json" is not a recording: show a saved comparison with --show'),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    cli: Cli, jfk: Path, tiny_en: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    typed = [text.replace("{jfk}", str(jfk)) for text in arguments]
    documents = "--from" in arguments or "--show" in arguments
    model = () if documents else ("-m", tiny_en)
    engine = () if "-b" in arguments or documents else ("-b", "native")
    done = cli.here("compare", *typed, *model, *engine)
    assert (done.code, done.out) == (code, "")
    assert done.err.count("\n") == 1
    assert message in done.err


def test_a_document_defines_what_to_compare_whatever_is_configured(cli: Cli) -> None:
    (cli.directory / "c.toml").write_text(
        'model = "base"\nthreads = 2\ntask = "translate"\n[compare]\nbackend = "native"\n'
    )
    env = {"WHISPERCTL_CONFIG": "c.toml", "WHISPERCTL_MODEL": "tiny", "WHISPERCTL_BEAM_SIZE": "1"}
    gone = {"--plan": "does not exist", "--from": "cannot be read", "--show": "cannot be read"}
    for option, said in gone.items():
        done = cli.here("compare", option, "gone", env=env)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert f'"gone" {said}' in done.err

    (cli.directory / "plan.toml").write_text(
        'recordings = ["a.wav"]\nengines = ["native"]\nmodels = ["tiny.en"]\n'
    )
    done = cli.here("compare", "--plan", "plan.toml", env={"WHISPERCTL_THREADS": "2"})
    assert done.err == "whisperctl: error: the plan has no threads: list one or more\n"


def test_engines_that_cannot_be_used_are_left_out_aloud(
    cli: Cli, tiny_en: Path, plugin: MakePlugin
) -> None:
    env = plugin("acme", "raise OSError('libacme.so')\n")
    done = cli.here("compare", "no such file.wav", "-m", tiny_en, env=env)
    assert done.code == 1
    note, error = done.err.splitlines()
    assert note.startswith("whisperctl: acme is left out: ")
    assert "libacme.so" in note
    assert error == 'whisperctl: error: "no such file.wav" does not exist: check the name'


@pytest.mark.slow
def test_a_model_from_the_environment_may_have_spaces_in_its_name(
    fake: Cli, clip: Path, model: Path
) -> None:
    spaced = fake.directory / "my model.bin"
    spaced.symlink_to(model)
    env = {"WHISPERCTL_MODEL": str(spaced), "WHISPERCTL_THREADS": "1"}
    done = fake.here("compare", clip, *FAKE, "--json", env=env)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["models"][0]["path"] == str(spaced)
    assert [variant["threads"] for variant in result["variants"]] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_no_process_is_left_behind(
    cli: Cli, long_talk: Path, tiny_en: Path, number: signal.Signals
) -> None:
    process = cli.start("compare", long_talk, "-m", tiny_en, "-b", "wasi/wasmtime", "--no-warm-up")
    cell: list[psutil.Process] = []
    while not cell:
        assert process.poll() is None
        time.sleep(0.05)
        cell = [p for p in psutil.Process(process.pid).children() if _is_cell(p)]
    family = [*cell]
    while sum(one.cpu_times().user for one in family) < 1.0:  # until it computes
        assert process.poll() is None
        time.sleep(0.05)
        family = [*cell, *cell[0].children(recursive=True)]
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert psutil.wait_procs(family, timeout=4)[1] == []
    if number == signal.SIGINT:
        assert (process.returncode, errors) == (130, b"whisperctl: interrupted\n")


def _is_cell(process: psutil.Process) -> bool:
    try:
        return "whisperctl.compare.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
