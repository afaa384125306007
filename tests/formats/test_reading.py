"""Reading subtitle files: formats, encodings, and what other programs write."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from whisperctl.errors import SubtitleError, UsageError
from whisperctl.formats import FORMATS
from whisperctl.formats.reading import parse, read
from whisperctl.options import SubtitleOptions
from whisperctl.transcript import Segment, Transcript, Word

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nWörld\n"


def plain(text: str, fmt: str | None = None) -> list[tuple[float, float, str]]:
    return [(s.start_s, s.end_s, s.text) for s in parse(text.encode(), fmt).segments]


def converted(text: str, fmt: str, to: str, options: SubtitleOptions | None = None) -> str:
    out = io.StringIO()
    FORMATS[to].write(parse(text.encode(), fmt).transcript(), out, options or SubtitleOptions())
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "noted"),
    [
        (SRT.encode(), False),
        (SRT.encode("utf-8-sig"), False),
        (SRT.replace("\n", "\r\n").encode(), False),
        (SRT.encode("utf-16"), False),
        (SRT.encode("utf-16-le"), False),
        (SRT.encode("utf-16-be"), False),
        (SRT.encode("utf-32"), False),
        (SRT.encode("latin-1"), True),
    ],
)
def test_any_common_encoding_is_read(data: bytes, noted: bool) -> None:
    subtitles = parse(data, "srt", '"a.srt"')
    assert [(s.start_s, s.end_s, s.text) for s in subtitles.segments] == [
        (1.0, 2.5, " Hello"),
        (3.0, 4.0, " Wörld"),
    ]
    assert bool(subtitles.notes) is noted
    assert not noted or '"a.srt" is not UTF-8' in subtitles.notes[0]


def test_numbers_backslashes_and_braces_of_subrip_are_text() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nC:\\New {x}\n42\n"
    assert converted(text, "srt", "srt") == "1\n00:00:01,000 --> 00:00:02,000\nC:\\New {x}\n42\n\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            '<font color="#FF8000">a <font color=yellow size="2">b</font> c</font> d',
            r"{\c&H0080FF&}a {\c&H00FFFF&}b{\c&H0080FF&} c{\c} d",
        ),
        ("<font face=x color='lime'>a <font color=\"dark\">b</font> c", r"{\c&H00FF00&}a b c"),
        ("<font face=x>a</font> b <FONT COLOR=12ab34>c", r"a b {\c&H34AB12&}c"),
    ],
)
def test_colors_of_subrip_are_those_of_ass(text: str, written: str) -> None:
    ass = converted(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n", "srt", "ass")
    assert ass.endswith(f",,{written}\n")


def test_styles_are_kept_where_both_formats_have_them() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\n"
        '<i>one <B>two</i> three</B>\n{\\an8}<font color="red">four</font> 1 < 2 <five>\n\n'
    )
    assert converted(text, "srt", "vtt") == (
        "WEBVTT\n\n00:01.000 --> 00:02.000 line:0\n"
        "<i>one <b>two</b></i><b> three</b>\nfour 1 &lt; 2 &lt;five&gt;\n\n"
    )
    ass = converted(text, "srt", "ass")
    assert (
        r",,{\i1}one {\b1}two{\b0}{\i0}{\b1} three{\b0}\N{\an8}{\c&H0000FF&}four{\c} 1 < 2 <five>"
        in ass
    )
    assert converted(ass, "ass", "srt").splitlines()[2:4] == [
        "<i>one <b>two</b></i><b> three</b>",
        "{\\an8}{\\c&H0000FF&}four{\\c} 1 < 2 <five>",
    ]
    assert converted(text, "srt", "srt").splitlines()[2:4] == [
        "<i>one <b>two</b></i><b> three</b>",
        '{\\an8}<font color="red">four</font> 1 < 2 <five>',
    ]
    assert converted(text, "srt", "txt") == "one two three four 1 < 2 <five>\n"


def test_a_style_that_is_not_closed_ends_with_the_text() -> None:
    srt = "1\n00:00:01,000 --> 00:00:02,000\n<b>Oh\n\n2\n00:00:03,000 --> 00:00:04,000\nNo\n"
    assert "\n<b>Oh</b>\n\n2\n" in converted(srt, "srt", "srt")


def test_webvtt_of_others_is_read() -> None:
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\na note\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start position:10%\n"
        "<v.loud Ann B>Tom &amp; <c.x>Jerry</c> &lt;3</v>\nmore<00:01.500> words\n\n"
        "2\n01:00:00.250 --> 01:00:01.000\n<i>last</i>\n"
    )
    subtitles = parse(text.encode(), "vtt")
    assert [s.speaker for s in subtitles.segments] == ["Ann B", None]
    assert converted(text, "vtt", "srt") == (
        "1\n00:00:01,000 --> 00:00:02,000\nAnn B: Tom & Jerry <3\nmore words\n\n"
        "2\n01:00:00,250 --> 01:00:01,000\n<i>last</i>\n\n"
    )


def test_substation_of_others_is_read() -> None:
    text = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
        "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, "
        "BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
        "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        "Style: Song,Arial,20,&H00FFFFFF,&H000000FF,&H00000000,&H00000000,0,-1,0,0,100,100,0,0,1,"
        "2,2,2,10,10,10,1\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        r"Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\pos(1,2)\b700}bold{\r} {note}a\hb\nc"
        "\nComment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,hidden\n"
        r"Dialogue: 0,0:00:01.00,0:00:02.00,Song,Ann,0,0,0,,la, la\Nlo" + "\n"
    )
    assert converted(text, "ass", "srt") == (
        "1\n00:00:01,000 --> 00:00:02,000\nAnn: <i>la, la\nlo</i>\n\n"
        "2\n00:00:05,000 --> 00:00:06,000\n{\\pos(1,2)}<b>bold</b> a b c\n\n"
    )


def test_lyrics_are_read_with_repeats_offsets_and_words() -> None:
    text = (
        "[ar:Someone]\n[offset:+500]\n[00:01.00][00:10.5]again\n"
        "[00:03.00] <00:03.00>two <00:03.50>words <00:04.00>\n[00:05]\n[01:00.25]last\n"
    )
    subtitles = parse(text.encode(), "lrc")
    assert [(s.start_s, s.end_s, s.text) for s in subtitles.segments] == [
        (0.5, 2.5, "again"),
        (2.5, 3.5, " two words"),
        (10.0, 59.75, "again"),
        (59.75, 61.75, "last"),
    ]
    assert [(w.start_s, w.end_s, w.text) for w in subtitles.segments[1].words] == [
        (2.5, 3.0, " two"),
        (3.0, 3.5, " words"),
    ]


WORDS = (Word(0.0, 0.5, " Hi", 0.5), Word(0.5, 1.0, " there,", 0.25))
TALK = Transcript(
    (
        Segment(0.0, 1.0, " Hi there,", words=WORDS),
        Segment(1.0, 2.5, ' "you" & me', speaker="Speaker 2"),
    ),
    "en",
    2.5,
)


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "tsv", "csv", "json", "json-full"])
def test_what_is_written_is_read_again(name: str) -> None:
    out = io.StringIO()
    FORMATS[name].write(TALK, out)
    for fmt in (name, None):
        subtitles = parse(out.getvalue().encode(), fmt)
        labelled = "" if name in ("vtt", "ass", "csv", "json", "json-full") else " Speaker 2:"
        assert [(s.start_s, s.end_s, " " + s.text.strip()) for s in subtitles.segments] == [
            (0.0, 1.0, " Hi there,"),
            (1.0, 2.5, f'{labelled} "you" & me'),
        ]
        assert subtitles.segments[1].speaker == (None if labelled else "Speaker 2")
        assert subtitles.language == ("en" if "json" in name else "")
        assert subtitles.segments[0].words == (WORDS if name == "json" else ())


def test_words_of_lyrics_are_written_and_read_again() -> None:
    out = io.StringIO()
    FORMATS["lrc"].write(TALK, out, SubtitleOptions(highlight_words=True))
    words = parse(out.getvalue().encode(), "lrc").segments[0].words
    assert [(w.start_s, w.end_s, w.text) for w in words] == [
        (0.0, 0.5, " Hi"),
        (0.5, 1.0, " there,"),
    ]


def test_words_without_times_get_the_time_between_their_neighbours() -> None:
    # As WhisperX writes numbers, and words that it could not align.
    segment = {
        "start": 0.0,
        "end": 4.0,
        "text": " In 2024 it was",
        "words": [
            {"word": "In", "start": 0.0, "end": 0.5, "score": 0.9},
            {"word": "2024"},
            {"word": "it", "start": 1.5, "end": 2.0, "score": None},
            {"word": "was", "start": None, "end": None, "score": None},
        ],
    }
    [read_back] = parse(json.dumps({"segments": [segment]}).encode(), "json").segments
    assert read_back.words == (
        Word(0.0, 0.5, "In", 0.9),
        Word(0.5, 1.5, "2024", 1.0),
        Word(1.5, 2.0, "it", 1.0),
        Word(2.0, 4.0, "was", 1.0),
    )
    segment["words"] = [{"word": "In"}, {"word": "2024"}]
    [read_back] = parse(json.dumps({"segments": [segment]}).encode(), "json").segments
    assert read_back.words == ()


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ass", "lrc", "tsv", "csv", "json"])
def test_subtitles_of_silence_are_no_cues(fmt: str) -> None:
    out = io.StringIO()
    FORMATS[fmt].write(Transcript((), "en", 1.0), out)
    assert parse(out.getvalue().encode(), fmt).segments == ()


@pytest.mark.parametrize(
    ("data", "fmt", "reason"),
    [
        (b"just words\n", "srt", "no cue was found"),
        (b"00:01.000 --> 00:02.000\nx\n", "vtt", "is not vtt"),
        (b"nothing of it\n", "ass", "[Script Info]"),
        (b"no times\n", "lrc", "no line begins with a time"),
        (b"a\tb\n1\t2\n", "tsv", "first line"),
        (b"start\tend\ttext\n1\t2\n", "tsv", "line 2 cannot be read: it has 2 columns"),
        (b'start,end,text\n1,x,"a"\n', "csv", "no milliseconds"),
        (b'start,end,text\n1,2,"a"b\n', "csv", "comma-separated"),
        (b"{", "json", "not valid JSON"),
        (b"[]", "json", "neither"),
        (b'{"segments": [{"start": "x", "end": 1, "text": ""}]}', "json", "start, end or text"),
        (b'{"transcription": [1]}', "json", "start, end or text"),
        (b"\xff\xfea", "srt", "not text, or damaged"),
        (b"\x7fELF" + bytes(10), "srt", "not text"),
        (b"text" * 100 + b"\0", "srt", "NUL bytes"),
    ],
)
def test_what_is_something_else_is_refused(data: bytes, fmt: str, reason: str) -> None:
    with pytest.raises(SubtitleError) as caught:
        parse(data, fmt, '"it"')
    assert '"it"' in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_format_that_nobody_can_tell_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.subtitles"
    path.write_text(SRT)
    assert read(path).format == "srt"
    path.write_text("nothing")
    with pytest.raises(UsageError, match="name it with --from"):
        read(path)
    with pytest.raises(UsageError, match='unknown format "docx": choose from srt'):
        read(path, "docx")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.srt", "does not exist"), (tmp_path, "is a directory")):
        with pytest.raises(SubtitleError, match=reason):
            read(path, "srt")
