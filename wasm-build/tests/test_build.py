"""The build: the same source as the native backend's, the same bytes every time, clear failures."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import wasmtime

WASM_BUILD = Path(__file__).resolve().parents[1]
ROOT = WASM_BUILD.parent

sys.path.insert(0, str(WASM_BUILD))

import build  # noqa: E402
import compiler  # noqa: E402
import distribution  # noqa: E402
import source  # noqa: E402


def test_both_backends_are_made_from_the_same_whisper_cpp() -> None:
    assert importlib.metadata.version("pywhispercpp") == source.VERSION
    project = tomllib.loads((ROOT / "backends/native/pyproject.toml").read_text("utf-8"))
    assert f"pywhispercpp=={source.VERSION}" in project["project"]["dependencies"]


def test_the_toolchain_is_the_locked_one() -> None:
    hook = (ROOT / "backends/wasi/hatch_build.py").read_text("utf-8")
    version = importlib.metadata.version("ziglang")
    assert f'ZIGLANG = "ziglang=={version}"' in hook


MADE_AGAIN = {
    *("kernels/sampling.cpp", "ggml/src/ggml-threading.cpp"),
    *("media/dct32.c", "libavformat/aacdec.c"),
}
"""One source of ours and one of theirs for each program, none that takes long to compile."""


@pytest.mark.slow
def test_another_build_gives_the_same_bytes(tmp_path: Path) -> None:
    """Some objects of each program, and one program linked, made again in another folder."""
    # The fetched archives, and zig's own libraries; all else is made again.
    made = ROOT / "build/wasm"
    for name in ("zig-global", *(archive.name for archive in source.ARCHIVES)):
        (tmp_path / name).symlink_to(made / name)
    programs = build.programs(build.fetch(tmp_path), tmp_path)
    linked = min(programs, key=lambda program: len(program.units))
    some = [
        dataclasses.replace(
            program,
            units=[unit for unit in program.units if unit.name in MADE_AGAIN],
            link=[
                *compiler.zig("cc", "wasm32-freestanding", program.features),
                *("-nostdlib", "-r"),
            ],
        )
        for program in programs
        if not program.name.startswith("processors/")
    ]

    modules = compiler.build([linked, *some], tmp_path, jobs=2)

    for program in some:
        objects = list((tmp_path / program.name).glob("*.o"))
        assert len(objects) == 2
        for path in objects:
            assert path.read_bytes() == (made / program.name / path.name).read_bytes(), path
    record = json.loads((build.DEFAULT_OUTPUT / "build.json").read_text("utf-8"))
    digest = hashlib.sha256(modules[linked.name].read_bytes()).hexdigest()
    assert digest == record["modules"][linked.name]["sha256"]


@pytest.mark.parametrize("name", ["whisper", "media"])
def test_a_module_for_one_thread_needs_no_runtime_that_has_threads(name: str) -> None:
    """It is linked with a C library that is compiled for threads."""
    config = wasmtime.Config()
    config.wasm_threads = False
    config.wasm_relaxed_simd = False
    module = (build.DEFAULT_OUTPUT / f"{name}.wasm").read_bytes()
    wasmtime.Module.validate(wasmtime.Engine(config), module)


@pytest.mark.slow
def test_a_build_with_nothing_changed_compiles_nothing() -> None:
    def built() -> dict[Path, int]:
        command = [sys.executable, str(WASM_BUILD / "build.py")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        # Those of zig's caches too are made by tests that run at the same time.
        objects = (ROOT / "build/wasm").glob("*/*.o")
        return {path: path.stat().st_mtime_ns for path in objects}

    first = built()
    assert len(first) > 300
    assert built() == first


ARCHIVE = source.Archive(
    "thing-1.tar.gz",
    "",
    root="thing-1",
    patches="thing",
    used=r".+\.c",
    package="thing",
    url="http://127.0.0.1:1/thing-1.tar.gz",
)


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, source.Archive]:
    """An archive of one source that is built and one that is not, as its author released it."""
    path = tmp_path / "released.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("file.c", "manual.txt"):
            (tmp_path / name).write_text("int one;\n", "utf-8")
            tar.add(tmp_path / name, f"thing-1/{name}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, dataclasses.replace(ARCHIVE, sha256=digest)


def test_a_patch_that_does_not_fit_stops_the_build(
    tmp_path: Path, archive: tuple[Path, source.Archive]
) -> None:
    path, thing = archive
    path.rename(tmp_path / thing.name)
    assert {file.name for file in source.unpack(thing, tmp_path / "none", tmp_path).iterdir()} == {
        "file.c"
    }
    (tmp_path / "0001-change.patch").write_text(
        "Why.\n\n--- a/file.c\n+++ b/file.c\n@@ -1 +1 @@\n-int two;\n+int three;\n", "utf-8"
    )

    with pytest.raises(source.SourceError, match=r"0001-change\.patch does not fit"):
        source.unpack(thing, tmp_path, tmp_path)

    assert len(list(tmp_path.glob("thing-1-*"))) == 1


def test_an_archive_that_was_tampered_with_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no index to fetch a good one from, the build stops rather than use it."""
    (tmp_path / source.PYWHISPERCPP.name).write_bytes(b"something else")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(source.SourceError, match="cannot download"):
        source.fetch(tmp_path, [source.PYWHISPERCPP])


