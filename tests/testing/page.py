"""The plugins that pages of the documentation show in full."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backends.md"

_FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files(page: Path = PAGE) -> dict[str, str]:
    """Each file's text by its name."""
    return dict(_FILE.findall(page.read_text("utf-8")))


def promises(page: Path, heading: str) -> list[str]:
    """The numbered promises of a section, each on one line."""
    section = page.read_text("utf-8").partition(f"## {heading}\n")[2]
    items = re.findall(r"^\d+\. (.*(?:\n {3,4}\S.*)*)", section, re.MULTILINE)
    return [" ".join(item.replace("**", "").split()) for item in items]


def install(directory: Path, page: Path = PAGE) -> Path:
    """Install the package as pip does; gives the directory that Python finds it in."""
    project, site = directory / "plain", directory / "site"
    for name, text in files(page).items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", str(site), str(project)),
        ],
        check=True,
    )
    return site
