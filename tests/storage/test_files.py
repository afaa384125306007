"""Files that appear whole or not at all, on real file systems and with real failures."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from tests.conftest import unprivileged
from whisperctl.errors import OutputError
from whisperctl.storage import files
from whisperctl.storage.files import (
    check_place,
    check_replaceable,
    reason,
    remove_leftovers,
    replacing,
    write_atomic,
)


def writes(text: str) -> Callable[[TextIO], None]:
    def write(out: TextIO) -> None:
        out.write(text)

    return write


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_only_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".whisperctl-0123456789abcdef.tmp"
    left.write_text("half")
    (tmp_path / ".whisperctl-mine").write_text("kept")

    def write(out: TextIO) -> None:
        remove_leftovers(tmp_path)
        out.write("whole")

    write_atomic(tmp_path / "a.txt", write)

    assert names_in(tmp_path) == [".whisperctl-mine", "a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_run_that_clears_away_leftovers_leaves_a_file_that_is_just_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = files.lock
    others = iter(["before", "meanwhile"])

    def interrupted(descriptor: int) -> None:
        match next(others, None):
            case "before":
                monkeypatch.setattr(files, "lock", take)
                remove_leftovers(tmp_path)
                monkeypatch.setattr(files, "lock", interrupted)
            case "meanwhile":
                raise BlockingIOError  # the other has the lock, and is about to remove the file
        take(descriptor)

    monkeypatch.setattr(files, "lock", interrupted)
    write_atomic(tmp_path / "a.txt", writes("whole"))

    assert next(others, None) is None
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert names_in(tmp_path) == ["a.txt"]


def test_text_is_utf8_with_line_feeds(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.txt", writes("Grüße\n日本\n"))

    assert (tmp_path / "a.txt").read_bytes() == "Grüße\n日本\n".encode()
    assert names_in(tmp_path) == ["a.txt"]


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    for mask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        with umask(mask):
            write_atomic(tmp_path / f"{mask}", writes("x"))
        assert stat.S_IMODE((tmp_path / f"{mask}").stat().st_mode) == mode


def test_an_existing_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a longer text than the new one")
    path.chmod(0o640)

    write_atomic(path, writes("new"))

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("target_exists", [True, False])
def test_a_symbolic_link_stays_a_link(tmp_path: Path, target_exists: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.txt"
    if target_exists:
        target.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("elsewhere/real.txt")

    write_atomic(link, writes("new"))

    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names_in(tmp_path / "elsewhere") == ["real.txt"]


def test_the_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(out: TextIO) -> None:
        out.write("new" * 100_000)
        out.flush()
        assert path.read_text() == "old"

    write_atomic(path, write)

    assert path.read_text() == "new" * 100_000


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file_alone(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(out: TextIO) -> None:
        out.write("half")
        out.flush()
        raise error

    with pytest.raises(error):
        write_atomic(path, write)

    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def _missing_directory(folder: Path) -> Path:
    return folder / "missing" / "a.txt"


def _file_as_directory(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.txt"


def _directory(folder: Path) -> Path:
    (folder / "a.txt").mkdir()
    return folder / "a.txt"


def _long_name(folder: Path) -> Path:
    return folder / ("a" * 300)


def _full_disk(folder: Path) -> Path:
    return Path("/dev/full")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing_directory, 'there is no directory "{path.parent}"; create it or choose another'),
        (_file_as_directory, 'there is no directory "{path.parent}"; create it or choose another'),
        (_directory, "it is a directory; choose another name"),
        (_long_name, "its name is too long for the file system; choose a shorter one"),
        pytest.param(
            _full_disk,
            "the disk is full; free some space or choose another directory",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full"),
        ),
    ],
)
def test_a_failure_is_one_line_that_names_the_file(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(OutputError) as caught:
        write_atomic(path, writes("text"))

    assert str(caught.value) == f'"{path}" cannot be written: {says.format(path=path)}'
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_without_permission_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)

    with unprivileged(), pytest.raises(OutputError, match="permission denied; check"):
        write_atomic(folder / "a.txt", writes("text"))


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("keep")
    path.chmod(0o444)

    with unprivileged(), pytest.raises(OutputError, match="permission denied; check"):
        write_atomic(path, writes("new"))
    monkeypatch.setattr("whisperctl.storage.files.is_writable", lambda path: False)
    with pytest.raises(OutputError, match="permission denied; check"):
        check_replaceable(path)

    assert path.read_text() == "keep"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux has /proc")
def test_a_file_system_that_takes_no_files_says_so() -> None:
    with pytest.raises(OutputError, match=r'^"/proc/a\.txt" cannot be written: No such file'):
        write_atomic(Path("/proc/a.txt"), writes("text"))


def test_text_that_utf8_cannot_hold_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its text does not fit the format"):
        write_atomic(tmp_path / "a.txt", writes("\ud800"))

    assert names_in(tmp_path) == []


LIMITED = """
import resource, sys
from pathlib import Path
from whisperctl.errors import OutputError
from whisperctl.storage.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_atomic(Path(sys.argv[1]), lambda out: out.write("x" * 100_000) and None)
except OutputError as error:
    print(error)
"""


def test_a_disk_that_fills_up_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    said = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
    )

    assert said.stdout == (
        f'"{path}" cannot be written: File too large; choose another directory or name\n'
    )
    assert said.stderr == ""
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_devices_and_pipes_are_written_and_not_replaced(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom whisperctl.storage.files import write_atomic\n"
        "write_atomic(Path('/dev/stdout'), lambda out: out.write('subtitles\\n') and None)"
    )
    command = [sys.executable, "-c", script]

    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    with (tmp_path / "redirected").open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    write_atomic(Path("/dev/null"), writes("gone"))

    assert piped.stdout == "subtitles\n"
    assert (tmp_path / "redirected").read_text() == "subtitles\n"
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_check_fails_early_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)

    with unprivileged(), pytest.raises(OutputError, match=r"a\.srt\" cannot be written: "):
        check_place(folder / "a.srt")


def test_bytes_replace_a_file_and_keep_it_private(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch(0o600)
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b""
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["journal"]


def test_a_reason_is_one_line_in_the_words_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "missing").open()
    assert reason(caught.value) == "No such file or directory"
    assert reason(OSError("two\nlines")) == "two lines"
    assert reason(OSError()) == "OSError"
    assert reason(ValueError("embedded null byte")) == "embedded null byte"


def test_errors_of_the_system_are_worded_in_one_place() -> None:
    root = Path(files.__file__).parents[1]
    using = [
        path.name for path in root.rglob("*.py") if "error.strerror" in path.read_text("utf-8")
    ]
    assert using == []
