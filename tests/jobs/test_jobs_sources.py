"""Finding recordings by files, directories, patterns and lists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisperctl.errors import AudioError, UsageError
from whisperctl.jobs.sources import FileList, Recording, find


@pytest.fixture
def store() -> Iterator[str]:
    """A directory of a store, with names that lead out of it."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in (
        *("part 10.mp3", "part 2.mp3", "notes.txt", ".hidden.wav", "a/x.mp4", ".git/x.wav"),
        *("b/../../../up.wav", "b//./y.wav", "docs/readme.md"),
        "b/\x1b[2J\0\n\u202e\udcff/z.wav",
    ):
        memory.pipe_file(f"/calls/talks/{name}", b"RIFF")
    yield "memory://calls/talks"
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for name in (
        *("talks/part 10.mp3", "talks/part 2.mp3", "talks/Part 1.WAV", "talks/notes.txt"),
        *("talks/.hidden.wav", "talks/.git/x.wav", "talks/a/x.mp4", "talks/b/c/x.mp4"),
        *("empty/readme.md", "odd/take[1].wav", "odd/take1.wav", "two words.wav", "x.rec"),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"RIFF")
    yield tmp_path


def names(*given: str, recursive: bool = False) -> list[str]:
    return [recording.name for recording in find(given, recursive=recursive)]


def test_files_stay_as_they_are_named_even_when_missing() -> None:
    assert names("two words.wav", "-", "./missing.wav") == ["two words.wav", "-", "./missing.wav"]


def test_a_name_that_the_shell_took_apart_is_an_error_that_says_so() -> None:
    expected = r'^"two words\.wav" was given as 2 names: put it in quotes, as it has spaces$'
    with pytest.raises(UsageError, match=expected):
        names("missing.wav", "two", "words.wav", "x.rec")
    Path("two").touch()
    with pytest.raises(UsageError, match=expected):
        names("two", "words.wav")
    Path("words.wav").touch()
    assert names("two", "words.wav") == ["two", "words.wav"]


def test_a_folder_gives_its_media_in_natural_order() -> None:
    assert names("talks") == ["talks/Part 1.WAV", "talks/part 2.mp3", "talks/part 10.mp3"]


def test_recursive_looks_deeper_and_remembers_where() -> None:
    found = find(["talks/"], recursive=True)

    assert [(r.name, r.folder) for r in found[3:]] == [
        ("talks/a/x.mp4", "a"),
        ("talks/b/c/x.mp4", "b/c"),
    ]
    assert {r.folder for r in found[:3]} == {""}


def test_a_loop_of_links_ends(here: Path) -> None:
    (here / "talks" / "a" / "up").symlink_to("..")

    assert len(find(["talks"], recursive=True)) == 5


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("talks/part*.mp3", ["talks/part 2.mp3", "talks/part 10.mp3"]),
        ("talks/*", ["talks/Part 1.WAV", "talks/part 2.mp3", "talks/part 10.mp3"]),
        ("talks/**/*.mp4", ["talks/a/x.mp4", "talks/b/c/x.mp4"]),
        ("*.rec", ["x.rec"]),
        ("odd/take[0-9].wav", ["odd/take1.wav"]),
        ("odd/take[1].wav", ["odd/take[1].wav"]),
    ],
)
def test_a_pattern_that_the_shell_left_alone_is_expanded(pattern: str, expected: list[str]) -> None:
    assert names(pattern) == expected


def test_what_a_pattern_finds_keeps_its_folders() -> None:
    assert find(["talks/**/*.mp4"]) == [
        Recording("talks/a/x.mp4", "a"),
        Recording("talks/b/c/x.mp4", "b/c"),
    ]


