"""The rooms of the core: few modules at the top, and imports that go one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import whisperctl

CORE = Path(whisperctl.__file__).parent

LEVELS = {
    "cli": 4,
    "testing": 4,
    "compare": 3,
    "jobs": 3,
    "api": 3,
    "transcription": 2,
    "audio": 1,
    "engine": 1,
    "formats": 1,
    "models": 1,
    "subtitles": 1,
}
"""A room imports from its own level and from lower ones; what is not named here is at level 0."""

EXCEPTIONS = {
    ("__main__", "cli"),
    ("__init__", "api"),
    # Options check the names of tracks and filters when they are made.
    ("options", "audio"),
}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("whisperctl"):
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                place = CORE.parent / inner.replace(".", "/")
                known = place.is_dir() or place.with_suffix(".py").is_file()
                yield inner if known else str(node.module)


def test_few_modules_are_at_the_top_and_few_files_in_all() -> None:
    assert len(list(CORE.glob("*.py"))) <= 10
    assert len(list(CORE.rglob("*.py"))) <= 160


def test_imports_go_one_way() -> None:
    wrong = []
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).with_suffix("").parts
        ours = parts[0]
        for module in imports(path):
            theirs = room(module)
            if (ours, theirs) in EXCEPTIONS:
                continue
            if LEVELS.get(theirs, 0) > LEVELS.get(ours, 0):
                wrong.append(f"{'/'.join(parts)} imports {module}")
    assert wrong == []
