"""``python -m bench`` as a person runs it, on real engines."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from bench import table
from bench.document import ratios
from bench.plan import OPTIONS
from whisperctl import audio
from whisperctl.compare.result import Measurement, Run
from whisperctl.compare.statistics import stat

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--models", "tiny.en", "--formats", "f16", "--threads", "1", "--recordings", "jfk")
COMMAND = (sys.executable, "-m", "bench")


def bench(*arguments: str | Path, models: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if models is not None:
        environment["WHISPERCTL_MODELS"] = str(models)
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def rows(out: str) -> list[dict[str, str]]:
    """The rows of Markdown tables."""
    found = []
    headings: list[str] = []
    for line in out.splitlines():
        if not line.startswith("| "):
            continue
        values = [value.strip() for value in line.strip("|").split("|")]
        if values[0] == table.HEADINGS[0]:
            headings = values
        else:
            found.append(dict(zip(headings, values, strict=True)))
    return found


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, tiny_en: Path
) -> tuple[dict[str, Any], str, Path]:
    """A document, what was printed with it, and its file."""
    path = tmp_path_factory.mktemp("bench") / "made" / "bench.json"
    arguments = ("--engines", "native", "wasmtime", "--repeats", "2", "--markdown")
    done = bench(*SMALL, *arguments, "--output", path)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text("utf-8")), done.stdout, path


@pytest.mark.slow
def test_the_document_has_the_samples_their_medians_and_where_they_are_from(
    measured: tuple[dict[str, Any], str, Path], jfk: Path, tiny_en: Path
) -> None:
    document, _, _ = measured
    assert document["complete"] is True
    assert document["machine"]["cpu"] and document["machine"]["cpu_flags"]
    assert len(document["machine"]["load_average"]) == 3
    assert document["models"]["ggml-tiny.en.bin"]["published_as"] == "tiny.en"
    sha256 = hashlib.sha256(audio.load(jfk).samples.data).hexdigest()
    assert document["recordings"]["jfk"]["samples_sha256"] == sha256
    assert document["parameters"]["beam_size"] == OPTIONS.beam_size == 1
    assert document["parameters"]["temperature_increment"] == 0
    assert all(document["engines"]["wasmtime"]["versions"].values())
    native, wasmtime = document["cells"]
    assert (native["engine"], wasmtime["engine"]) == ("native", "wasmtime")
    for cell in (native, wasmtime):
        assert cell["error"] is None
        assert cell["steady"] is True
        assert "country can do for you" in cell["text"]
        assert "CPU : " in cell["system_info"]
        assert len(cell["samples"]) == 2
        for name, value in cell["median"].items():
            assert value == stat([sample[name] for sample in cell["samples"]]).median
        values = cell["median"]
        assert values["peak_memory_bytes"] > tiny_en.stat().st_size
        assert values["real_time_factor"] == pytest.approx(values["wall_ms"] / 11_000, rel=1e-4)
        assert 0 < values["encode_ms"] < values["total_ms"]
        assert cell["runs"]["decode"] > 10
        within_repeats = [
            sample["total_ms"] / other["total_ms"]
            for sample, other in zip(cell["samples"], native["samples"], strict=True)
        ]
        assert cell["ratio"]["total_ms"] == pytest.approx(median(within_repeats), rel=1e-4)
    assert wasmtime["difference"]["identical"] is (wasmtime["text"] == native["text"])
    assert wasmtime["same_runs"] is (wasmtime["runs"] == native["runs"])
    assert wasmtime["median"]["module_compile_ms"] > 0


def test_a_ratio_is_the_median_of_the_ratios_within_each_repeat() -> None:
    """The machine gets slower from repeat to repeat, and the medians are of different ones."""
    fast = {0: 10.0, 1: 20.0, 2: 100.0}
    slow = {2: 150.0, 0: 15.0, 1: 80.0}

    assert ratios(runs(slow), runs(fast))["wall_ms"] == 1.5
    assert ratios(runs(slow), runs({0: 10.0}))["wall_ms"] == 1.5
    assert ratios(runs(slow), runs({3: 10.0}))["wall_ms"] is None
    assert ratios(runs(slow), runs(fast))["encode_ms"] is None


def runs(wall_ms: dict[int, float]) -> Measurement:
    return Measurement(tuple(Run(n, {"wall_ms": value}, {}) for n, value in wall_ms.items()))


@pytest.mark.slow
def test_the_table_says_what_the_document_says(
    measured: tuple[dict[str, Any], str, Path],
) -> None:
    document, out, path = measured
    printed = rows(out)
    assert len(printed) == len(document["cells"]) == 2
    for row, cell in zip(printed, document["cells"], strict=True):
        assert row["engine"] == cell["label"]
        for column in table.COLUMNS:
            value = cell["median"].get(column.name)
            if value is None:
                assert row[column.heading] == "-"
                continue
            scale = 2**20 if column.heading == "MiB" else 1
            # Three digits at least, or none behind the point.
            assert float(row[column.heading]) == pytest.approx(value / scale, rel=0.005, abs=0.51)
        assert row["runs"].rstrip("*") == str(cell["runs"]["decode"])
        assert float(row["total x"].rstrip("*")) == round(cell["ratio"]["total_ms"], 2)
    assert printed[0]["total x"] == "1.00"
    assert document["machine"]["cpu"] in out
    assert document["date"] in out
    again = bench("--show", path, "--markdown")
    assert (again.returncode, again.stdout) == (0, out)
    plain = bench("--show", path).stdout
    for row in printed:
        assert row["encode"] in plain


@pytest.mark.slow
def test_what_fails_is_reported_and_the_rest_goes_on(tiny_en: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(tiny_en, models / "ggml-tiny.en.bin")
    with (models / "ggml-tiny.en.bin").open("rb") as whole:
        (models / "ggml-tiny.en-q8_0.bin").write_bytes(whole.read(20_000_000))
    path = tmp_path / "bench.json"
    done = bench(
        *("--models", "tiny.en", "--formats", "q8_0", "f16", "q5_1", "--threads", "1"),
        *("--recordings", "jfk", "--engines", "native", "wasmtime", "--repeats", "1"),
        *("--markdown", "--output", path),
        models=models,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    document = json.loads(path.read_text("utf-8"))
    assert document["complete"] is True
    cells = {(cell["engine"], cell["format"]): cell for cell in document["cells"]}
    assert len(cells) == 4
    printed = {(row["engine"], row["format"]): row for row in rows(done.stdout)}
    for (engine, name), cell in cells.items():
        row = printed[cell["label"], name]
        if name == "q8_0":
            assert "ggml-tiny.en-q8_0.bin" in cell["error"]
            assert cell["samples"] == []
            assert row["load"] == "failed"
            assert f"- {cell['label']} q8_0 failed: {cell['error']}" in done.stdout
            assert done.stderr.count(f"failed: {cell['error']}") >= 1, engine
        else:
            assert cell["error"] is None
            assert len(cell["samples"]) == 1
            assert float(row["total x"].rstrip("*")) > 0
    (left_out,) = document["left_out"]
    assert left_out["what"] == "tiny.en q5_1"
    assert "whisperctl models quantize tiny.en q5_1" in left_out["reason"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(tiny_en: Path, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    process = subprocess.Popen(
        [*COMMAND, *SMALL, "--engines", "native", "--repeats", "999", "--output", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while " 2/999 " not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert psutil.wait_procs(children, timeout=4)[1] == []
    document = json.loads(path.read_text("utf-8"))
    assert document["complete"] is False
    (cell,) = document["cells"]
    assert cell["error"] is None
    assert len(cell["samples"]) >= 2
    assert "INCOMPLETE" in out
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--engines", "tuned", "--native-python", "nowhere"), "run make native"),
        # This environment has the wheel.
        (("--engines", "tuned", "--native-python", sys.executable), "not the tuned library"),
        (("--models", "no-such"), "nothing to measure"),
        (("--recordings", "no such.wav"), '"no such.wav" does not exist'),
        (("--show", "no such.json"), "No such file"),
    ],
)
def test_a_wrong_request_is_one_line_and_measures_nothing(
    arguments: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    done = bench(*arguments, "--output", tmp_path / "bench.json")
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())