def test_a_recording_named_twice_counts_once(here: Path) -> None:
    absolute = str(here / "talks" / "a" / "x.mp4")

    assert names("talks/a/x.mp4", absolute, "talks/a", "talks/*/../a/x.mp4") == ["talks/a/x.mp4"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("empty", '^"empty" is a directory without recordings: use --recursive'),
        ("talks/*.ogg", r'^"talks/\*.ogg" does not match any file: check the pattern$'),
    ],
)
def test_nothing_found_is_an_error(given: str, message: str) -> None:
    with pytest.raises((AudioError, UsageError), match=message):
        find(["two words.wav", given])


def test_a_list_names_one_a_line(here: Path) -> None:
    (here / "list").write_text("\ufeff# mine\n\ntwo words.wav\r\n  odd one\ntalks\nodd/take[1].wav")

    assert [recording.name for recording in find(["x.rec"], [FileList("list")])] == [
        *("x.rec", "two words.wav", "  odd one"),
        *("talks/Part 1.WAV", "talks/part 2.mp3", "talks/part 10.mp3", "odd/take[1].wav"),
    ]


def test_names_that_end_with_nul_may_hold_anything(here: Path) -> None:
    (here / "list").write_bytes(b"#a.wav\0two\nlines.wav\0\xff.wav\0")

    found = find([], [FileList("list", null_separated=True)])

    assert [r.name for r in found] == ["#a.wav", "two\nlines.wav", os.fsdecode(b"\xff.wav")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, '^the list "list" cannot be read'),
        (b"\n# nothing\n", '^the list "list" contains no names'),
        (b"a.wav\0b.wav\0", "give --null"),
        (b"-\n", 'contains "-"'),
        (bytes(64 * 2**20 + 1), "is larger than 64 MiB"),
    ],
)
def test_a_list_that_is_none_is_an_error(here: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (here / "list").write_bytes(data)

    with pytest.raises(AudioError, match=message):
        find([], [FileList("list")])


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="Unix has /dev/zero")
def test_a_list_without_end_is_an_error() -> None:
    with pytest.raises(AudioError, match='the list "/dev/zero" is larger than 64 MiB'):
        find([], [FileList("/dev/zero")])


def test_standard_input_is_one_thing_at_a_time() -> None:
    with pytest.raises(UsageError, match="once"):
        find(["-"], [FileList("-")])


def test_a_directory_of_a_store_gives_its_media_in_natural_order(store: str) -> None:
    found = find([store])

    assert [one.name for one in found] == [f"{store}/part 2.mp3", f"{store}/part 10.mp3"]
    assert [one.size_bytes for one in found] == [4, 4]


def test_names_in_a_store_lead_nowhere_else(store: str) -> None:
    for found in (find([f"{store}/"], recursive=True), find([f"{store}/**/*.*"])):
        folders = {one.folder for one in found}
        assert "a" in folders
        assert not {"..", ".", ""} & {part for one in folders for part in one.split("/") if one}
        assert "b/_[2J____" in folders


def test_patterns_of_a_store_match_as_those_of_files_do(store: str) -> None:
    found = find([f"{store}/part*.mp3", f"{store}/part 2.mp3", f"{store}/none.mp3"])

    assert [one.name.removeprefix(f"{store}/") for one in found] == [
        *("part 2.mp3", "part 10.mp3", "none.mp3"),
    ]
    with pytest.raises(UsageError, match=r'^"memory://calls/talks/x\*" does not match any file'):
        find([f"{store}/x*"])
    with pytest.raises(AudioError, match="is a directory without recordings"):
        find([f"{store}/docs"])


def test_a_list_names_urls_and_credentials_are_in_no_error(store: str, here: Path) -> None:
    (here / "list").write_text(f"{store}/part 2.mp3\nfile://{here}/x.rec\nftp://me:pw@host/x\n")
    with pytest.raises(UsageError) as raised:
        find([], [FileList("list")])
    assert str(raised.value).startswith("ftp:// is not supported")

    (here / "list").write_text(f" {store}/part 2.mp3\t\nfile://{here}/x.rec\n")
    found = find([], [FileList("list")])
    assert [one.name for one in found] == [f"{store}/part 2.mp3", str(here / "x.rec")]
