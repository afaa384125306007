from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from whisperctl.cli.models import app
from whisperctl.errors import ModelError
from whisperctl.models import catalog


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_list_shows_all_published_models_and_those_that_are_here(
    small_model: Path, store_directory: Path
) -> None:
    assert (
        run("import", str(small_model), "--name", "a-rather-long-name-" + "x" * 60).exit_code == 0
    )
    result = run("list")
    assert result.exit_code == 0
    assert result.stdout.isascii()
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["NAME", "SIZE", "LANGUAGES", "STATE"]
    assert [line[0] for line in lines[1:-1]] == list(catalog.MODELS)
    assert ["tiny.en", "74", "MiB", "English"] in lines
    assert lines[-1][0] == "a-rather-long-name-" + "x" * 60
    assert lines[-1][-1] == "installed"
    assert len(run("list", "--installed").stdout.splitlines()) == 2


def test_list_shows_damage(small_ggml: bytes, store_directory: Path) -> None:
    store_directory.mkdir()
    (store_directory / "ggml-broken.bin").write_bytes(small_ggml[:5000])
    assert run("list", "--installed").stdout.splitlines()[1].split()[-1] == "damaged"


def test_import_path_verify_and_rm_in_turn(small_model: Path, store_directory: Path) -> None:
    path = store_directory / "ggml-mine.bin"
    result = run("import", str(small_model), "--name", "mine")
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert result.stderr.splitlines() == ["copying", "checking"]
    assert run("path", "mine").stdout == f"{path}\n"
    verified = run("verify", "mine")
    assert (verified.exit_code, verified.stdout[:19]) == (0, "mine: unpublished (")
    path.write_bytes(path.read_bytes()[:-1])
    verified = run("verify")
    assert (verified.exit_code, verified.stdout[:15]) == (1, "mine: damaged (")
    assert run("rm", "mine").exit_code == 0
    assert not path.exists()
    assert run("verify").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "tiny.em"),
        ("pull", "tiny-q5_1", "no-such"),
        ("path", "small"),
        ("rm", "small"),
        ("verify", "nothing"),
        ("import", "/no/such/file"),
        ("import", "/dev/null"),
        ("import", "/no/such/file", "--name", "a/b"),
    ],
)
def test_a_mistake_is_an_error_that_fits_a_line_and_changes_nothing(
    arguments: tuple[str, ...], store_directory: Path
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, ModelError)  # which the command line's main prints
    assert "\n" not in str(result.exception)
    assert not store_directory.exists()


def test_the_command_imports_nothing_heavy_until_it_runs() -> None:
    code = (
        "import sys, whisperctl.cli.models; "
        "print(*{'numpy', 'huggingface_hub', 'filelock', 'rich.table'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
