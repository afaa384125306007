"""Naming and planning of results, on real file systems."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from whisperctl.errors import OutputError, UsageError
from whisperctl.jobs.deliver import PlannedOutput, has_language, output_path, plan_outputs
from whisperctl.storage.files import check_place, write_text


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


@pytest.mark.parametrize("source", ["...wav", "https://host/a/...wav", "s3://calls/...wav"])
def test_no_name_makes_a_template_leave_its_directory(source: str) -> None:
    named = output_path(source, Path("out"), "srt", template="{stem}/{stem}.{ext}")

    assert named == Path("out/...wav/...wav.srt")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{title}.{ext}", r"unknown field {title}: choose from {stem}, {name}, {lang}"),
        ("{stem!r}.srt", "unknown field {stem}"),
        ("{}.srt", "unknown field {}"),
        ("{stem.srt", "unmatched brace"),
        ("out/", "is not a file name"),
        ("", "is not a file name"),
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


def test_a_plan_can_be_carried_out(tmp_path: Path) -> None:
    sample = tmp_path / "two words.wav"
    shutil.copy(Path(__file__).parents[2] / "samples" / "jfk.wav", sample)

    for output in plan_outputs([sample], None, ["txt", "srt"]):
        write_text(output.path, output.format)

    assert (tmp_path / "two words.txt").read_text() == "txt"
    assert (tmp_path / "two words.srt").read_text() == "srt"
