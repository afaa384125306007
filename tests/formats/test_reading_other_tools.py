"""What other programs write, and people by hand: read as players read it, or refused by line."""

from __future__ import annotations

import io
import json

import pytest

from whisperctl.errors import SubtitleError
from whisperctl.formats import FORMATS
from whisperctl.formats.reading import parse
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles.document import Subtitles
from whisperctl.subtitles.lint import lint
from whisperctl.subtitles.markup import without_tags

HEAD = "[Script Info]\nScriptType: v4.00+\n\n"
FORMAT = "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"


def cues(text: str, fmt: str | None = None) -> list[tuple[float, float, str]]:
    return [
        (s.start_s, s.end_s, s.text.strip().replace("\ufdd0", "\n"))
        for s in parse(text.encode(), fmt).segments
    ]


def refused(text: str, fmt: str) -> str:
    with pytest.raises(SubtitleError) as caught:
        parse(text.encode(), fmt, '"it"')
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lenient(text: str, fmt: str) -> Subtitles:
    return parse(text.encode(), fmt, lenient=True)


def written(subtitles: Subtitles, fmt: str, options: SubtitleOptions = NO_LIMITS) -> str:
    out = io.StringIO()
    FORMATS[fmt].write(subtitles.transcript(), out, options)
    return out.getvalue()


@pytest.mark.parametrize("fmt", ["srt", "vtt"])
@pytest.mark.parametrize(
    ("times", "start_s", "end_s"),
    [
        ("00:00:01,500 --> 00:00:02,250", 1.5, 2.25),
        ("00:00:01.500 --> 00:00:02.250", 1.5, 2.25),
        ("00:00:01 --> 00:00:02", 1.0, 2.0),
        ("00:00:01, --> 00:00:02.", 1.0, 2.0),
        ("00:00:01,5 --> 00:00:02,25", 1.5, 2.25),
        ("00:00:01.500000 --> 00:00:02.2500004", 1.5, 2.2500004),
        ("0:0:1,5-->0:0:2", 1.5, 2.0),
        ("01:02.500 --> 01:03", 62.5, 63.0),
        ("00: 00: 01, 500 --> 00 :00:02 ,250", 1.5, 2.25),
        ("  00:00:01,500\t-->   00:00:02,250  ", 1.5, 2.25),
        ("100:00:05,000 --> 100:00:06,000", 360005.0, 360006.0),
        ("00:01:75,000 --> 00:02:30,000", 135.0, 150.0),
        ("-00:00:01,500 --> 00:00:02,250", -1.5, 2.25),
        ("00:00:01,500 --> 00:00:02,250 X1:40 X2:600 Y1:20 Y2:50", 1.5, 2.25),
        ("00:00:01.500 --> 00:00:02.250 align:start position:10%,line-left line:-1", 1.5, 2.25),
        ("00:00:01.500 --> 00:00:02.250  A:start L:90%", 1.5, 2.25),
    ],
)
def test_times_are_read_however_they_are_written(
    fmt: str, times: str, start_s: float, end_s: float
) -> None:
    head = "WEBVTT\n\n" if fmt == "vtt" else "1\n"
    text = f"{head}{times}\nHello\nthere\n\n2\n200:00:00,000 --> 200:00:01,000\nlast\n"
    assert cues(text, fmt) == [(start_s, end_s, "Hello\nthere"), (720000.0, 720001.0, "last")]
    assert cues(text) == cues(text, fmt)


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        # Without index lines.
        ("{0}\nIn\n1999\n\n{1}\n3\n\n{2}\n2\n", ["In\n1999", "3", "2"]),
        ("{0}\nIn\n1999\n{1}\n3\n{2}\n2", ["In\n1999", "3", "2"]),
        ("\n\n{0}\n\n{1}\nb\n\n{2}\n1", ["", "b", "1"]),
        # Numbers as text, indexes right, missing, repeated, without blank lines before them.
        ("1\n{0}\n3\n\n2\n{1}\n2\n\n3\n{2}\n1\n", ["3", "2", "1"]),
        ("1\n{0}\n3\n2\n{1}\n2\n3\n{2}\n1\n", ["3", "2", "1"]),
        ("1\n{0}\nIn\n1999\n\n\n{1}\n2000\n\n3\n{2}\nc\n", ["In\n1999", "2000", "c"]),
        ("7\n{0}\na\n\n7\n{1}\nb\n\n1\n{2}\nc\n", ["a", "b", "c"]),
        ("1\n{0}\n\n2\n{1}\n\n\n3\n{2}\n3\n", ["", "", "3"]),
        # Lines of a file whose line breaks were doubled.
        ("1\n\n{0}\n\na\n\nb\n\n2\n\n{1}\n\n2\n\n3\n\n{2}\n\nc\n", ["a\nb", "2", "c"]),
        # A cue that was never written, and one that ends in a number.
        ("1\n{0}\na\n\n2\n{1}\nb\n\n3\n{2}\nc\n\n4\n", ["a", "b", "c"]),
        ("1\n{0}\na\n\n2\n{1}\nb\n\n3\n{2}\nc\n4\n", ["a", "b", "c\n4"]),
        ("\n1\n{0}\na\n  \nb\n\n2\n{1}\nb --> c\n\n3\n{2}\nc\n", ["a\nb", "b --> c", "c"]),
    ],
)
def test_subrip_loses_no_text(text: str, texts: list[str]) -> None:
    times = ("00:00:01,000 --> 00:00:02,000", "00:00:02,000 --> 00:00:03,000", "00:03 --> 00:04")
    expected = [(1.0, 2.0, texts[0]), (2.0, 3.0, texts[1]), (3.0, 4.0, texts[2])]
    assert cues(text.format(*times), "srt") == expected


