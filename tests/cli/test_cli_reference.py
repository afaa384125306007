"""Pages made from help and declarations are up to date."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference.py"))
PAGES: dict[str, str] = REFERENCE["pages"]()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_that_of_today(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name], "run: make docs"


def test_pages_are_made_into_a_folder(tmp_path: Path) -> None:
    REFERENCE["main"](tmp_path)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == PAGES


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_the_man_page_is_proper_troff() -> None:
    done = subprocess.run(
        ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-P-cbou", str(DOCS / "whisperctl.1")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert "--[no-]word-timestamps" in done.stdout
    for heading in ("EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"):
        assert f"\n{heading}\n" in done.stdout
    assert "~/.config/whisperctl/config.toml" in done.stdout
