"""The build: the same source as the native backend's, the same bytes every time, clear failures."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from whisperctl_wasi import modules

WASM_BUILD = Path(__file__).resolve().parents[1]
ROOT = WASM_BUILD.parent

sys.path.insert(0, str(WASM_BUILD))

import build  # noqa: E402
import source  # noqa: E402


def test_both_backends_are_made_from_the_same_whisper_cpp() -> None:
    assert importlib.metadata.version("pywhispercpp") == source.VERSION
    project = tomllib.loads((ROOT / "backends/native/pyproject.toml").read_text("utf-8"))
    assert f"pywhispercpp=={source.VERSION}" in project["project"]["dependencies"]


def test_the_toolchain_is_the_locked_one() -> None:
    hook = (ROOT / "backends/wasi/hatch_build.py").read_text("utf-8")
    version = importlib.metadata.version("ziglang")
    assert f'ZIGLANG = "ziglang=={version}"' in hook


@pytest.mark.slow
def test_another_build_gives_the_same_bytes(tmp_path: Path) -> None:
    # The fetched archive, and zig's own libraries; all else is made anew, in another folder.
    (tmp_path / "zig-global").symlink_to(ROOT / "build/wasm/zig-global")
    archive = ROOT / "build/wasm" / source.ARCHIVE
    (tmp_path / source.ARCHIVE).write_bytes(archive.read_bytes())
    tree = source.patched(source.fetch(tmp_path), WASM_BUILD / "patches", tmp_path)
    # The module that computes on most machines; the other is made by the same code.
    (variant,) = (variant for variant in build.VARIANTS if variant.name == modules.THREADS)
    again = build.build_variant(variant, tree, tmp_path, build.versions(tree), jobs=2)
    digest = hashlib.sha256(again.read_bytes()).hexdigest()
    assert digest == modules.find(modules.THREADS).sha256


@pytest.mark.slow
def test_a_build_with_nothing_changed_compiles_nothing() -> None:
    def built() -> dict[Path, int]:
        command = [sys.executable, str(WASM_BUILD / "build.py")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        objects = (ROOT / "build/wasm").glob("whisper*/*.o")
        return {path: path.stat().st_mtime_ns for path in objects}

    first = built()
    assert len(first) > 40
    assert built() == first


def test_a_patch_that_does_not_fit_stops_the_build(tmp_path: Path) -> None:
    tree = tmp_path / "package" / "whisper.cpp"
    tree.mkdir(parents=True)
    (tree / "file.c").write_text("int one;\n", "utf-8")
    patches = tmp_path / "patches"
    patches.mkdir()
    (patches / "0001-change.patch").write_text(
        "Why.\n\n--- a/file.c\n+++ b/file.c\n@@ -1 +1 @@\n-int two;\n+int three;\n", "utf-8"
    )
    with pytest.raises(source.SourceError, match=r"0001-change\.patch does not fit"):
        source.patched(tree, patches, tmp_path)
    assert [path.name for path in tmp_path.glob("*patched*")] == []


def test_an_archive_that_was_tampered_with_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no index to fetch a good one from, the build stops rather than use it."""
    (tmp_path / source.ARCHIVE).write_bytes(b"something else")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(source.SourceError, match="cannot download"):
        source.fetch(tmp_path)
