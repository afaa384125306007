from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import printed_by
from whisperctl.cli.models import app, offer_missing
from whisperctl.errors import ModelError
from whisperctl.models import catalog
from whisperctl.models.pull import Installed


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
    assert [line[0] for line in lines[1:-2]] == list(catalog.MODELS)
    assert ["tiny.en", "74", "MiB", "English"] in lines
    assert lines[-2][0] == "a-rather-long-name-" + "x" * 60
    assert lines[-2][-1] == "installed"
    assert lines[-1] == ["silero-v6.2.0", "1", "MiB", "detects", "speech"]
    assert len(run("list", "--installed").stdout.splitlines()) == 2
    documents = {one["name"]: one for one in json.loads(run("list", "--json").stdout)}
    assert list(documents) == [line[0] for line in lines[1:]]
    assert documents["tiny.en"] == {
        "name": "tiny.en", "size_bytes": 77_704_715, "languages": 1, "detects_speech": False,
        "state": "published",
    }  # fmt: skip
    assert documents["silero-v6.2.0"]["detects_speech"]
    assert [one["state"] for one in json.loads(run("list", "--installed", "--json").stdout)] == [
        "installed"
    ]


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


def test_the_model_that_detects_speech_is_kept_like_any_other_and_listed_apart(
    silero: bytes, small_ggml: bytes, store_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha1 = hashlib.sha1(silero).hexdigest()
    stand_in = catalog.CatalogModel("silero-v6.2.0", 0, sha1, detects_speech=True)
    monkeypatch.setitem(catalog.DETECTORS, "silero-v6.2.0", stand_in)
    store_directory.mkdir()
    (store_directory / "ggml-zoo.bin").write_bytes(small_ggml)
    path = store_directory / "ggml-silero-v6.2.0.bin"
    path.write_bytes(silero)
    listed = [line.split() for line in run("list", "--installed").stdout.splitlines()]
    assert [line[0] for line in listed] == ["NAME", "zoo", "silero-v6.2.0"]
    assert listed[-1][-3:] == ["detects", "speech", "installed"]
    for name in ("silero", "silero-v6.2.0"):
        assert run("path", name).stdout == f"{path}\n"
        assert run("verify", name).stdout == f"silero-v6.2.0: ok (sha1 {sha1})\n"
    assert "silero-v6.2.0: ok" in run("verify").stdout
    path.write_bytes(silero[:-1])
    assert "silero-v6.2.0: damaged" in run("verify").stdout
    assert run("list", "--installed").stdout.split()[-1] == "damaged"
    assert isinstance(run("path", "silero").exception, ModelError)
    assert run("rm", "silero").stdout == f"silero-v6.2.0: removed, {path}\n"
    assert not path.exists()
    assert isinstance(run("rm", "silero").exception, ModelError)


@pytest.mark.parametrize(
    ("answer", "pulled"),
    [
        ("\n", ["base", "silero-v6.2.0"]),
        ("Yes\n", ["base", "silero-v6.2.0"]),
        ("no\n", []),
        ("", []),
    ],
)
def test_a_missing_model_is_pulled_where_a_person_agrees(
    answer: str,
    pulled: list[str],
    store_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def pull(name: str, on_progress: object) -> Installed:
        asked.append(name)
        return Installed(name, store_directory / name, new=True, published_as=None)

    monkeypatch.setattr("whisperctl.models.pull.pull", pull)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    for name in ("no-such", "some/path.bin", "silero"):
        offer_missing(name)
    offer_missing(None)
    assert asked == pulled
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("[Y/n]") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "tiny.em"),
        ("pull", "tiny-q5_1", "no-such"),
        ("path", "small"),
        ("path", "silero"),
        ("pull", "sillero"),
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
    script = (
        "import sys, whisperctl.cli.models; "
        "print(*{'numpy', 'huggingface_hub', 'filelock', 'rich.table'} & set(sys.modules))"
    )
    assert printed_by(script) == "\n"
