"""``whisperctl compare`` as a person runs it."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from whisperctl import audio
from whisperctl.transcript import PHASES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli, MakePlugin

GREEDY = ("--beam-size", "1")
LABELS = ("native", "wasi/wasmer", "wasi/wasmtime")
ROWS = (
    *("audio decode", "module compile", "instantiate", *PHASES, "open session", "wall"),
    *("real-time factor", "peak memory"),
    *("total / native", "wall / native", "encode / native", "text / native"),
)
ACME = """
import time
from whisperctl.backend import BackendInfo, RuntimeInfo
from whisperctl.errors import BackendError

class Acme:
    name = "acme"

    def describe(self):
        return BackendInfo("acme", "9.9", "Acme's engine", (RuntimeInfo("acme", "1"),))

    def open(self, model, *, threads, runtime=None):
        raise BackendError("the engine is on strike")
"""


def table(out: str) -> dict[str, list[str]]:
    """Each row's cells by its label, of the plain table."""
    rows = [line.strip("| ").split("|") for line in out.splitlines() if line.startswith("| ")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


@pytest.mark.slow
def test_every_engine_is_compared_by_default(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("compare", jfk, "-m", tiny_en, "-t", "2", *GREEDY)
    assert (done.code, done.err) == (0, "")
    rows = table(done.out)
    assert rows["phase"] == list(LABELS)
    assert tuple(rows)[1:] == ROWS
    assert done.out.count("ask not what your country can do for you") == 3
    assert rows["total / native"][0] == "1.00x"
    assert rows["module compile"][0] == "-"
    assert float(rows["module compile"][1]) > 0
    assert re.fullmatch(r"[\d.]+ \(\d+ x [\d.]+\)", rows["decode"][0])
    assert all(cell.endswith(" MiB") for cell in rows["peak memory"])
    for label in LABELS:
        assert re.search(rf"^{label}: .*CPU : ", done.out, re.MULTILINE)


@pytest.mark.slow
def test_the_document_says_what_was_compared_and_where(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("compare", jfk, "-m", tiny_en, "-t", "2", *GREEDY, "--json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    samples = audio.load(jfk).samples
    assert document["audio"]["samples_sha256"] == hashlib.sha256(samples.data).hexdigest()
    assert document["audio"]["duration_s"] == 11.0
    # The hash that whisper.cpp publishes for this model.
    assert document["model"]["sha1"] == "c78c86eb1a8faa21b369bcd33207cc90d64ae9df"
    assert document["parameters"]["beam_size"] == 1
    assert document["parameters"]["threads"] == 2
    assert document["machine"]["cpu"] and document["machine"]["processors"] >= 1
    assert document["reference"] == "native"
    assert [engine["engine"] for engine in document["engines"]] == list(LABELS)
    for engine in document["engines"]:
        assert engine["error"] is None
        assert all(engine["versions"].values())
        assert "country can do for you" in engine["text"]
        assert "".join(segment["text"] for segment in engine["segments"]).strip() == engine["text"]
        timings = engine["timings"]
        assert set(timings["phases"]) == set(PHASES)
        assert engine["real_time_factor"] == pytest.approx(timings["wall_ms"] / 11_000)
        assert timings["peak_memory_bytes"] > tiny_en.stat().st_size
    native, *others = document["engines"]
    for other in others:
        assert other["ratios"]["wall"] == pytest.approx(
            other["timings"]["wall_ms"] / native["timings"]["wall_ms"]
        )
        assert other["timings"]["module_compile_ms"] > 0
    assert others[0]["text"] == others[1]["text"]


def test_one_engine_has_nothing_to_be_compared_with(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("compare", jfk, "-m", tiny_en, "-b", "native", "-b", "native", *GREEDY)
    assert done.code == 0
    rows = table(done.out)
    assert rows["phase"] == ["native"]
    assert not [label for label in rows if "/" in label]
    assert "\x1b" not in done.out
    assert done.out.isascii()


def test_an_engine_that_fails_does_not_stop_the_others(
    cli: Cli, jfk: Path, tiny_en: Path, plugin: MakePlugin
) -> None:
    env = plugin("acme", ACME)
    arguments = ("compare", jfk, "-m", tiny_en, "-b", "acme", "-b", "native", *GREEDY)
    done = cli(*arguments, env=env)
    assert done.code == 1
    assert done.err == "whisperctl: error: acme failed: the engine is on strike\n"
    rows = table(done.out)
    assert rows["phase"] == ["acme", "native"]
    assert rows["wall"][0] == "failed"
    assert float(rows["wall"][1]) > 0
    document = json.loads(cli(*arguments, "--json", env=env).out)
    assert document["engines"][0]["error"] == "the engine is on strike"
    assert document["reference"] == "native"


def test_engines_that_cannot_be_used_are_left_out_aloud(
    cli: Cli, tiny_en: Path, plugin: MakePlugin
) -> None:
    env = plugin("acme", "raise OSError('libacme.so')\n")
    done = cli("compare", "no such file.wav", "-m", tiny_en, env=env)
    assert done.code == 1
    note, error = done.err.splitlines()
    assert note.startswith("whisperctl: acme is left out: ")
    assert "libacme.so" in note
    assert error == 'whisperctl: error: "no such file.wav" does not exist: check the name'


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-b", "natve"), 'did you mean "native"?'),
        (("-b", "wasi/wasmtim"), 'did you mean "wasmtime"?'),
        (("--language", "gremlin"), '"gremlin"'),
    ],
)
def test_a_wrong_option_is_a_misuse(
    cli: Cli, jfk: Path, tiny_en: Path, arguments: tuple[str, ...], named: str
) -> None:
    done = cli("compare", jfk, "-m", tiny_en, *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert named in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(
    cli: Cli, long_talk: Path, tiny_en: Path, number: signal.Signals
) -> None:
    process = cli.start("compare", long_talk, "-m", tiny_en, "-b", "wasi/wasmtime")
    cell: list[psutil.Process] = []
    while not cell:
        assert process.poll() is None
        time.sleep(0.05)
        cell = [p for p in psutil.Process(process.pid).children() if _is_cell(p)]
    time.sleep(3)  # until it computes
    assert cell[0].is_running()
    family = [*cell, *cell[0].children(recursive=True)]
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert psutil.wait_procs(family, timeout=4)[1] == []
    if number == signal.SIGINT:
        assert (process.returncode, errors) == (130, b"whisperctl: interrupted\n")


def _is_cell(process: psutil.Process) -> bool:
    try:
        return "whisperctl.compare.cell" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