def test_the_users_own_copy_is_taken_if_it_is_the_pinned_one(
    tmp_path: Path, archive: tuple[Path, source.Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, thing = archive
    monkeypatch.setenv("WHISPERCTL_THING_SOURCE", str(path))
    source.fetch(tmp_path / "build", [thing])
    assert (tmp_path / "build" / thing.name).read_bytes() == path.read_bytes()

    path.write_bytes(b"something else")
    with pytest.raises(source.SourceError, match=r"WHISPERCTL_THING_SOURCE: .*released.* is not"):
        source.fetch(tmp_path / "other", [thing])
    monkeypatch.setenv("WHISPERCTL_THING_SOURCE", "ftp://somewhere/thing")
    with pytest.raises(source.SourceError, match=r"WHISPERCTL_THING_SOURCE: .*https"):
        source.fetch(tmp_path / "other", [thing])
    assert list((tmp_path / "other").iterdir()) == []


def test_a_source_that_cannot_be_had_is_one_error_that_says_what_to_do(
    tmp_path: Path, archive: tuple[Path, source.Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, thing = archive
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(source.SourceError) as error:
        source.fetch(tmp_path / "build", [thing])
    message = str(error.value)
    assert message.startswith("cannot get thing-1.tar.gz: there is no apt-get; http://127.0.0.1:1/")
    assert "set WHISPERCTL_THING_SOURCE to its path or URL" in message
    assert thing.sha256 in message
    assert "\n" not in message


def test_only_official_sources_of_the_distribution_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "deb http://mirror/a bookworm main contrib  # comment\n"
        "# deb http://mirror/off bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/debian-archive-keyring.gpg] http://mirror/b "
        "bookworm-security main\n"
        "deb-src http://mirror/a bookworm main\n"
        "deb [signed-by=/keys/other.gpg] http://other/c bookworm main\n"
        "deb http://other/d stable main\n"
        "deb http://other/e bookworm tools\n",
        "utf-8",
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror/f\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /keys/debian-archive-keyring.gpg\n\n"
        "Types: deb\nEnabled: no\nURIs: http://mirror/g\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb\nURIs: http://other/h\nSuites: bookworm\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n",
        "utf-8",
    )
    signed = "[signed-by=/keys/debian-archive-keyring.gpg] "
    assert distribution.source_entries(tmp_path) == [
        "deb-src http://mirror/a bookworm main",
        f"deb-src {signed}http://mirror/b bookworm-security main",
        f"deb-src {signed}http://mirror/f bookworm main",
        f"deb-src {signed}http://mirror/f bookworm-updates main",
    ]
