"""The cache of machine code: used when it is whole, bound and the user's own, else not."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from whisperctl.errors import GuestError
from whisperctl_wasi import runtimes
from whisperctl_wasi.host import code_cache as cache
from whisperctl_wasi.host.guest import Guest, Program
from whisperctl_wasi.host.limits import Limits

BINDING = {"module": "a" * 64, "compiler": "wasmtime 50.0.1 nofma"}
EXITS = """(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $proc_exit (i32.const {}))))"""


def files(folder: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def read(path: Path, binding: dict[str, str]) -> bytes | None:
    with cache.stored(path, binding) as name:
        return None if name is None else Path(name).read_bytes().rpartition(b"\n")[0]


def exit_code(runtime: str, program: Program, folder: Path) -> str:
    guest = Guest(runtime, program, Limits(start_s=60, idle_s=20), folder)
    try:
        with pytest.raises(GuestError) as caught:
            while True:
                guest.receive(1)
    finally:
        guest.kill()
    return str(caught.value).rpartition("exit code ")[2]


def test_stored_code_is_read_with_its_binding_only(tmp_path: Path) -> None:
    path = tmp_path / "code"
    assert read(path, BINDING) is None
    cache.write(path, b"machine\ncode", BINDING)
    assert read(path, BINDING) == b"machine\ncode"
    assert read(path, {**BINDING, "module": "b" * 64}) is None
    assert read(path, {**BINDING, "compiler": "wasmtime 51"}) is None


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"code\n" + b"[" * 4000, b"\nnull", b"\n\xff", b"code\n{}"]
)
def test_rubbish_is_not_code(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "code"
    path.write_bytes(data)
    assert read(path, BINDING) is None


def test_code_that_was_changed_is_not_code(tmp_path: Path) -> None:
    path = tmp_path / "code"
    cache.write(path, b"machine code", BINDING)
    stored = path.read_bytes()
    path.write_bytes(b"M" + stored[1:])
    assert read(path, BINDING) is None
    path.write_bytes(stored[1:])
    assert read(path, BINDING) is None
    path.write_bytes(stored[:-1])
    assert read(path, BINDING) is None


def test_code_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "code"
    cache.write(path, b"machine code", BINDING)
    for mode in (0o622, 0o602):
        path.chmod(mode)
        assert read(path, BINDING) is None
    path.chmod(0o644)
    assert read(path, BINDING) == b"machine code"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
def test_a_pipe_in_place_of_code_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "code")
    assert read(tmp_path / "code", BINDING) is None
    cache.write(tmp_path / "code", b"code", BINDING)
    assert read(tmp_path / "code", BINDING) == b"code"

    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "whisperctl.json")
    with cache.bound_folder(folder, BINDING):
        assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_code_of_another_user_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "code"
    cache.write(path, b"machine code", BINDING)
    os.chown(path, 12345, -1)
    assert read(path, BINDING) is None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    cache.write(tmp_path / "missing/code", b"machine code", BINDING)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_compiled_code_is_used_again_and_made_again_when_damaged(
    runtime: str, compiled: Callable[[str], Program], tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    program = compiled(EXITS.format(7))
    assert exit_code(runtime, program, folder) == "7"
    first = files(folder)
    assert first
    assert exit_code(runtime, program, folder) == "7"
    assert files(folder) == first
    for path in first:
        path.write_bytes(b"not machine code")
    assert exit_code(runtime, program, folder) == "7"
    assert all(path.read_bytes() != b"not machine code" for path in files(folder))


@pytest.mark.slow
def test_code_of_another_module_is_not_run(
    runtime: str, compiled: Callable[[str], Program], tmp_path: Path
) -> None:
    """Whole files of one module, put where those of another belong."""
    folders = {}
    for code in (7, 8):
        folders[code] = tmp_path / str(code)
        folders[code].mkdir()
        program = compiled(EXITS.format(code))
        assert exit_code(runtime, program, folders[code]) == str(code)
    theirs, ours = sorted(folders[7].iterdir()), sorted(folders[8].iterdir())
    for source, target in zip(theirs, ours, strict=True):
        if source.is_file():
            target.write_bytes(source.read_bytes())
        else:
            for path in sorted(target.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            for path in sorted(source.rglob("*")):
                inside = target / path.relative_to(source)
                inside.mkdir() if path.is_dir() else inside.write_bytes(path.read_bytes())
    assert exit_code(runtime, program, folders[8]) == "8"


def test_a_folder_with_files_that_its_manifest_lacks_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "bound"
    with cache.bound_folder(folder, BINDING):
        (folder / "code").write_bytes(b"machine code")
    manifest = json.loads((folder / "whisperctl.json").read_bytes())
    assert list(manifest["files"]) == ["code"]
    with cache.bound_folder(folder, BINDING):
        assert (folder / "code").read_bytes() == b"machine code"
    (folder / "more").symlink_to("/etc/hostname")
    with cache.bound_folder(folder, BINDING):
        assert sorted(path.name for path in folder.iterdir()) == []


@pytest.mark.parametrize("problem", ["can be written by others", "cannot make the cache directory"])
def test_a_cache_that_cannot_be_used_is_left_alone_and_said_so(
    runtime: str,
    problem: str,
    compiled: Callable[[str], Program],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache_root = tmp_path / "cache"
    if problem == "cannot make the cache directory":
        cache_root.touch()
    else:
        (cache_root / runtime).mkdir(parents=True)
        cache_root.chmod(0o777)
    monkeypatch.setenv("WHISPERCTL_CACHE", str(cache_root))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG, "whisperctl.engine")
    guest = runtimes.start(runtime, compiled(EXITS.format(7)), Limits())
    try:
        with pytest.raises(GuestError, match="exit code 7"):
            while True:
                guest.receive(1)
    finally:
        guest.kill()
    assert "the cache of machine code is not used" in caplog.text
    assert problem in caplog.text
    assert list(cache_root.rglob("*")) in ([], [cache_root / runtime])
    assert list(temporary.iterdir()) == []
