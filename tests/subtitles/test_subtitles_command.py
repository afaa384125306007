"""``whisperctl subtitles`` as a person runs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pysubs2
import pytest

from whisperctl.formats import FORMATS, READABLE, extension

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli

SRT = (
    "1\n00:00:01,000 --> 00:00:02,000\nHello, wörld\n\n2\n00:00:02,000 --> 00:00:03,000\nagain\n\n"
)
BROKEN = "1\n00:01:02,000 --> 00:01:02,000\nx\n\n2\n00:01:01,000 --> 00:01:03,000\ny\n\n"


def test_convert_by_the_names_of_files(cli: Cli) -> None:
    (cli.directory / "a talk.srt").write_text(SRT, encoding="utf-8")
    done = cli.here("subtitles", "convert", "a talk.srt", "a talk.ass")
    assert (done.code, done.out, done.err) == (0, "", "")
    events = pysubs2.load(str(cli.directory / "a talk.ass")).events
    assert [(e.start, e.end, e.plaintext) for e in events] == [
        (1000, 2000, "Hello, wörld"),
        (2000, 3000, "again"),
    ]
    done = cli.here("subtitles", "convert", "a talk.ass", "b.full.json")
    assert done.code == 0
    document = json.loads((cli.directory / "b.full.json").read_text("utf-8"))
    assert document["transcription"][0]["offsets"] == {"from": 1000, "to": 2000}


def test_options_that_do_nothing_in_the_format_are_named(cli: Cli) -> None:
    (cli.directory / "talk.srt").write_text(SRT, encoding="utf-8")
    limits = ("--max-line-width", "8", "--min-cue-gap", "0.1")

    table = cli.here("subtitles", "convert", "talk.srt", "talk.tsv", *limits)
    lyrics = cli.here("subtitles", "convert", "talk.srt", "talk.lrc", *limits)
    shown = cli.here("subtitles", "convert", "talk.srt", "talk.vtt", *limits)

    assert table.err == (
        "whisperctl: warning: --max-line-width, --min-cue-gap have no effect on the lines of tsv\n"
    )
    assert lyrics.err == "whisperctl: warning: --min-cue-gap has no effect on the lines of lrc\n"
    assert shown.err == ""
    assert {table.code, lyrics.code, shown.code} == {0}


def test_positions_colors_and_fonts_are_kept_or_counted(cli: Cli) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\n"
        '{\\an8}<font color="#ff0000">Stop,</font> he said.\n\n'
        "2\n00:00:02,000 --> 00:00:03,000\n{\\pos(1,2)\\i1}And{\\i0} <font face=x>went\n\n"
    )
    (cli.directory / "a.srt").write_text(text)
    done = cli.here("subtitles", "convert", "a.srt", "b.srt", "--max-line-width", "9")
    assert (done.code, done.err) == (0, "")
    assert (cli.directory / "b.srt").read_text() == (
        "1\n00:00:01,000 --> 00:00:02,000\n"
        '{\\an8}<font color="#ff0000">Stop,</font>\nhe said.\n\n'
        "2\n00:00:02,000 --> 00:00:03,000\n{\\pos(1,2)}<i>And</i> <font face=x>went\n\n"
    )
    for name, n, left in (
        ("c.vtt", "4 tags", "02.000 line:0\nStop, he said"),
        ("c.ass", "1 tag", r"{\an8}{\c&H0000FF&}Stop,{\c} he said"),
    ):
        done = cli.here("subtitles", "convert", "a.srt", name)
        assert f"{n} for positions, colors and fonts" in done.err
        assert left in (cli.directory / name).read_text()
    done = cli.here("subtitles", "convert", "c.ass", "d.srt")
    assert "3 tags for positions, colors and fonts" in done.err
    assert "{\\an8}Stop, he said" in (cli.directory / "d.srt").read_text()


def test_a_place_in_the_picture_holds_for_all_that_is_said_there(cli: Cli) -> None:
    (cli.directory / "a.vtt").write_text(
        "WEBVTT\n\n00:01.000 --> 00:03.000 line:5% align:start\nIt was a bright cold day\n\n"
        "00:03.000 --> 00:05.000 align:start position:0%\nin April.\n\n"
        "00:04.000 --> 00:05.000 line:50.5%\n<v Ann>Oh, <i>was</i> it?\n"
    )
    limits = ("--max-line-width", "16", "--max-line-count", "1")
    done = cli.here("subtitles", "convert", "a.vtt", "b.srt", *limits)
    assert (done.code, done.err) == (0, "")
    cues = (cli.directory / "b.srt").read_text().split("\n\n")[:-1]
    texts = [cue.split("\n")[2] for cue in cues]
    assert texts == [
        *(r"{\an8}It was a bright", r"{\an8}cold day", "in April."),
        r"Ann: {\an5}Oh, <i>was</i> it?",
    ]
    assert cli.here("subtitles", "lint", "a.vtt").code == 0  # what is elsewhere does not overlap
    for number, settings in ((1, " align:left"), (2, ""), (6, " line:50% align:right")):
        (cli.directory / "c.srt").write_text(
            f"1\n00:00:01,000 --> 00:00:02,000\n{{\\an{number}}}Oh\n"
        )
        done = cli.here("subtitles", "convert", "c.srt", "-", "--to", "vtt")
        assert done.out == f"WEBVTT\n\n00:01.000 --> 00:02.000{settings}\nOh\n\n"


def test_convert_by_a_profile_says_what_cannot_keep_to_it(cli: Cli) -> None:
    (cli.directory / "talk.srt").write_text(SRT, encoding="utf-8")
    done = cli.here("subtitles", "convert", "talk.srt", "a.vtt", "--profile", "youtube")
    assert (done.code, done.err) == (0, "")
    assert cli.here("subtitles", "lint", "a.vtt", "--profile", "youtube").code == 0
    fast = "1\n00:00:01,000 --> 00:00:02,000\nIt was a bright cold day in April\n\n" + (
        "2\n00:00:02,000 --> 00:00:03,000\nand so it went\n\n"
    )
    (cli.directory / "fast.srt").write_text(fast, encoding="utf-8")
    done = cli.here("subtitles", "convert", "fast.srt", "b.srt", "--profile", "bbc")
    assert done.code == 0
    assert done.err == (
        "whisperctl: warning: 1 of 1 cue does not keep to bbc: 1 too fast, as the speech is "
        "(first at 00:00:00,800: reading speed 21.4 > 17 cps)\n"
    )
    assert "unknown profile" in cli.here("subtitles", "lint", "b.srt", "--profile", "hbo").err


@pytest.mark.slow
def test_convert_through_pipes_with_other_lines(cli: Cli) -> None:
    done = cli(
        *("subtitles", "convert", "-", "-", "--to", "vtt", "--max-line-width", "8"),
        stdin=SRT.encode(),
        env={"LC_ALL": "C"},
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "WEBVTT\n\n00:01.000 --> 00:02.000\nHello,\nwörld\n\n00:02.000 --> 00:03.000\nagain\n\n"
    )


def test_convert_refuses_what_it_cannot_do(cli: Cli) -> None:
    source = cli.directory / "a.srt"
    source.write_text(SRT, encoding="utf-8")
    (cli.directory / "link.vtt").symlink_to(source)
    for arguments, code, reason in (
        (("a.srt", "./a.srt"), 2, "is the input itself"),
        (("a.srt", "link.vtt"), 2, "is the input itself"),
        (("a.srt", "-"), 2, "name the format with --to"),
        (("a.srt", "a.docx"), 2, "cannot tell the output format"),
        (("a.srt", "b.vtt", "--to", "vtx"), 2, 'did you mean "vtt"?'),
        (("a.srt", "b.vtt", "--to", "all"), 2, "one format"),
        (("a.srt", "b.vtt", "--from", "doc"), 2, 'unknown format "doc"'),
        (("a.srt", "b.vtt", "--from", "vtt"), 1, "is not vtt"),
        (("a.srt", "none/b.vtt"), 1, "no directory"),
        (("none.srt", "b.vtt"), 1, "does not exist"),
        (("a.srt", "b.vtt", "--max-line-width", "0"), 2, "1 or more"),
    ):
        done = cli.here("subtitles", "convert", *arguments)
        assert (done.code, done.out) == (code, "")
        assert reason in done.err
        assert done.err.count("\n") == 1
    assert sorted(path.name for path in cli.directory.iterdir()) == ["a.srt", "link.vtt"]
    assert source.read_text("utf-8") == SRT


def test_a_failed_conversion_leaves_the_old_result(cli: Cli) -> None:
    (cli.directory / "bad.srt").write_text("nothing of it\n")
    (cli.directory / "old.vtt").write_text("WEBVTT\n\n")
    done = cli.here("subtitles", "convert", "bad.srt", "old.vtt")
    assert done.code == 1
    assert (cli.directory / "old.vtt").read_text() == "WEBVTT\n\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.vtt", "WEBVTT\n\n00:0x.000 --> 00:02.000\nHi\n", "line 3 cannot be read: "),
        ("a.ass", "[Script Info]\nScriptType: v4.00+\n", "has no [Events]"),
        ("a.ass", "[Events]\nFormat: Layer, Start, End, Text\n", "there is no text to write"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n\n", "there is no text to write"),
        ("a.srt", "", "there is no text to write"),
        ("a.json", '{"segments": []}', "there is no text to write"),
    ],
)
def test_an_empty_result_never_replaces_a_file(cli: Cli, name: str, text: str, reason: str) -> None:
    (cli.directory / name).write_text(text)
    for target in ("b.srt", "b.vtt"):
        (cli.directory / target).write_text("kept")
        done = cli.here("subtitles", "convert", name, target, "--lenient")
        strict = cli.here("subtitles", "convert", name, target)
        assert (done.code, strict.code) == (1, 1)
        assert reason in strict.err
        assert strict.err.splitlines()[-1].startswith("whisperctl: error: ")
        assert (cli.directory / target).read_text() == "kept"


def test_convert_skips_what_cannot_be_read_if_asked_to(cli: Cli) -> None:
    text = "1\n00:00:01,000 --> 00:00:0x,000\nlost\n\n2\n0:0:2 --> 0:0:3,5\nkept\n\n3\n0:1: --> x\n"
    (cli.directory / "a.srt").write_text(text)
    done = cli.here("subtitles", "convert", "a.srt", "b.vtt")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        'whisperctl: error: "a.srt" line 2 cannot be read: "00:00:0x,000" is not a time '
        "(and 1 more): fix it, or skip what cannot be read with --lenient\n"
    )
    assert not (cli.directory / "b.vtt").exists()
    done = cli.here("subtitles", "convert", "a.srt", "b.vtt", "--lenient")
    assert (done.code, done.out) == (0, "")
    assert done.err == 'whisperctl: "a.srt": skipped 2 lines that cannot be read: line 2, line 10\n'
    assert (cli.directory / "b.vtt").read_text() == "WEBVTT\n\n00:02.000 --> 00:03.500\nkept\n\n"


def test_lint_finds_lines_that_cannot_be_read(cli: Cli) -> None:
    (cli.directory / "a.vtt").write_text("WEBVTT\n\n00:01 -> 00:02\na\n\n00:01 --> 00:02,5\nb\n")
    done = cli.here("subtitles", "lint", "a.vtt")
    assert (done.code, done.err) == (1, "")
    assert done.out == "a.vtt:line 3: it is text outside any cue\n"
    [report] = json.loads(cli.here("subtitles", "lint", "a.vtt", "--format", "json").out)
    assert report["findings"] == [
        {"place": "line 3", "check": "unreadable", "message": "it is text outside any cue"}
    ]


def test_lint_lists_all_lines_of_a_file_that_cannot_be_read(cli: Cli) -> None:
    (cli.directory / "a.srt").write_text("1\n0:0:x --> 0:0:2\na\n\n0:0:3 --> y\nb\n")
    done = cli.here("subtitles", "lint", "a.srt")
    assert (done.code, done.err) == (1, "")
    assert done.out == 'a.srt:line 2: "0:0:x" is not a time\na.srt:line 5: "y" is not a time\n'
    done = cli.here("subtitles", "convert", "a.srt", "b.srt", "--lenient")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "has no readable cue" in done.err
    assert not (cli.directory / "b.srt").exists()


def test_a_file_is_read_as_what_it_says_it_is_and_not_by_a_wrong_name(cli: Cli) -> None:
    (cli.directory / "a.srt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n")
    done = cli.here("subtitles", "convert", "a.srt", "b.srt")
    assert (done.code, done.err) == (0, 'whisperctl: "a.srt" is vtt, whatever its name says\n')
    assert (cli.directory / "b.srt").read_text() == "1\n00:00:01,000 --> 00:00:02,000\nHi\n\n"
    (cli.directory / "a.ass").write_text("[Script Info]\n\n[V4 Styles]\n\n[Events]\n")
    done = cli.here("subtitles", "lint", "a.ass")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert cli.here("subtitles", "convert", "a.srt", "b.srt", "--from", "srt").code == 1


def test_an_encoding_can_be_named(cli: Cli) -> None:
    text = SRT.replace("wörld", "мир")
    (cli.directory / "a.srt").write_bytes(text.encode("cp1251"))
    done = cli.here("subtitles", "convert", "a.srt", "b.srt")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--encoding" in done.err
    done = cli.here("subtitles", "convert", "a.srt", "b.srt", "--encoding", "windows-1251")
    assert (done.code, done.err) == (0, "")
    assert (cli.directory / "b.srt").read_text("utf-8") == text
    assert cli.here("subtitles", "lint", "a.srt", "--encoding", "cp1251").code == 0
    assert cli.here("subtitles", "lint", "a.srt", "--encoding", "klingon").code == 2


def test_latin_1_is_read_with_a_note(cli: Cli) -> None:
    (cli.directory / "a.srt").write_bytes(SRT.encode("latin-1"))
    done = cli.here("subtitles", "convert", "a.srt", "b.srt")
    assert done.code == 0
    assert 'whisperctl: "a.srt" is not UTF-8' in done.err
    assert (cli.directory / "b.srt").read_text("utf-8") == SRT


def test_lint_has_a_line_for_each_finding(cli: Cli) -> None:
    (cli.directory / "good.srt").write_text(SRT, encoding="utf-8")
    (cli.directory / "bad one.srt").write_text(BROKEN, encoding="utf-8")
    done = cli.here("subtitles", "lint", "good.srt")
    assert (done.code, done.out, done.err) == (0, "", "")
    done = cli.here("subtitles", "lint", "good.srt", "bad one.srt")
    assert (done.code, done.err) == (1, "")
    assert done.out == (
        "bad one.srt:cue 1 (00:01:02,000): takes no time\n"
        "bad one.srt:cue 2 (00:01:01,000): begins before the previous cue\n"
        "bad one.srt:cue 2 (00:01:01,000): begins 1 s before cue 1 ends\n"
    )


def test_lint_checks_limits_that_are_given(cli: Cli) -> None:
    (cli.directory / "a.srt").write_text(SRT, encoding="utf-8")
    done = cli.here(
        "subtitles", "lint", "a.srt", "--max-line-width", "8", "--duration", "00:00:02.5"
    )
    assert (done.code, done.out) == (
        1,
        "a.srt:cue 1 (00:00:01,000): line of 12 characters > 8\n"
        "a.srt:cue 2 (00:00:02,000): ends 0.5 s after the recording\n",
    )
    netflix = cli.here("subtitles", "lint", "-", "--profile", "netflix", stdin=SRT.encode())
    assert (netflix.code, netflix.out) == (
        1,
        "-:cue 2 (00:00:02,000): 0 s after cue 1 < 0.0833 s\n",
    )


def test_lint_writes_json(cli: Cli) -> None:
    (cli.directory / "bad.srt").write_text(BROKEN, encoding="utf-8")
    done = cli.here("subtitles", "lint", "bad.srt", "--format", "json")
    [report] = json.loads(done.out)
    assert done.code == 1
    assert (report["file"], report["format"], report["cues"]) == ("bad.srt", "srt", 2)
    assert [finding["check"] for finding in report["findings"]] == ["zero", "order", "overlap"]


def test_lint_goes_on_after_a_file_it_cannot_read(cli: Cli) -> None:
    (cli.directory / "good.srt").write_text(SRT, encoding="utf-8")
    done = cli.here("subtitles", "lint", "none.srt", "good.srt")
    assert done.code == 1
    assert done.err == 'whisperctl: error: "none.srt" does not exist: check the name\n'


def test_lint_refuses_wrong_options(cli: Cli) -> None:
    for arguments, reason in (
        (("--profile", "hbo"), "choose from netflix"),
        (("--format", "xml"), '"text" or "json"'),
        (("--duration", "soon"), "write seconds"),
        (("--max-cps", "0"), "must be above 0"),
    ):
        done = cli.here("subtitles", "lint", "a.srt", *arguments)
        assert (done.code, done.out) == (2, "")
        assert reason in done.err


def test_help_names_every_format(cli: Cli) -> None:
    text = " ".join(cli.here("subtitles", "convert", "--help").out.split())
    assert all(name in text for name in (*FORMATS, *READABLE))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ((), ()),
        (
            ("--max-line-width", "42", "--max-line-count", "2", "--highlight-words"),
            ("--max-line-width", "42", "--max-line-count", "2"),
        ),
    ],
)
def test_what_is_transcribed_is_clean_in_every_format(
    cli: Cli, jfk: Path, tiny_en: Path, options: tuple[str, ...], limits: tuple[str, ...]
) -> None:
    greedy = ("-m", tiny_en, "--beam-size", "1", "-b", "faster-whisper", "-f", "all", "-o", ".")
    assert cli.here("transcribe", jfk, *greedy, *options).code == 0
    for name in ("srt", "vtt", "ass", "lrc", "tsv", "csv", "json", "json-full"):
        path = cli.directory / f"jfk.{extension(name)}"
        laid_out = limits if name in ("srt", "vtt", "ass", "lrc") else ()
        done = cli.here("subtitles", "lint", path, "--duration", "11", "--from", name, *laid_out)
        assert (done.code, done.out) == (0, "")
    if "--highlight-words" in options:
        assert cli.here("subtitles", "convert", "jfk.full.json", "again.json").code == 0
        words = [
            [
                (word["word"], word["start"], word["end"])
                for segment in json.loads((cli.directory / name).read_text())["segments"]
                for word in segment["words"]
            ]
            for name in ("jfk.json", "again.json")
        ]
        assert words[0]
        assert words[1] == words[0]


# Moving times, and mending.


def moved(cli: Cli, text: str, *arguments: str, name: str = "a.srt") -> str:
    (cli.directory / name).write_text(text, encoding="utf-8")
    done = cli.here("subtitles", "shift", name, "--in-place", *arguments)
    assert (done.code, done.out, done.err) == (0, "", "")
    return (cli.directory / name).read_text("utf-8")


def test_shift_moves_times_and_leaves_all_else(cli: Cli) -> None:
    srt = (
        "7\n00:00:01,000 --> 00:00:02,000 X1:1 X2:2\n{\\an8}<font color=red>Hello</font>\n\n"
        "9\n0:0:2.5-->0:0:3,5\nat 00:00:01,000\n"
    )
    assert moved(cli, srt, "--by", "1:00.5") == (
        "7\n00:01:01,500 --> 00:01:02,500 X1:1 X2:2\n{\\an8}<font color=red>Hello</font>\n\n"
        "9\n00:01:03,000 --> 00:01:04,000\nat 00:00:01,000\n"
    )
    assert "00:00:01,000 --> 00:00:02,000 X1" in moved(cli, srt, "--anchor", "2=2")
    stretched = moved(cli, srt, "--anchor", "1=2", "--anchor", "3.5=7")
    assert "00:00:02,000 --> 00:00:04,000 X1" in stretched
    assert "00:00:05,000 --> 00:00:07,000" in stretched
    assert "00:00:00,960 --> 00:00:01,920 X1" in moved(cli, srt, "--rate", "24=25")
    vtt = (
        "WEBVTT\n\nSTYLE\n::cue {color: red}\n\nNOTE kept\n\nid\n00:01.000 --> 00:02.000 line:0\n"
        "<v Ann>Hi <00:01.500><c.x>there</c>\n"
    )
    assert moved(cli, vtt, "--by", "-0.5", name="a.vtt") == vtt.replace(
        "00:01.000 --> 00:02.000", "00:00:00.500 --> 00:00:01.500"
    ).replace("<00:01.500>", "<00:00:01.000>")
    ass = (
        "[Script Info]\n; kept\n\n[V4+ Styles]\nFormat: Name, Bold\nStyle: S,1\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Text\nComment: 0,,,S,x\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,S,{\\pos(1,2)}a, b\n"
    )
    assert moved(cli, ass, "--by", "2", name="a.ass") == ass.replace(
        "0:00:01.00,0:00:02.00", "0:00:03.00,0:00:04.00"
    )
    lrc = "[ar:x]\n[00:01.00][00:05.00] <00:01.00>a <00:01.50>b\n[00:09.00] c\n"
    assert "[00:02.00][00:06.00] <00:02.00>a <00:02.50>b\n" in moved(
        cli, lrc, "--by", "1", name="a.lrc"
    )


def test_shift_refuses_what_it_cannot_do(cli: Cli) -> None:
    (cli.directory / "a.srt").write_text(SRT, encoding="utf-8")
    (cli.directory / "a.tsv").write_text("start\tend\ttext\n1\t2\tx\n")
    (cli.directory / "odd.lrc").write_text("[offset:500]\n[00:01.00] a\n[00:05.00] b\n")
    for arguments, code, reason in (
        (("a.srt", "b.srt"), 2, "give one of --by TIME"),
        (("a.srt", "b.srt", "--by", "1", "--rate", "24=25"), 2, "give one of --by TIME"),
        (("a.srt", "b.srt", "--fps", "25"), 2, "use --rate OLD=NEW"),
        (("a.srt", "b.srt", "--by", "soon"), 2, "write seconds or HH:MM:SS.mmm"),
        (("a.srt", "b.srt", "--rate", "24"), 2, 'has no "="'),
        (("a.srt", "b.srt", "--rate", "24=0"), 2, "not two frame rates"),
        (("a.srt", "b.srt", "--rate", "nan=1"), 2, "not two frame rates"),
        (("a.srt", "b.srt", "--anchor", "1=2", "--anchor", "1=3"), 2, "must be apart"),
        (("a.srt", "--by", "1"), 2, "no output is named: give OUT, or replace FILE with"),
        (("a.srt", "b.srt", "--by", "1", "-i"), 2, "give OUT or --in-place, not both"),
        (("a.srt", "b.vtt", "--by", "1"), 2, "keeps the format"),
        (("a.srt", "a.srt", "--by", "1"), 2, "is the input itself"),
        (("a.tsv", "-i", "--by", "1"), 2, "convert it to srt, vtt, ass, ssa or lrc first"),
        (("a.srt", "-i", "--by", "-2.5"), 1, "1 cue of"),
        (("a.srt", "-i", "--by", "1e9"), 2, "is not a time"),
        (("a.srt", "-i", "--by", "999999999"), 1, "cannot be shifted"),
        (("odd.lrc", "-i", "--rate", "2=1"), 1, "its times are unclear"),
    ):
        done = cli.here("subtitles", "shift", *arguments)
        assert (done.code, done.out) == (code, ""), arguments
        assert reason in done.err
        assert done.err.count("\n") == 1
    assert (cli.directory / "a.srt").read_text("utf-8") == SRT


def test_fix_mends_what_lint_finds_and_leaves_the_rest(cli: Cli) -> None:
    text = (
        "1\n00:00:05,000 --> 00:00:06,000\n{\\an8}kept as\nit is\n\n"
        "2\n00:00:01,000 --> 00:00:03,500\n<i>first, and with a line that is far too wide for any"
        " of the limits</i>\n\n"
        "3\n00:00:03,000 --> 00:00:03,000\nsecond\n\n4\n0:0:7 --> 0:0:8\n\n"
    )
    (cli.directory / "a.srt").write_text(text)
    assert cli.here("subtitles", "lint", "a.srt").code == 1
    done = cli.here("subtitles", "fix", "a.srt", "--in-place", "--max-line-width", "42")
    assert (done.code, done.out) == (0, "")
    assert "faults of" in done.err
    assert (cli.directory / "a.srt").read_text() == (
        "1\n00:00:01,000 --> 00:00:03,000\n<i>first, and with a line that\n"
        "is far too wide for any of the limits</i>\n\n"
        "2\n00:00:03,000 --> 00:00:03,500\nsecond\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\n{\\an8}kept as\nit is\n\n"
    )
    assert cli.here("subtitles", "lint", "a.srt", "--max-line-width", "42").code == 0
    long = b"1\n00:00:01,000 --> 00:59:00,000\nHello\nthere.\n\n"
    done = cli.here("subtitles", "fix", "-", "-", "--max-duration", "7", stdin=long)
    assert done.out == "1\n00:00:01,000 --> 00:00:08,000\nHello\nthere.\n\n"
    fast = "1\n00:00:01,000 --> 00:00:02,000\n" + 42 * "x" + "\n\n"
    done = cli.here(
        "subtitles",
        "fix",
        "-",
        "-",
        "--max-cps",
        "30",
        stdin=(fast + "2\n0:0:2 --> 0:0:3\nx\n").encode(),
    )
    assert done.code == 1
    assert "reading speed 35.0 > 30 cps" in done.err
    for name in ("a.vtt", "a.tsv"):
        cli.here("subtitles", "convert", "a.srt", name)
        done = cli.here("subtitles", "fix", name, "--in-place")
        assert (done.code, done.err.count("\n")) == (2, 1)
