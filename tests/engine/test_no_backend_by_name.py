"""The core knows no backend, runtime or package of a backend by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisperctl.engine import registry

ROOT = Path(__file__).parents[2]

OTHER_MEANINGS = {
    "float32": "a type of number",
    "bfloat16": "a type of number",
}
ALLOWED = {
    ("whisperctl/models/ct2.py", "int8"): "a type of number in CTranslate2's files",
    ("whisperctl/testing/test_extras.py", "int8"): "NumPy's",
    ("whisperctl/cli/models.py", "faster-whisper"): "the users' name for CTranslate2's format",
}


@pytest.fixture(scope="module")
def names() -> set[str]:
    found = set()
    for one in registry.probe():
        assert one.info is not None
        found |= {one.name, *(runtime.name for runtime in one.info.runtimes)}
        entry = registry.installed()[one.name]
        assert entry.dist is not None
        found |= {entry.dist.name, entry.module.partition(".")[0]}
    assert {"native", "wasi", "faster-whisper", "wasmer", "wasmtime", "int8"} <= found
    return found - OTHER_MEANINGS.keys()


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a module that are not docstrings, and its identifiers."""
    tree = ast.parse(path.read_text("utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in documentation:
                yield node.lineno, node.value
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id.lower()
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr.lower()


@pytest.mark.slow
def test_no_module_of_the_core_knows_a_backend_by_name(names: set[str]) -> None:
    guilty = []
    for path in sorted((ROOT / "whisperctl").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for line, text in texts(path):
            words = set(re.findall(r"[A-Za-z0-9][\w-]*", text)) | set(text.lower().split("_"))
            guilty += [
                f"{where}:{line}: {name}" for name in words & names if (where, name) not in ALLOWED
            ]
    assert guilty == []


def test_every_exception_is_needed(names: set[str]) -> None:
    for where, name in ALLOWED:
        assert name in (ROOT / where).read_text("utf-8")
        assert name in names
