"""Folders for what can be made again, and which of them hold nothing but the user's own."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from whisperctl.errors import BackendError
from whisperctl.storage.paths import CACHE_VARIABLE as VARIABLE
from whisperctl.storage.paths import cache_dir, distrust


def test_the_variable_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert cache_dir("code") == tmp_path / "elsewhere/code"
    assert cache_dir("code").is_dir()


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(BackendError, match=f"cannot make the cache directory.*set {VARIABLE}"):
        cache_dir("code")


def test_what_is_the_users_own_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o644)
    assert distrust(tmp_path) is None
    assert distrust(tmp_path / "file") is None


def test_a_group_of_the_users_own_is_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    folder.chmod(0o775)
    group = grp.getgrgid(folder.stat().st_gid)
    user = pwd.getpwuid(os.geteuid())
    alone = grp.struct_group((user.pw_name, "x", user.pw_gid, []))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: alone)
    assert distrust(folder) is None
    shared = grp.struct_group((user.pw_name, "x", user.pw_gid, ["mallory"]))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: shared)
    assert "can be written by others" in (distrust(folder) or "")
    assert group.gr_gid == user.pw_gid


@pytest.mark.parametrize("mode", [0o707, 0o777, 0o1777, 0o2777])
def test_what_others_can_write_is_not_trusted(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    assert "shared" in (distrust(folder) or "")
    assert "can be written by others" in (distrust(folder) or "")


def test_nor_is_what_lies_in_a_folder_that_others_can_write(tmp_path: Path) -> None:
    inside = tmp_path / "shared/own"
    inside.mkdir(parents=True, mode=0o700)
    (tmp_path / "shared").chmod(0o777)
    assert "shared" in (distrust(inside) or "")
    (tmp_path / "shared").chmod(0o1777)  # as /tmp, where nobody can replace what is another's
    assert distrust(inside) is None


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "link").symlink_to(shared)
    assert "shared" in (distrust(tmp_path / "link") or "")


def test_what_is_not_there_is_not_trusted(tmp_path: Path) -> None:
    assert "cannot be examined" in (distrust(tmp_path / "missing") or "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, -1)
    assert "belongs to another user" in (distrust(folder) or "")
    (folder / "inside").mkdir()
    assert "theirs" in (distrust(folder / "inside") or "")
