"""The plugins that pages of the documentation show in full."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

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


def promises_of_classes(suite: ModuleType) -> list[str]:
    """The promises that classes of a suite state, each on one line, numbered from 1."""
    tree = ast.parse(Path(str(suite.__file__)).read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    texts = [ast.get_docstring(node) or "" for node in classes]
    found = [re.fullmatch(r"Promise (\d+)\. (.*)", text, re.DOTALL) for text in texts]
    stated = [match for match in found if match]
    assert [int(match[1]) for match in stated] == list(range(1, len(stated) + 1))
    return [" ".join(match[2].split()) for match in stated]


def break_promises(module: Path, flaws: Mapping[str, str]) -> None:
    """Replace what is right in a plugin's module, each piece once, by what is wrong."""
    source = module.read_text("utf-8")
    for right, wrong in flaws.items():
        assert source.count(right) == 1, right
        source = source.replace(right, wrong)
    module.write_text(source, "utf-8")


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
