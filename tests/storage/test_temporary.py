"""Where there is no place for temporary files, one line says so."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.cli import doctor
from whisperctl.errors import OutputError
from whisperctl.storage import files

if TYPE_CHECKING:
    from tests.conftest import Cli

NO_PLACE = """
import sys, tempfile
place = sys.argv.pop(1)
tempfile._candidate_tempdir_list = lambda: [place]
from whisperctl.cli import main
sys.exit(main())
"""
"""The command on a system all of whose usual places are as the first argument."""


def run(cli: Cli, place: Path, *arguments: object, stdin: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", NO_PLACE, str(place), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cli.directory,
        env=cli.environment(),
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.slow
def test_every_use_of_temporary_files_says_in_a_line_what_to_do_without(
    cli: Cli, jfk: Path, tiny_en: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    model = ("-m", tiny_en, "-b", "native")
    for purpose, arguments in {
        "standard input": ("transcribe", "-", *model),
        "working in separate processes": ("transcribe", jfk, "missing.wav", *model, "-j", "2"),
        "measuring in a separate process": ("compare", jfk, "-m", tiny_en),
    }.items():
        code, said = run(cli, missing, *arguments, stdin=jfk.read_bytes())
        assert code == 1, said
        last = said.splitlines()[-1]
        assert last.startswith(f"whisperctl: error: {purpose} needs a temporary file (No usable ")
        assert last.endswith("set TMPDIR to a directory that can be written and has room")
        assert "unexpected" not in said and "Traceback" not in said


def test_the_checkup_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    last = list(doctor.run())[-1]
    assert (last.subject, last.status) == ("temporary files", "fail")
    assert "set TMPDIR" in last.detail


def test_a_folder_is_for_this_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = files.make_temporary_folder("a test")
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(
        OutputError, match=r'^a test needs a temporary file in ".*missing" \(No such'
    ):
        files.make_temporary_folder("a test")
    assert list(tmp_path.iterdir()) == [folder]
