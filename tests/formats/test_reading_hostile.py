# ruff: noqa: E501 - samples and pieces are tables
"""Subtitles written by an enemy: one line of error, or cues; never a traceback, in bounded time."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from functools import partial

import pytest

from whisperctl.errors import SubtitleError, WhisperctlError
from whisperctl.formats import FORMATS, reading
from whisperctl.formats.reading import parse
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import document
from whisperctl.subtitles.document import Subtitles
from whisperctl.subtitles.lint import ReadingLimits, laid_out, lint, mended, of_times
from whisperctl.subtitles.markup import unmarked
from whisperctl.text import visible

N = 10_000
SRT = "1\n00:00:01,000 --> 00:00:02,000\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n"
ASS = "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,"
TIGHT = SubtitleOptions(
    max_line_width=20, max_line_count=2, max_cps=20, min_cue_gap_s=0.1, highlight_words=True
)


def written(subtitles: Subtitles, fmt: str, options: SubtitleOptions = NO_LIMITS) -> str:
    out = io.StringIO()
    FORMATS[fmt].write(subtitles.transcript(), out, options)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.timeout(60)  # what takes quadratic time takes hours
@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        *(("srt", SRT + text) for text in ("<" + "a" * N, "< " * N, "<" + " " * N, "<rp" * N)),
        *(("srt", SRT + text) for text in ("{" * N, "{\\i1" * N, "{" + "\\i1" * N, "-->" * N)),
        *(("srt", SRT + text) for text in ("1\n" * N, "\n" * N, "\u4e2d" * N, "Speaker " * N)),
        ("srt", ("1" + " " * 90 + ":" + " " * 90 + "-->\n") * (N // 100)),
        *(("vtt", VTT + text) for text in ("<v" + " " * N, "<v." + "." * N, "<1:" * N, "&amp" * N)),
        *(("vtt", VTT + text) for text in ("<00:01.500>" * N, "<00:01.500>a " * (N // 5))),
        ("vtt", "WEBVTT\n\n" + "x\n\n" * N),
        ("vtt", "WEBVTT\n\n" + "".join(f"0:1 --> 9:0\n<v {i}>x\n\n" for i in range(N // 10))),
        *(("ass", ASS + text) for text in ("{\\p1}x" * N, "{\\b1\\i1\\r}x" * (N // 5), "\\N" * N)),
        ("ass", "[Events]\nFormat: " + "a," * N + "start,end,text\n" + "Dialogue: 0\n" * N),
        ("json", '{"segments": [{"start": 1, "end": 2, "text": "x' + " " * 2 * N + '"}]}'),
        ("vtt", VTT + "x<00:01.500>y<i>" + " " * 2 * N + "</i>"),
        *(("lrc", text) for text in ("[1:" * N, "[" + "1" * N, " " * N + "x", "[a:" * N)),
        ("lrc", "[00:01.00]" * N + "x" * N),
        ("lrc", "[offset:" + "9" * N + "]\n[00:01.00]x"),
        ("lrc", "[00:01.00]" + "<00:01.00>x " * (N // 5)),
        ("tsv", "start\tend\ttext\n" + " " * N + "1\t2\tx\n"),
        ("csv", 'start,end,text\n1,2,"' + "x" * 3 * N),
        *(("json", text) for text in ("[" * N, '{"a":' * N, '{"segments":' + "[" * N)),
        ("json", '{"segments": [{"start": ' + "9" * N + "}]}"),
        ("json", '{"segments": [{"start": 1, "end": 2, "text": "\\ud800 \\u001b[2J\\ufdd1"}]}'),
    ],
    ids=lambda value: value if len(value) < 5 else "",
)
def test_long_lines_and_many_of_them_take_their_time_once(fmt: str, text: str) -> None:
    try:
        subtitles = parse(text.encode(), fmt, lenient=True)
    except SubtitleError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400
        return
    lint(
        subtitles.segments,
        ReadingLimits(max_line_width=20, max_line_count=2, max_cps=20, min_gap_s=0.1),
    )
    for options in (NO_LIMITS, TIGHT):
        written(subtitles, "srt", options).encode()


def test_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_CHARACTERS", 100)
    cue = "1\n0:0:1 --> 0:0:2\n{}\n\n"

    assert len(parse((2 * cue).format("x" * 40, "y" * 40).encode(), "srt").segments) == 2
    with pytest.raises(SubtitleError, match=r"too large to be subtitles: .* too much text"):
        parse((2 * cue).format("x" * 40, "y" * 70).encode(), "srt")


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_CUES", 10)
    for fmt, head, cue in (
        ("srt", "", "1\n0:0:1 --> 0:0:2\nx\n\n"),
        ("vtt", "WEBVTT\n\n", "0:01 --> 0:02\nx\n\n"),
        ("ass", "[Events]\n", "Dialogue: 0,0:01,0:02,,,0,0,0,,x\n"),
        ("lrc", "", "[00:01.00]x\n"),
        ("tsv", "start\tend\ttext\n", "1\t2\tx\n"),
        ("csv", "start,end,text\n", "1,2,x\n"),
    ):
        assert len(parse((head + 10 * cue).encode(), fmt).segments) == 10
        with pytest.raises(SubtitleError, match=r"too large to be subtitles: .* more than 10 cues"):
            parse((head + 11 * cue).encode(), fmt)
    item = '{"start": 1, "end": 2, "text": "x"}'
    with pytest.raises(SubtitleError, match="more than 10 cues"):
        parse(f'{{"segments": [{",".join([item] * 11)}]}}'.encode(), "json")
    monkeypatch.setattr(reading, "_MAX_LINES", 100)
    with pytest.raises(SubtitleError, match="too many lines"):
        parse(b"\n" * 101, "srt")


SAMPLES = {
    "srt": "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i> {\\an8}wörld\n1999\n\n"
    "2\n00:00:03,000 --> 00:00:04,000 X1:1 X2:2\n中文 & <b>b</b>\n\n3\n100:00:00,000 --> 100:00:01,000\nc\n",
    "vtt": "WEBVTT - x\nLanguage: en\n\nSTYLE\n::cue {}\n\nNOTE n\n\nid\n00:01.000 --> 00:02.500 line:0\n"
    "<v Ann>Hi <00:01.500><c>there</c> &amp; &lt;\n \n\n2\n01:00:03.000 --> 01:00:04.000\n<ruby>漢<rt>k</rt></ruby>\n",
    "ass": "[Script Info]\n\n[V4+ Styles]\nFormat: Name, Bold, Italic\nStyle: S,0,-1\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.00,S,Ann,0,0,0,,{\\b1}a{\\r}, b\\Nc\\h\nComment: 0,,,,,,,,,\n"
    "Dialogue: 0,0:00:03.00,0:00:04.00,,,0,0,0,,{\\p1}m 0 0{\\p0}d\n",
    "lrc": "[ar:x]\n[offset:-100]\n[00:01.00][01:00:05.5]a\n[00:03.00] <00:03.00>b <00:03.50>c <00:04.00>\n",
    "tsv": "start\tend\ttext\n1000\t2000\thello\n2000\t3000\tw\u2028\u00f6rld\n",
    "csv": 'start,end,speaker,text\n1000,2000,Ann,"a ""b"", c"\n2000,3000,,"d\ne"\n',
    "json": '{"language": "en", "segments": [{"start": 1, "end": 2.5, "text": " Hi you", "speaker": "A", '
    '"words": [{"word": " Hi", "start": 1, "end": 2, "score": 0.5}, {"word": " you"}]}, '
    '{"start": -1, "end": 0, "text": "\\u4e2d"}]}',
    "json-full": '{"result": {"language": "en"}, "transcription": [{"offsets": {"from": 0, "to": 900}, '
    '"text": " Hi you", "tokens": [{"text": " Hi", "id": 1, "p": 0.5, "offsets": {"from": 0, "to": 4}}, '
    '{"text": " you", "id": 2, "p": 0.5, "offsets": {"from": 400, "to": 900}}]}]}',
}  # fmt: skip
PIECES = (
    *("", "\n", "\n\n", "\r\n", " ", "\t", "0", "9" * 12, "-", ",", ".", ":", "-->", "1", "99:99:99", "\\"),
    *("<", ">", "<i>", "</b>", "<rt>", "<00:01.000>", "<v x>", "{", "}", "{\\r}", "{\\p1}", "\\N", "&amp;"),
    *("\x00", "\x1b[2J", "\u202e", "\u2028", "\ufeff", "\ufdd0", "\ufdd5", "\ud800", "😀", "中", "é", "\x85"),
    *("NaN", "Infinity", "1e999", "null", "true", "[", "]", '"', "NOTE", "WEBVTT", "[Events]", "Dialogue:"),
    *("start", "Format: Start, End, Text", "[00:01.00]", "[1:2:3.4]", "STYLE", "words", "tokens", "id"),
)  # fmt: skip


def mutant(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        begin = rng.randrange(len(text) + 1)
        end = min(len(text), begin + rng.choice((0, 0, 1, 1, 3, 12, 40)))
        choice = rng.random()
        if choice < 0.6:
            part = rng.choice(PIECES)
        elif choice < 0.8:
            other = rng.randrange(len(text) + 1)
            part = text[other : other + rng.choice((1, 5, 30))]
        else:
            part = text[begin:end] * rng.choice((0, 2, 3))
        text = text[:begin] + part + text[end:]
    return text


@pytest.mark.slow
@pytest.mark.parametrize("fmt", SAMPLES)
def test_mutants_are_refused_or_read_and_what_is_written_is_read_again(fmt: str) -> None:
    rng = random.Random(fmt)
    n_read = 0
    for number in range(120):
        data = mutant(SAMPLES[fmt], rng).encode("utf-8", "surrogatepass")
        if number % 10 == 0:  # damage that is no UTF-8
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.randbytes(2) + data[at:]
        try:
            subtitles = parse(data, fmt, lenient=True)
        except WhisperctlError as error:
            assert "\n" not in str(error)
            assert str(error).isprintable()
            continue
        n_read += 1
        assert all(abs(s.start_s) <= 1e9 and abs(s.end_s) <= 1e9 for s in subtitles.segments)
        lint(subtitles.segments, ReadingLimits(max_line_width=20, max_cps=20, min_gap_s=0.1))
        for target in ("srt", "vtt", "ass", "lrc", "tsv", "csv", "json", "json-full"):
            text = written(subtitles, target)
            again = parse(text.encode(), target)  # not lenient: what we write can be read
            rewritten = written(again, target)
            if target == "srt":  # it has no escapes: what looks like a tag is one when read again
                rewritten = written(parse(rewritten.encode(), target), target)
            assert written(parse(rewritten.encode(), target), target) == rewritten, target
            written(subtitles, target, TIGHT).encode()
    assert n_read > 10


def moved(scale: float, offset_s: float, time_s: float) -> float:
    return scale * time_s + offset_s


@pytest.mark.slow
@pytest.mark.parametrize("fmt", ["srt", "vtt", "ass", "lrc"])
def test_mutants_are_shifted_by_what_was_asked_for_or_refused_and_mended_or_left(fmt: str) -> None:
    rng = random.Random(fmt)
    n_shifted = 0
    for _ in range(150):
        data = mutant(SAMPLES[fmt], rng).encode("utf-8", "surrogatepass")
        scale, offset_s = rng.choice(((1.0, 7.25), (25 / 24, 0.0), (1.0, -0.5)))
        try:
            subtitles = parse(data, fmt, lenient=True)
            text = reading.retimed(subtitles, partial(moved, scale, offset_s), "it")
        except WhisperctlError as error:
            assert str(error).isprintable()
            continue
        n_shifted += 1
        assert text == visible(unmarked(text), prose=True)
        starts = sorted(max(0.0, moved(scale, offset_s, s.start_s)) for s in subtitles.segments)
        found = sorted(s.start_s for s in parse(text.encode(), fmt, lenient=True).segments)
        assert found == pytest.approx(starts, abs=0.0101)
        limits = SubtitleOptions(max_line_width=20, max_line_count=2, max_duration_s=3)
        whole = replace(subtitles, segments=tuple(mended(subtitles.segments, limits)))
        left = lint(laid_out(whole.transcript(), of_times(limits)), ReadingLimits())
        assert {finding.check for finding in left} <= {"overlap", "order"}
    assert n_shifted > 15
