"""What make does when files are there and when they are not; nothing is really made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = ("whisper.wasm", "whisper-threads.wasm", "media.wasm", "processors/gain.wasm")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A checkout with an environment and modules newer than all sources, as make sees it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    names = ["requirements.lock", "pyproject.toml", "wasm-build/build.py"]
    names += ["wasm-build/processors/gain.c"]
    names += [f"backends/{name}/pyproject.toml" for name in ("faster-whisper", "native", "wasi")]
    names += ["executors/dask/pyproject.toml"]
    for name in names:
        touch(tmp_path / name, 1)
    touch(tmp_path / ".venv/.installed", 2)
    for name in (*MODULES, "build.json"):
        touch(modules(tmp_path) / name, 3)
    return tmp_path


def touch(path: Path, time_s: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time_s, time_s))


def modules(checkout: Path) -> Path:
    return checkout / "backends/wasi/src/whisperctl_wasi"


def builds_modules(checkout: Path) -> bool:
    done = subprocess.run(
        ["make", "--dry-run", "wasm"],
        cwd=checkout,
        # Without what a make that runs the tests tells the ones inside it.
        env={k: value for k, value in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")},
        capture_output=True,
        text=True,
        check=True,
    )
    return "wasm-build/build.py" in done.stdout


def test_modules_are_not_built_again_when_nothing_changed(built: Path) -> None:
    assert not builds_modules(built)


@pytest.mark.parametrize("name", [*MODULES, "build.json"])
def test_a_module_that_is_gone_is_built_again(built: Path, name: str) -> None:
    (modules(built) / name).unlink()

    assert builds_modules(built)


def test_modules_are_built_again_when_a_source_changed(built: Path) -> None:
    touch(built / "wasm-build/build.py", 4)

    assert builds_modules(built)
