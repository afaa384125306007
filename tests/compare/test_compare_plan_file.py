"""Comparisons that a plan file describes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from whisperctl.compare import matrix
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Cli

COMMON = """
recordings = ["jfk.wav"]
engines = ["fake", "other"]
models = ["tiny.en"]
threads = [1, 2]
warm_up = false
[options]
language = "en"
[[engine]]
label = "other"
engine = "fake/slow"
python = "bin/python"
"""


@pytest.fixture
def folder(tmp_path: Path, jfk: Path) -> Path:
    """A folder with a recording, and with the interpreter of another environment."""
    folder = tmp_path / "plans"
    (folder / "bin").mkdir(parents=True)
    (folder / "jfk.wav").symlink_to(jfk)
    python = folder / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


def compared(fake: Cli, folder: Path, text: str, *arguments: str) -> dict[str, Any]:
    (folder / "plan.toml").write_text(text, "utf-8")
    done = fake.here("compare", "--plan", folder / "plan.toml", "--json", *arguments)
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return result


def labels(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            result["recordings"][cell["recording"]]["label"],
            result["variants"][cell["variant"]]["label"],
        )
        for cell in result["cells"]
    ]


@pytest.mark.slow
def test_an_engine_of_another_environment_is_measured_under_its_label(
    fake: Cli, folder: Path
) -> None:
    result = compared(fake, folder, COMMON)
    assert labels(result) == [
        ("jfk.wav", f"{engine} {threads}t") for threads in (1, 2) for engine in ("fake", "other")
    ]
    assert not any(cell["error"] for cell in result["cells"])
    other = result["engines"][1]
    assert (other["label"], other["backend"], other["runtime"]) == ("other", "fake", "slow")
    assert other["versions"].keys() == {"backend", "engine", "runtime"}
    assert "python" not in json.dumps(result["engines"])
    assert result["parameters"]["language"] == "en"
    assert result["warm_up"] is False


@pytest.mark.slow
def test_subsets_override_lists_and_cells_are_measured_once(
    fake: Cli, folder: Path, jfk: Path
) -> None:
    (folder / "long.wav").symlink_to(jfk)
    text = (
        COMMON
        + '[[subset]]\nengines = ["fake"]\n[[subset]]\nengines = ["fake"]\nthreads = [2]\n'
        + '[[subset]]\nrecordings = ["long.wav"]\nthreads = [1]\n'
    )
    result = compared(fake, folder, text, "--repeat", "2")
    assert labels(result) == [
        ("jfk.wav", "fake 1t"),
        ("jfk.wav", "fake 2t"),
        ("long.wav", "fake 1t"),
        ("long.wav", "other 1t"),
    ]
    assert all(len(cell["runs"]) == 2 for cell in result["cells"])
    assert result["cells"][3]["baseline"] == result["cells"][2]["variant"]


@pytest.mark.slow
def test_engines_that_cannot_be_used_are_left_out(fake: Cli, folder: Path) -> None:
    (folder / "bin/python").unlink()
    text = COMMON.replace('"fake", ', '"fake", "gone", ').replace("[1, 2]", "[1]")
    result = compared(fake, folder, text)
    assert labels(result) == [("jfk.wav", "fake")]
    reasons = {one["engine"]: one["reason"] for one in result["left_out"]}
    assert set(reasons) == {"gone", "other"}
    assert reasons["other"] == '"bin/python" does not exist'


@pytest.mark.slow
@pytest.mark.parametrize("program", ["exit 3", "echo '[]'", "echo '{'", "echo '[{}]'"])
def test_an_interpreter_without_the_engine_is_left_out(
    program: str, fake: Cli, folder: Path
) -> None:
    (folder / "bin/python").write_text(f"#!/bin/sh\n{program}\n")
    result = compared(fake, folder, COMMON.replace("[1, 2]", "[1]"))
    (left_out,) = result["left_out"]
    assert left_out["reason"] == '"bin/python" has no engine "fake/slow"'


@pytest.mark.slow
def test_a_document_never_starts_the_interpreter_of_another_environment(
    fake: Cli, folder: Path
) -> None:
    result = compared(fake, folder, COMMON.replace("[1, 2]", "[1]"))
    (folder / "run.json").write_text(json.dumps(result))
    again = fake.here("compare", "--from", folder / "run.json")
    assert again.code == 2
    assert "the engine other belongs to another environment" in again.err


@pytest.mark.slow
def test_a_comparison_of_subsets_is_repeated_as_it_was(fake: Cli, folder: Path) -> None:
    text = COMMON + '[[subset]]\nengines = ["fake"]\n[[subset]]\nengines = ["fake/slow"]\n'
    text = text.replace("threads = [1, 2]\n", "threads = [1]\n") + "threads = [2]\n"
    result = compared(fake, folder, text)
    (folder / "run.json").write_text(json.dumps(result))
    again = json.loads(fake.here("compare", "--from", folder / "run.json", "--json").out)
    assert labels(again) == labels(result)
    assert len(labels(again)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recordings = [", "is not valid TOML"),
        ("\udcff", "is not UTF-8 text: save it"),
        ("x = " + "[" * 5000, "is nested too deeply"),
        ("recording = []", 'has an unknown key "recording": did you mean "recordings"?'),
        ("[[engine]]", '[[engine]] of "{path}" has no key "label": add it'),
        ("[[subset]]\nmodel = []", '[[subset]] of "{path}" has an unknown key "model"'),
        ("[[engine]]\nlabel = 'x'", '[[engine]] of "{path}" has no key "engine": add it'),
        ("engines = 3", "is not a plan: engines"),
        ("engine = 3", "is not a plan: engine"),
        ("threads = ['two']", "is not a plan: threads.0: 'two' is not a whole number"),
        ("repeats = 0", "must be from 1 to 1000, not 0"),
    ],
)
def test_a_file_that_is_not_a_plan_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(os.fsencode(text))
    with pytest.raises(UsageError) as error:
        matrix.read_plan_file(path)
    assert message.replace("{path}", str(path)) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_chains_of_filters_are_a_dimension(fake: Cli, folder: Path) -> None:
    chains = "filters = ['gain:db=-1']\nfilter_chains = ['none', 'trim:end=5 gain:db=2']\n"
    engines = 'engines = ["fake"]\nthreads = [1]'
    plan = COMMON.replace('engines = ["fake", "other"]', engines).replace("threads = [1, 2]", "")

    result = compared(fake, folder, chains + plan)

    assert [label for label, _ in labels(result)] == [
        "jfk.wav [gain:db=-1]",
        "jfk.wav [gain:db=-1 trim:end=5 gain:db=2]",
    ]
    assert [one["filters"] for one in result["recordings"]] == [
        ["gain:db=-1"],
        ["gain:db=-1", "trim:end=5", "gain:db=2"],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('language = "en"', "languag = 1", 'the plan has an unknown option "languag"'),
        ('language = "en"', "beam_size = 'x'", "the plan has an invalid option: beam_size"),
        ('["jfk.wav"]', "[]", "the plan has no recordings: list one or more"),
        ('["jfk.wav"]', '["gone.wav"]', '"gone.wav" does not exist'),
        ("[1, 2]", "[0]", "threads must be 1 or more"),
        ('["fake", "other"]', '["gone"]', "no engine of the plan can be used (gone: "),
        ("warm_up", 'baseline = "gone"\nwarm_up', 'unknown baseline "gone"'),
        ("warm_up", 'decoder = "gone"\nwarm_up', 'unknown decoder "gone"'),
        ("warm_up", 'filters = ["gone"]\nwarm_up', 'unknown filter "gone"'),
        ("warm_up", 'filter_chains = ["a \'b"]\nwarm_up', 'filter chain "a \'b" has an open quote'),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_one_line(
    old: str, new: str, message: str, fake: Cli, folder: Path
) -> None:
    assert old in COMMON
    (folder / "plan.toml").write_text(COMMON.replace(old, new, 1))
    done = fake.here("compare", "--plan", folder / "plan.toml")
    assert done.code in (1, 2)
    assert message in done.err.splitlines()[-1]
    assert done.out == "" and "Traceback" not in done.err


def test_a_plan_is_not_combined_with_other_choices(fake: Cli, folder: Path) -> None:
    (folder / "plan.toml").write_text(COMMON)
    for extra, said in (
        (["jfk.wav"], "--plan defines what to compare: give no files"),
        (["--from", "run.json"], "--plan, --from and --show define what to compare: give one"),
        (["--threads", "1"], "--threads has no effect with --plan"),
        (["--filter", "gain"], "--filter has no effect with --plan"),
        (["--no-warm-up"], "--no-warm-up has no effect with --plan"),
    ):
        done = fake.here("compare", "--plan", folder / "plan.toml", *extra)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
