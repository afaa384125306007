"""Naming and writing of result files, on real file systems and with real failures."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from whisperctl.errors import OutputError, UsageError
from whisperctl.jobs.deliver import (
    PlannedOutput,
    check_place,
    check_replaceable,
    has_language,
    output_path,
    plan_outputs,
    remove_leftovers,
    write_atomic,
)
from whisperctl.storage import locks


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


@pytest.mark.parametrize(
    ("source", "directory", "expected"),
    [
        ("a.mp4", None, "a.srt"),
        ("talks/a.mp4", None, "talks/a.srt"),
        ("talks/a.mp4", "out", "out/a.srt"),
        ("a.b.mp4", None, "a.b.srt"),
        ("noext", None, "noext.srt"),
        (".hidden", None, ".hidden.srt"),
        ("-", None, "stdin.srt"),
        ("-", "out", "out/stdin.srt"),
        ("/dev/stdin", None, "stdin.srt"),
        ("/dev/fd/63", None, "63.srt"),
    ],
)
def test_an_output_is_named_for_its_source(
    source: str, directory: str | None, expected: str
) -> None:
    chosen = None if directory is None else Path(directory)

    assert output_path(source, chosen, "srt") == Path(expected)


def test_a_plan_names_every_file_once(tmp_path: Path) -> None:
    assert plan_outputs(["x/a.mp4", "-"], tmp_path, ["srt", "txt", "srt"]) == [
        PlannedOutput("x/a.mp4", "srt", tmp_path / "a.srt"),
        PlannedOutput("x/a.mp4", "txt", tmp_path / "a.txt"),
        PlannedOutput("-", "srt", tmp_path / "stdin.srt"),
        PlannedOutput("-", "txt", tmp_path / "stdin.txt"),
    ]


@pytest.mark.parametrize(
    ("template", "folder", "language", "expected"),
    [
        ("{stem}.{lang}.{ext}", "", "de", "out/a b.de.srt"),
        ("{stem}.{lang}.{ext}", "", "", "out/a b.{lang}.srt"),
        ("{name}.{ext}", "x/y", "", "out/x/y/a b.mp4.srt"),
        ("{stem}/{{{lang}}}.{ext}", "x", "en", "out/x/a b/{en}.srt"),
        ("fixed.srt", "", "", "out/fixed.srt"),
        ("/elsewhere/{stem}", "x", "", "/elsewhere/a b"),
    ],
)
def test_a_template_names_the_output(
    template: str, folder: str, language: str, expected: str
) -> None:
    named = output_path(
        *("t/a b.mp4", Path("out"), "srt"), template=template, folder=folder, language=language
    )

    assert named == Path(expected)
    assert has_language(template) == ("lang" in template)


def test_a_placeholder_in_a_name_is_left_alone() -> None:
    assert output_path("{lang}{x}.wav", Path(), "srt", language="de") == Path("{lang}{x}.srt")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{title}.{ext}", r"holds {title}, which is unknown: there are {stem}, {name}, {lang}"),
        ("{stem!r}.srt", "holds {stem}"),
        ("{}.srt", "holds {}"),
        ("{stem.srt", "lone brace"),
        ("out/", "names no file"),
        ("", "names no file"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(
    tmp_path: Path, template: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        plan_outputs(["a.wav"], tmp_path, ["srt"], template=template)


def test_folders_keep_equal_names_apart_and_need_not_exist(tmp_path: Path) -> None:
    plan = plan_outputs(["t/a/x.mp4", "t/b/x.mp4"], tmp_path, ["srt"], folders=["a", "b"])

    assert [output.path for output in plan] == [tmp_path / "a" / "x.srt", tmp_path / "b" / "x.srt"]


def test_two_formats_need_two_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"formats txt and srt of .* put {ext} into the output"):
        plan_outputs(["a.wav"], tmp_path, ["txt", "srt"], template="{stem}")


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


@pytest.mark.parametrize(
    "sources", [("a.mp4", "a.wav"), ("x/a.wav", "y/a.wav"), ("a.wav", "a.wav"), ("-", "stdin.wav")]
)
def test_two_sources_never_share_an_output(tmp_path: Path, sources: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        plan_outputs(sources, tmp_path, ["srt"])

    assert str(caught.value).startswith(
        f'"{sources[0]}" and "{sources[1]}" would both be written to "{tmp_path}/'
    )


def test_two_names_of_one_directory_are_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match="would both be written to"):
        plan_outputs(["real/a.mp4", "link/a.wav"], None, ["srt"])


def test_the_same_stem_in_two_directories_is_fine_beside_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    Path("y").mkdir()

    plan = plan_outputs(["x/a.mp4", "y/a.mp4"], None, ["srt"])

    assert [output.path for output in plan] == [Path("x/a.srt"), Path("y/a.srt")]


@pytest.mark.parametrize("link", [None, "symbolic", "hard"])
def test_no_output_replaces_an_input(tmp_path: Path, link: str | None) -> None:
    recording = tmp_path / "a.txt"
    recording.write_bytes(b"RIFF")
    named = recording
    if link:
        named = tmp_path / "other.wav"
        (os.symlink if link == "symbolic" else os.link)(recording, named)
        sources = [str(named), "a.mp3"]
    else:
        sources = [str(recording)]

    with pytest.raises(UsageError, match=f'a.txt" would replace the input "{named}"'):
        plan_outputs(sources, tmp_path, ["txt"])

    assert recording.read_bytes() == b"RIFF"


def test_no_output_replaces_what_a_run_stands_on(tmp_path: Path) -> None:
    (tmp_path / "talks.txt").touch()
    others = [("the list", tmp_path / "talks.txt"), ("the log", tmp_path / "a.srt")]
    plan_outputs(["talks.wav"], tmp_path, ["srt"], others=others)
    for source, name, says in (("talks.wav", "txt", "the list"), ("a.wav", "srt", "the log")):
        with pytest.raises(UsageError, match=f"would replace {says} .*: choose another output"):
            plan_outputs([source], tmp_path, [name], others=others)


def test_a_plan_fails_early_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no directory .*missing\"; create it"):
        plan_outputs(["a.wav"], tmp_path / "missing", ["srt"])
    (tmp_path / "a.srt").mkdir()
    with pytest.raises(OutputError, match="it is a directory"):
        plan_outputs(["a.wav"], tmp_path, ["srt"])


@pytest.mark.parametrize("folder", ["", "not/made/yet"])
def test_a_name_that_the_file_system_does_not_take_is_refused_before_work(
    tmp_path: Path, folder: str
) -> None:
    def plan(stem: str, template: str = "{stem}.{ext}") -> None:
        plan_outputs(
            [f"{stem}.wav"],
            tmp_path,
            ["srt"],
            template=template,
            folders=[folder],
            makes_directory=True,
        )

    longest = "ä" * 125 + "a"  # 251 bytes, and four of the suffix
    plan(longest)
    plan(longest[4:], "{stem}.{lang}.{ext}")  # {lang} becomes three letters at most
    with pytest.raises(OutputError, match="its name is too long for the file system; choose a sho"):
        plan(longest + "a")
    with pytest.raises(OutputError, match="its name is too long"):
        plan(longest, "{stem}.{lang}.{ext}")
    with pytest.raises(OutputError, match="holds characters that no file's name can hold"):
        plan("a", "{stem}\0.{ext}")
    with pytest.raises(OutputError, match="its name is too long"):
        check_place(tmp_path / ("a" * 252 + ".csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_path_has_room_for_the_temporary_file_too(tmp_path: Path) -> None:
    levels = (4096 - 20 - len(os.fsencode(tmp_path))) // 2
    with pytest.raises(OutputError, match="its path is too long; choose another directory"):
        plan_outputs(["a.wav"], tmp_path.joinpath(*"a" * levels), ["srt"], makes_directory=True)


def test_a_folder_or_file_that_is_a_broken_link_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to("missing")
    (tmp_path / "a.srt").symlink_to("missing/a.srt")
    with pytest.raises(OutputError, match=r"there is no directory .*folder"):
        plan_outputs(["a.wav"], tmp_path / "folder", ["srt"], makes_directory=True)
    with pytest.raises(OutputError, match=r"there is no directory .*missing"):
        plan_outputs(["a.wav"], tmp_path, ["srt"])


@pytest.mark.parametrize("sources", [("Talk.wav", "talk.mp3"), ("\u00e9.wav", "e\u0301.mp3")])
def test_names_that_the_file_system_takes_for_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: tuple[str, str]
) -> None:
    plan_outputs(sources, tmp_path, ["srt"])  # this one keeps them apart
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr("whisperctl.jobs.deliver._same_name", lambda folder, one, other: True)
    with pytest.raises(UsageError, match="would both be written to"):
        plan_outputs(sources, tmp_path, ["srt"])
    with pytest.raises(UsageError, match="would both be written to"):
        plan_outputs(
            ["x.wav", "y.wav"],
            tmp_path,
            ["srt"],
            template="a.{ext}",
            folders=[Path(one).stem for one in sources],
        )
    (tmp_path / Path(sources[0]).with_suffix(".srt")).touch()
    plan_outputs(sources, tmp_path, ["srt"])  # as the system was asked, and has but one


def test_a_run_that_clears_away_leftovers_leaves_a_file_that_is_just_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = locks.take
    others = iter(["before", "meanwhile"])

    def interrupted(descriptor: int) -> None:
        match next(others, None):
            case "before":
                monkeypatch.setattr(locks, "take", take)
                remove_leftovers(tmp_path)
                monkeypatch.setattr(locks, "take", interrupted)
            case "meanwhile":
                raise BlockingIOError  # the other has the lock, and is about to remove the file
        take(descriptor)

    monkeypatch.setattr(locks, "take", interrupted)
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


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write everywhere, so be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_directory_without_permission_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)

    with unprivileged(), pytest.raises(OutputError, match="permission denied; check"):
        write_atomic(folder / "a.txt", writes("text"))


def test_a_plan_fails_early_without_permission(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)

    with unprivileged(), pytest.raises(OutputError, match=r"a\.srt\" cannot be written: "):
        plan_outputs(["a.wav"], folder, ["srt"])


def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("keep")
    path.chmod(0o444)

    with unprivileged(), pytest.raises(OutputError, match="permission denied; check"):
        write_atomic(path, writes("new"))
    monkeypatch.setattr("whisperctl.jobs.deliver._writable", lambda path: False)
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
from whisperctl.jobs.deliver import write_atomic
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
        "from pathlib import Path\nfrom whisperctl.jobs.deliver import write_atomic\n"
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


def test_a_plan_can_be_carried_out(tmp_path: Path) -> None:
    sample = tmp_path / "two words.wav"
    shutil.copy(Path(__file__).parents[2] / "samples" / "jfk.wav", sample)

    for output in plan_outputs([sample], None, ["txt", "srt"]):
        write_atomic(output.path, writes(output.format))

    assert (tmp_path / "two words.txt").read_text() == "txt"
    assert (tmp_path / "two words.srt").read_text() == "srt"