@pytest.mark.parametrize(
    ("fmt", "text", "line", "left"),
    [
        ("srt", "1\n00:00:01,000 --> 00:00:0x,000\nlost\n\n2\n0:0:2 --> 0:0:3\nb\n", 2, ["b"]),
        ("srt", "1\n00:00:02 --> 00:00:03\nb\n\n2\n00:00:04,000 -->\nlost\n", 6, ["b"]),
        ("srt", "1\n00:00:02 --> 00:00:03\nb\n2\n0:0:4:5 --> 0:0:5:0\nlost\n", 5, ["b"]),
        ("srt", "by somebody\n\n1\n00:00:02 --> 00:00:03\nb\n", 1, ["b"]),
        ("srt", "1\n00:00:02 --> 00:00:03 lost\nb\n\n2\n00:00:04 --> 00:00:05\nc", 2, ["c"]),
        ("srt", f"1\n{'9' * 9}:00:00 --> 00:00:03\n\n2\n00:00:04 --> 00:00:05\nc", 2, ["c"]),
        ("srt", f"1\n{'9' * 90}:00:00 --> 00:00:03\n\n2\n00:00:04 --> 00:00:05\nc", 2, ["c"]),
        ("vtt", "WEBVTT\n\nx --> y\nlost\n\n00:02.000 --> 00:03.000\nb\n", 3, ["b"]),
        ("vtt", "WEBVTT\n\n00:02.000 --> 00:03.000\nb\n\nlost\n\n00:04 --> 00:05\nc", 6, "bc"),
        ("vtt", "WEBVTT\n\n00:02.000 --> 00:0 3.000\nb\n\n00:04.000 --> 00:05.000\nc", 3, ["c"]),
        ("ass", f"{HEAD}[Events]\n{FORMAT}Dialogue: 0,0:00:0x,0:00:02.00,,,0,0,0,,x\n"
                "Dialogue: 0,0:00:01,0:00:02,,,0,0,0,,b\n", 6, ["b"]),
        ("ass", f"{HEAD}[Events]\n{FORMAT}Dialogue: 0,0:00:01.00\n"
                "Dialogue: 0,0:00:01,0:00:02,,,0,0,0,,b\n", 6, ["b"]),
        ("ass", f"{HEAD}[Events]\n{FORMAT}Dialogue: 0,0:00:01,0:00:02,,,,,,,b\nlost\n", 7, "b"),
        ("lrc", "[00:01.00]b\nlost\n", 2, ["b"]),
        ("tsv", "start\tend\ttext\n1\t2\tb\n1\t2\n", 3, ["b"]),
        ("tsv", f"start\tend\ttext\n1\t2\tb\n1\t{'9' * 15}\tx\n", 3, ["b"]),
        ("csv", 'start,end,text\n1,2,"b"\n1,2,"a"b\n3,4,"c"\n', 3, ["b", "c"]),
        ("csv", 'start,end,text\n1,2,"b"\n1_0,2,"a"\n', 3, ["b"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_line_or_skipped(
    fmt: str, text: str, line: int, left: list[str]
) -> None:
    message = refused(text, fmt)
    assert message.startswith(f'"it" line {line} cannot be read: ')
    assert message.endswith("--lenient")
    subtitles = lenient(text, fmt)
    assert [s.text.strip() for s in subtitles.segments] == list(left)
    assert [u.place for u in subtitles.unreadable] == [f"line {line}"]


def test_several_unreadable_lines_are_counted() -> None:
    text = "WEBVTT\n\n0x:00 --> 1\na\n\n0x:00 --> 1\nb\n\nc\n\n00:01 --> 00:02\nd\n"
    assert "line 3 cannot be read: it has an arrow but no times (and 2 more)" in refused(
        text, "vtt"
    )
    assert lenient(text, "vtt").n_unreadable == 3


@pytest.mark.parametrize(
    ("item", "fmt"),
    [
        ('{"start": NaN, "end": 1, "text": "a"}', "segments"),
        ('{"start": 0, "end": Infinity, "text": "a"}', "segments"),
        ('{"start": 0, "end": 1e999, "text": "a"}', "segments"),
        ('{"start": 0, "end": 1' + "0" * 400 + ', "text": "a"}', "segments"),
        ('{"start": true, "end": 1, "text": "a"}', "segments"),
        ('{"start": 0, "end": 1, "text": null}', "segments"),
        ('{"start": null, "end": 1, "text": "a"}', "segments"),
        ("[]", "segments"),
        ("null", "transcription"),
        ('{"offsets": [], "text": "a"}', "transcription"),
        ('{"offsets": {"from": 1, "to": 1' + "0" * 400 + '}, "text": "a"}', "transcription"),
    ],
)
def test_a_segment_of_json_that_is_none_is_refused_or_skipped(item: str, fmt: str) -> None:
    good = '{"start": 1, "end": 2, "text": "b", "offsets": {"from": 1000, "to": 2000}}'
    text = f'{{"{fmt}": [{good}, {item}, {good}]}}'
    assert '"it" segment 2 cannot be read: ' in refused(text, "json")
    assert [s.text for s in lenient(text, "json").segments] == ["b", "b"]


def test_webvtt_has_more_than_cues() -> None:
    text = (
        "\ufeffWEBVTT - a title\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n"
        "Language: pt-BR\n\n"
        "STYLE\n::cue {\n  color: red;\n}\n\nREGION\nid:fred\nwidth:40%\n\nNOTE one line\n\n"
        "NOTE\nof two\nlines\n\nNOTE 00:00.000 --> 00:01.000\nhidden\n\n"
        "intro - 1\n00:01.000 --> 00:02.000 region:fred vertical:rl\nNOTE is text\n \n"
        "after a space\n\n"
        "7\n00:02.000 --> 00:03.000\n\n00:03.000 --> 00:04.000\nunfinished\n"
        "00:04.000 --> 00:05.000\n"
        "<00:04.500>x &lt; y &amp;&nbsp;z\n"
    )
    assert cues(text, "vtt") == [
        (1.0, 2.0, "NOTE is text\nafter a space"),
        (2.0, 3.0, ""),
        (3.0, 4.0, "unfinished"),
        (4.0, 5.0, "x < y &\xa0z"),
    ]
    assert parse(text.encode()).language == "pt"


def test_readings_go_into_brackets() -> None:
    for text, expected in (
        ("<ruby>漢字<rt>かんじ</rt></ruby>を読む", "漢字(かんじ)を読む"),
        ("<ruby>漢<rt>かん</rt>字<rt>じ</ruby>", "漢(かん)字(じ)"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢(かん)"),
        ("<ruby>漢<rt></rt></ruby> <RUBY.x>字<RT>じ", "漢 字(じ)"),
    ):
        for fmt, head in (("vtt", "WEBVTT\n\n"), ("srt", "1\n")):
            assert cues(f"{head}00:01.000 --> 00:02.000\n{text}\n", fmt) == [(1.0, 2.0, expected)]


def test_fields_of_substation_are_in_the_order_of_its_format_lines() -> None:
    text = (
        f"{HEAD}[V4+ Styles]\nFormat: Italic, Name, Bold\nStyle: -1,Song,0\n\n[Events]\n"
        "Format: Start, End, Actor, Style, Text\n"
        "Dialogue: 0:00:03.5,0:00:04,,*Song,la, la\n"
        "Format: End, Text, Start\n"
        "Dialogue: 0:00:02.00,one, two,0:00:01.00\n"
    )
    assert cues(text, "ass") == [(1.0, 2.0, "one, two"), (3.5, 4.0, "\ufdd1la, la\ufdd2")]
    assert "no Start" in refused(f"{HEAD}[Events]\nFormat: Layer, Text\n", "ass")


def test_substation_without_a_section_of_events() -> None:
    line = "Dialogue: Marked=0,0:00:01.00,0:00:02.00,Default,,0000,0000,0000,,Hi\n"
    for fmt in ("ass", "ssa"):
        assert cues(HEAD + line, fmt) == [(1.0, 2.0, "Hi")]
        assert "has no [Events]" in refused(HEAD, fmt)


def test_substation_draws_and_sets_styles() -> None:
    def shown(text: str) -> list[str]:
        event = f"Dialogue: 0,0:00:01.00,0:00:02.00,Song,,0,0,0,,{text}\n"
        styles = "[V4+ Styles]\nFormat: Name, Bold, Italic\nStyle: Song,0,-1\n\n"
        found = parse(f"{HEAD}{styles}[Events]\n{FORMAT}{event}".encode()).segments
        return [without_tags(segment.text)[0] for segment in found]

    assert shown(r"{\p1}m 0 0 l 100 0 100 100{\p0}") == []
    assert shown(r"{\p4\pos(1,2)}m 0 0{\p0}text{\p2}l 1 1") == [" \ufdd1text\ufdd2"]
    assert shown(r"{\i0}{\an8\b1\c&H00FF00&}a{\b0}\Nb\nc\hd{comment}{\r}e") == [
        " \ufdd3a\ufdd4\ufdd0b c d\ufdd1e\ufdd2"
    ]
    assert shown(r"{\k20}Ka{\kf30}ra{\ko5}oke {unclosed") == [" \ufdd1Karaoke {unclosed\ufdd2"]


def test_lyrics_have_hours() -> None:
    text = "[59:59.50]a\n[01:00:00.25]b\n[1:00:01,5] <1:00:02.00>c <01:00:03.00>\n[00:01:50]d\n"
    assert cues(text, "lrc") == [
        (1.5, 3599.5, "d"),
        (3599.5, 3600.25, "a"),
        (3600.25, 3601.5, "b"),
        (3601.5, 3603.0, "c"),
    ]


def test_words_of_whisper_cpp_have_times() -> None:
    def token(text: str, start: int, end: int) -> dict[str, object]:
        return {"text": text, "offsets": {"from": start, "to": end}, "id": 7, "p": 0.5}

    segment = {
        "offsets": {"from": 0, "to": 2000},
        "text": " Hello, world",
        "tokens": [
            {"text": "[_BEG_]", "offsets": {"from": 0, "to": 0}, "id": 50363, "p": 0.9},
            *(token(" Hel", 0, 400), token("lo", 400, 700), token(",", 700, 800)),
            *(token(" world", 900, 1900), token("[_TT_100]", 2000, 2000)),
        ],
    }
    document = {"result": {"language": "en"}, "transcription": [segment]}
    [read] = parse(json.dumps(document).encode()).segments
    assert [(w.text, w.start_s, w.end_s, w.probability) for w in read.words] == [
        (" Hello,", 0.0, 0.8, 0.5),
        (" world", 0.9, 1.9, 0.5),
    ]
    assert len(read.tokens) == 4
    segment["tokens"] = [{"text": 1}]
    [read] = parse(json.dumps(document).encode()).segments
    assert (read.words, read.tokens, read.text) == ((), (), " Hello, world")


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.070 align:start position:0%
 
hello<00:00:00.480><c> there</c><00:00:00.800><c> world</c>

00:00:02.070 --> 00:00:02.080 align:start position:0%
hello there world
 

00:00:02.080 --> 00:00:04.000 align:start position:0%
hello there world
next<00:00:02.500><c> line,</c><00:00:03.000><c> no</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
next line, no
 

00:00:04.010 --> 00:00:06.000 align:start position:0%
next line, no
no
"""  # noqa: W293 - as YouTube writes them


def test_words_of_youtube_have_times_and_lines_that_roll_up_are_taken_once() -> None:
    subtitles = parse(YOUTUBE.encode(), "vtt", '"a.vtt"')
    assert [(s.start_s, s.end_s, s.text) for s in subtitles.segments] == [
        (0.16, 2.07, " hello there world"),
        (2.08, 4.0, " next line, no"),
        (4.01, 6.0, " no"),
    ]
    assert [(w.text, w.start_s, w.end_s) for s in subtitles.segments for w in s.words] == [
        *((" hello", 0.16, 0.48), (" there", 0.48, 0.8), (" world", 0.8, 2.07)),
        *((" next", 2.08, 2.5), (" line,", 2.5, 3.0), (" no", 3.0, 4.0)),
    ]
    assert subtitles.notes == ('"a.vtt": 4 repeated lines of captions that roll up were left out',)


def test_times_inside_a_cue_are_those_of_words_and_syllables() -> None:
    def words(text: str) -> list[tuple[str, float, float]]:
        [segment] = parse(f"WEBVTT\n\n00:10.000 --> 00:14.000\n{text}\n".encode()).segments
        assert "".join(word.text for word in segment.words) in (segment.text, "")
        return [(word.text, word.start_s, word.end_s) for word in segment.words]

    assert words("no times") == []
    assert words("<00:11.000>one <00:12.000>two <00:13.000>") == [
        (" one", 11.0, 12.0),
        (" two", 12.0, 13.0),
    ]
    assert words("<v Ann>ka<00:11.000>ra<00:12.000>o<00:13.000>ke <i>now</i>") == [
        (" karaoke", 10.0, 13.25),
        (" \ufdd1now\ufdd2", 13.375, 14.0),
    ]
    assert words("ab cde<00:12.000>\nf") == [
        (" ab", 10.0, 10.667),
        (" cde", 11.0, 12.0),
        ("\ufdd0f", 12.0, 14.0),
    ]
    # Backwards, outside the cue, and without an end: the rest of the cue is shared.
    assert words("a <00:13.000>b <00:12.000>c <99:00.000>d<00:13.500") == [
        (" a", 10.0, 13.0),
        *((" b", 13.0, 13.067), (" c", 13.133, 13.2), (" d<00:13.500", 13.267, 14.0)),
    ]


def test_cues_before_the_recording_keep_their_sign_and_are_found() -> None:
    text = "1\n-00:00:02,500 --> 00:00:01,000\na\n\n2\n00:00:02,000 --> 00:00:03,000\nb\n"
    segments = parse(text.encode()).segments
    assert [(f.cue, f.check, f.message) for f in lint(segments)] == [
        (1, "early", "begins 2.5 s before the recording")
    ]


def test_cues_that_overlap_go_back_or_are_empty_come_out_in_order_with_all_their_text() -> None:
    items = [(5, 9, " b"), (1, 4, " a"), (8, 6, " c"), (9, 9, " "), (9, 9, " d"), (-3, -1, " z")]
    segments = [{"start": start, "end": end, "text": text} for start, end, text in items]
    subtitles = parse(json.dumps({"segments": segments}).encode())
    assert {f.check for f in lint(subtitles.segments)} == {
        *("order", "overlap", "negative", "zero", "empty", "early")
    }
    for fmt in ("srt", "vtt", "ass"):
        again = parse(written(subtitles, fmt).encode(), fmt)
        assert " ".join(s.text.strip() for s in again.segments) == "z a b c d"
        assert lint(again.segments) == []


def test_right_to_left_text_and_emoji_are_left_as_they_are() -> None:
    texts = [
        "\u202bשלום עולם 123!\u202c",  # noqa: RUF001 - Hebrew is meant
        "مرحبا، كيف الحال؟",
        "👩‍👩‍👧 ok 🇩🇪 1️⃣",
        "e\u0301 हिन्दी ไม่รู้",
    ]
    cue = "\n".join(f"{i}\n00:0{i} --> 00:0{i + 1}\n{text}\n" for i, text in enumerate(texts))
    subtitles = parse(cue.encode(), "srt")
    for fmt in ("srt", "vtt", "ass", "lrc", "tsv", "csv", "json", "json-full"):
        again = parse(written(subtitles, fmt).encode(), fmt)
        assert [s.text.strip() for s in again.segments] == texts, fmt


def test_times_of_words_are_kept_from_format_to_format() -> None:
    subtitles = parse(YOUTUBE.encode(), "vtt")
    again = parse(written(subtitles, "json").encode(), "json")
    assert [s.words for s in again.segments] == [s.words for s in subtitles.segments]
    options = SubtitleOptions(highlight_words=True)
    assert "[00:00.16] <00:00.16>hello <00:00.48>there" in written(subtitles, "lrc", options)
    assert r"{\k32}hello{\k32} there" in written(subtitles, "ass", options)
    assert "00:00:00,480 --> 00:00:00,800\nhello <u>there</u> world\n" in written(
        subtitles, "srt", options
    )
    styled = "WEBVTT\n\n00:10.000 --> 00:14.000\n<i>one <00:12.000>two</i>\nthree\n"
    assert "<u><i>one</i></u><i> two</i>\nthree" in written(parse(styled.encode()), "srt", options)
    full = parse(written(again, "json-full").encode(), "json-full")
    assert full.segments[0].text == again.segments[0].text


@pytest.mark.parametrize("arrow", ["->", "\u2192", "\u2013 >", "-- >", "=>", "---", ">"])
@pytest.mark.parametrize("fmt", ["srt", "vtt"])
def test_a_timing_line_with_another_arrow_is_refused_and_no_text_of_the_cue_before(
    arrow: str, fmt: str
) -> None:
    first = "00:00:01.000 --> 00:00:02.000\nA\n\n"
    text = f"{first}00:00:05.000 {arrow} 00:00:06.000\nB\n"
    if fmt == "vtt":
        text = f"WEBVTT\n\n{text}"
    assert "two times with --> between them" in refused(text, fmt)
    assert [segment.text.strip() for segment in lenient(text, fmt).segments] == ["A"]


def test_times_in_a_text_are_text() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nOpen 10:30 - 11:45\n01:00:00 - 02:00:00\n"
    assert cues(text, "srt") == [(1.0, 2.0, "Open 10:30 - 11:45\n01:00:00 - 02:00:00")]
