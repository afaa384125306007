"""Writers, byte for byte, and read back by other people's parsers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import unicodedata
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import lemony_lrc_parser
import pysubs2
import pytest
import webvtt

from whisperctl.errors import UsageError
from whisperctl.formats import (
    FORMATS,
    READABLE,
    extension,
    parse,
    readable,
    reading,
    sniffed,
    writer,
)
from whisperctl.formats.console import line
from whisperctl.models import ggml
from whisperctl.storage import records
from whisperctl.text import timestamp
from whisperctl.transcript import Segment, Token, Transcript, Word

ROOT = Path(__file__).resolve().parents[2]


def transcript(*segments: Segment) -> Transcript:
    return Transcript(segments=segments, language="en", duration_s=11.0)


def written(name: str, result: Transcript) -> str:
    out = io.StringIO()
    writer(name)(result, out)
    return out.getvalue()


PLAIN = transcript(
    Segment(0.0, 7.96, " And so, my fellow Americans,"),
    Segment(7.96, 11.0, " ask not."),
)

AWKWARD = [
    " plain",
    " a --> b",
    " ----> --> -->",
    " Tom & Jerry <i>&lt;x&gt;</i> &amp;",
    " 00:00:01,000 --> 00:00:02,000",
    " 42",
    " two\nlines",
    " a\r\n\r\nblank line",
    " NOTE this",
    "没有空格",
    " emoji 👩‍👩‍👧 and e\u0301",
    " \u2028separator",
    " {\\an8}braces",
    " trailing space  ",
]
KEPT = [text.replace("\u2028", "\n") for text in AWKWARD]
"""The same as JSON and CSV have them: line breaks are line feeds."""


def awkward(texts: list[str]) -> Transcript:
    return transcript(*(Segment(number, number + 0.5, text) for number, text in enumerate(texts)))


def shown(texts: list[str]) -> Iterator[str]:
    """What a reader should see of each text: the same on one line."""
    for text in texts:
        yield " ".join(text.split())


def test_txt_is_a_line_a_segment() -> None:
    assert written("txt", PLAIN) == "And so, my fellow Americans,\nask not.\n"


def test_srt_is_as_openai_whisper_writes_it() -> None:
    assert written("srt", PLAIN) == (
        "1\n00:00:00,000 --> 00:00:07,960\nAnd so, my fellow Americans,\n\n"
        "2\n00:00:07,960 --> 00:00:11,000\nask not.\n\n"
    )


def test_vtt_is_as_openai_whisper_writes_it() -> None:
    assert written("vtt", PLAIN) == (
        "WEBVTT\n\n"
        "00:00.000 --> 00:07.960\nAnd so, my fellow Americans,\n\n"
        "00:07.960 --> 00:11.000\nask not.\n\n"
    )
    late = transcript(Segment(3599.5, 3601, " an hour"), Segment(360_000, 360_001, " a hundred"))
    assert written("vtt", late) == (
        "WEBVTT\n\n"
        "59:59.500 --> 01:00:01.000\nan hour\n\n"
        "100:00:00.000 --> 100:00:01.000\na hundred\n\n"
    )


def test_tsv_is_as_openai_whisper_writes_it() -> None:
    result = transcript(Segment(0.0, 7.96, " a\tb"), Segment(7.96, 11.0, ' "ask" not.'))

    assert written("tsv", result) == ('start\tend\ttext\n0\t7960\ta b\n7960\t11000\t"ask" not.\n')


def whisper_cli_csv(result: Transcript) -> str:
    """The C++ of output_csv, in its own units, hundredths, but for the space before a text."""
    text = "start,end,text\n"
    for segment in result.segments:
        t0, t1 = round(segment.start_s * 100), round(segment.end_s * 100)
        text += f"{10 * t0},{10 * t1},"
        text += '"' + segment.text.lstrip(" ").replace('"', '""') + '"' + "\n"
    return text


def whisper_cli_lrc(result: Transcript) -> str:
    """The C++ of output_lrc, in its own units, hundredths, but for its first line."""
    text = ""
    for segment in result.segments:
        ms = round(segment.start_s * 100) * 10
        minutes, ms = ms // 60_000, ms % 60_000
        text += f"[{minutes:02d}:{ms // 1000:02d}.{ms % 1000 // 10:02d}]{segment.text}\n"
    return text


LATER = transcript(
    Segment(0.0, 7.96, " And so, my fellow Americans,"),
    Segment(7.96, 59.99, ' he said: "ask, not".'),
    Segment(61.07, 62.0, "没有"),
    Segment(6001.5, 6002.0, " [Music]"),
)


def test_csv_is_as_whisper_cli_writes_it() -> None:
    assert written("csv", LATER) == whisper_cli_csv(LATER)
    assert '7960,59990,"he said: ""ask, not""."\n' in written("csv", LATER)


def test_lrc_is_as_whisper_cli_writes_it() -> None:
    assert written("lrc", LATER) == whisper_cli_lrc(LATER)
    assert "[01:01.07]没有\n[100:01.50] [Music]\n" in written("lrc", LATER)


def test_json_is_in_openai_whispers_schema() -> None:
    tokens = (Token(50363, b"[_BEG_]", 0.5), Token(843, b" And", 0.25))
    words = (Word(0.3, 1.0, " And", 0.25),)
    first = Segment(
        *(0.1 + 0.2, 7.96, " And “so”", tokens, words),
        no_speech_probability=0.125,
        temperature=0.2,
    )
    result = transcript(first, Segment(7.96, 11.0, " on", speaker="Speaker 1"))

    text = written("json", result)

    # json.dump(result, file), as openai-whisper calls it: one line, ASCII, no line feed at the end.
    assert text == (
        '{"text": " And \\u201cso\\u201d on", "segments": ['
        '{"id": 0, "seek": 30, "start": 0.3, "end": 7.96, "text": " And \\u201cso\\u201d", '
        '"tokens": [50363, 843], "temperature": 0.2, '
        f'"avg_logprob": {(math.log(0.5) + math.log(0.25)) / 2}, '
        f'"compression_ratio": {13 / len(zlib.compress(" And “so”".encode()))}, '
        '"no_speech_prob": 0.125, '
        '"words": [{"word": " And", "start": 0.3, "end": 1.0, "probability": 0.25}]}, '
        '{"id": 1, "seek": 796, "start": 7.96, "end": 11.0, "text": " on", "tokens": [], '
        '"temperature": null, "avg_logprob": null, '
        f'"compression_ratio": {3 / len(zlib.compress(b" on"))}, "no_speech_prob": null, '
        '"speaker": "Speaker 1"}], "language": "en"}'
    )


@pytest.mark.parametrize("probability", [0.0, math.nan, 1.5])
def test_json_has_no_logprob_that_it_cannot_know(probability: float) -> None:
    result = transcript(Segment(0, 1, " a", (Token(1, b" a", probability),)))

    assert json.loads(written("json", result))["segments"][0]["avg_logprob"] is None


def test_json_keeps_every_text_as_it_is_but_for_line_breaks_of_other_kinds() -> None:
    parsed = json.loads(written("json", awkward(AWKWARD)))

    assert [segment["text"] for segment in parsed["segments"]] == KEPT
    assert parsed["text"] == "".join(KEPT)


def test_json_full_is_as_whisper_cli_writes_it(tiny_en: Path) -> None:
    tokens = (
        Token(50363, b"[_BEG_]", 0.9876543, 0.0, 0.0),
        Token(366, b' "\xe6\xb2', 1e-05, 0.1, 0.2),
        Token(367, b"\xa1", 0.5, 0.2, 0.35),
        Token(13, b"\\", 1.0),
    )
    segments = (Segment(0.0, 61.5, ' "没\\', tokens), Segment(61.5, 62.0, " on", speaker="1"))
    result = Transcript(
        segments,
        "en",
        62.0,
        system_info="CPU : AVX = 1",
        model=tiny_en,
        model_description=ggml.inspect(tiny_en).description,
    )

    assert written("json-full", result) == (
        """{
	"systeminfo": "CPU : AVX = 1",
	"model": {
		"type": "tiny",
		"multilingual": false,
		"vocab": 51864,
		"audio": {
			"ctx": 1500,
			"state": 384,
			"head": 6,
			"layer": 4
		},
		"text": {
			"ctx": 448,
			"state": 384,
			"head": 6,
			"layer": 4
		},
		"mels": 80,
		"ftype": 1
	},
	"params": {
		"model": """
        + f'"{tiny_en}"'
        + """,
		"language": "en",
		"translate": false
	},
	"result": {
		"language": "en"
	},
	"transcription": [
		{
			"timestamps": {
				"from": "00:00:00,000",
				"to": "00:01:01,500"
			},
			"offsets": {
				"from": 0,
				"to": 61500
			},
			"text": " \\"没\\\\",
			"tokens": [
				{
					"text": "[_BEG_]",
					"timestamps": {
						"from": "00:00:00,000",
						"to": "00:00:00,000"
					},
					"offsets": {
						"from": 0,
						"to": 0
					},
					"id": 50363,
					"p": 0.987654,
					"t_dtw": -1
				},
				{
					"text": " \\"没",
					"timestamps": {
						"from": "00:00:00,100",
						"to": "00:00:00,350"
					},
					"offsets": {
						"from": 100,
						"to": 350
					},
					"id": 366,
					"p": 1e-05,
					"t_dtw": -1
				},
				{
					"text": "\\\\",
					"id": 13,
					"p": 1,
					"t_dtw": -1
				}
			]
		},
		{
			"timestamps": {
				"from": "00:01:01,500",
				"to": "00:01:02,000"
			},
			"offsets": {
				"from": 61500,
				"to": 62000
			},
			"text": " on",
			"tokens": [
			],
			"speaker": "1"
		}
	]
}
"""
    )


def test_json_full_leaves_out_a_model_of_which_nothing_is_known(tmp_path: Path) -> None:
    for result in (Transcript((), "en", 1.0, model=tmp_path / "some.bin"), transcript()):
        assert "model" not in json.loads(written("json-full", result))


def test_json_full_needs_no_model_file_once_the_model_is_described(
    tiny_en: Path, tmp_path: Path
) -> None:
    description = ggml.inspect(tiny_en).description
    gone = Transcript((), "en", 1.0, model=tmp_path / "gone.bin", model_description=description)

    again = records.parse(Transcript, records.line(gone))  # as a journal gives it to --resume

    assert json.loads(written("json-full", gone))["model"]["type"] == "tiny"
    assert written("json-full", again) == written("json-full", gone)


def test_json_full_keeps_every_text_as_it_is() -> None:
    parsed = json.loads(written("json-full", awkward(AWKWARD)))

    assert [segment["text"] for segment in parsed["transcription"]] == KEPT


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_has_control_characters(name: str, tmp_path: Path) -> None:
    text = " a\x1b]8;;x\x1b\\b\x00\x9b2J\x7f\x85\u202ec\ud83d"
    word = Word(0.0, 1.0, text, 1.0)
    tokens = (Token(1, b" a\x1b]8\x7f", 0.5), Token(2, b"\xc2\x9b", 0.5))
    segment = Segment(0.0, 1.0, text, tokens, (word,), "\x1bA\x85")
    model = tmp_path / os.fsdecode(b"caf\xe9\x1b.bin")
    result = Transcript((segment,), "en\x07", 1.0, system_info="CPU\x1b", model=model)

    shown = written(name, result)

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not {"\u2028", "\u202e"} & set(shown)
    shown.encode()


def test_who_speaks_shows_in_every_format() -> None:
    result = transcript(
        Segment(0, 1, " Hello.", speaker="Speaker 1"), Segment(1, 2, " Hi.", speaker="A, <b>")
    )

    assert written("srt", result).split("\n")[2] == "Speaker 1: Hello."
    assert "\n<v Speaker 1>Hello.\n" in written("vtt", result)
    assert "\n<v A, &lt;b&gt;>Hi.\n" in written("vtt", result)
    assert "Default,Speaker 1,0,0,0,,Speaker 1: Hello.\n" in written("ass", result)
    assert "Default,A  <b>,0,0,0,,A, <b>: Hi.\n" in written("ass", result)
    assert "[00:00.00] Speaker 1: Hello.\n" in written("lrc", result)
    assert written("txt", result) == "Speaker 1: Hello.\nA, <b>: Hi.\n"
    assert "\n0\t1000\tSpeaker 1: Hello.\n" in written("tsv", result)
    rows = list(csv.DictReader(io.StringIO(written("csv", result)), strict=True))
    assert [(row["speaker"], row["text"]) for row in rows] == [
        ("Speaker 1", "Hello."),
        ("A, <b>", "Hi."),
    ]


def test_a_name_is_written_where_the_speaker_changes() -> None:
    who = ("Ann", "Ann", "Bob", None, "Ann", "Speaker 1", "Speaker 1")
    result = transcript(*(Segment(n, n + 1, " Hi.", speaker=one) for n, one in enumerate(who)))
    named = ["Ann: Hi.", "Hi.", "Bob: Hi.", "Hi.", "Ann: Hi.", *["Speaker 1: Hi."] * 2]

    assert written("srt", result).split("\n")[2::4] == named
    ass = written("ass", result)
    assert [line.split(",,")[-1] for line in ass.splitlines() if "Dialogue" in line] == named
    speakers = [segment.speaker for segment in reading.parse(ass.encode(), "ass").segments]
    assert speakers == list(who)


def test_csv_can_be_read_back() -> None:
    texts = [*KEPT, ' "quoted", with commas\r\nand "" more']

    rows = list(csv.reader(io.StringIO(written("csv", awkward(texts)), newline=""), strict=True))

    assert rows[0] == ["start", "end", "text"]
    assert rows[1:] == [
        [str(n * 1000), str(n * 1000 + 500), text.lstrip(" ")] for n, text in enumerate(texts)
    ]


def test_tsv_can_be_read_back() -> None:
    text = written("tsv", awkward([*AWKWARD, " a\tb"]))

    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE, strict=True
    )
    rows = list(reader)

    assert all(len(row) == 3 for row in rows)
    assert [row[2].split() for row in rows[1:]] == [t.split() for t in shown([*AWKWARD, "a b"])]


def test_lrc_can_be_read_back() -> None:
    tags = [" [00:12.00] not a time", " <01:02.50> nor this", " [1:2] or [00:01:02.5]"]

    lyrics = lemony_lrc_parser.loads(written("lrc", awkward([*AWKWARD, *tags])))

    assert [line.start for line in lyrics] == [
        number * 1000 for number in range(len(AWKWARD) + len(tags))
    ]
    texts = [" ".join(line.text.split()) for line in lyrics]
    assert texts[: len(AWKWARD)] == list(shown(AWKWARD))
    assert texts[len(AWKWARD) :] == [
        "(00:12.00) not a time",
        "(01:02.50) nor this",
        "(1:2) or (00:01:02.5)",
    ]


def test_ass_can_be_read_back() -> None:
    texts = [*AWKWARD, r" C:\new\hidden\N{\b1}", " a, b,, c"]

    subtitles = pysubs2.SSAFile.from_string(written("ass", awkward(texts)), format_="ass")

    assert [(event.start, event.end) for event in subtitles] == [
        (number * 1000, number * 1000 + 500) for number in range(len(texts))
    ]
    seen = [" ".join(event.plaintext.replace("\u2060", "").split()) for event in subtitles]
    assert seen == [text.replace("{", "(").replace("}", ")") for text in shown(texts)]


def test_ass_goes_past_ten_hours() -> None:
    assert "Dialogue: 0,11:06:40.00,11:06:41.25," in written(
        "ass", transcript(Segment(40_000, 40_001.25, " late"))
    )


def test_srt_can_be_read_back() -> None:
    # This parser takes any line with two times for a timing line, and tags for its own: those
    # texts are looked for in the file itself.
    plain = [text for text in AWKWARD if not any(mark in text for mark in ("00:", "<", "{"))]
    others = [text for text in AWKWARD if text not in plain]

    subtitles = pysubs2.SSAFile.from_string(written("srt", awkward(plain)), format_="srt")

    assert [(event.start, event.end) for event in subtitles] == [
        (number * 1000, number * 1000 + 500) for number in range(len(plain))
    ]
    assert [" ".join(event.plaintext.split()) for event in subtitles] == [
        text.replace("-->", "->") for text in shown(plain)
    ]
    for text in shown(others):
        assert f"\n{text.replace('-->', '->')}\n\n" in written("srt", awkward(others))


def test_vtt_can_be_read_back() -> None:
    text = written("vtt", awkward(AWKWARD))

    captions = webvtt.from_string(text).captions

    assert len(captions) == len(AWKWARD)
    for number, caption in enumerate(captions):
        assert caption.start_in_seconds == number
        assert caption.end == f"00:00:{number:02d}.500"
    seen = [unescape(caption.raw_text) for caption in captions]
    assert [" ".join(s.split()) for s in seen] == list(shown(AWKWARD))
    # Every line with an arrow is a timing line: section 4.1 forbids "-->" elsewhere.
    assert text.count("-->") == len(AWKWARD)


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("txt", ""),
        ("srt", ""),
        ("vtt", "WEBVTT\n\n"),
        ("lrc", ""),
        ("tsv", "start\tend\ttext\n"),
        ("csv", "start,end,text\n"),
        ("json", '{"text": "", "segments": [], "language": "en"}'),
    ],
)
def test_silence_gives_a_valid_empty_document(name: str, empty: str) -> None:
    assert written(name, transcript()) == empty


def test_segments_without_text_make_no_cues() -> None:
    result = transcript(Segment(0, 1, " "), Segment(1, 2, " a"), Segment(2, 3, ""))

    assert written("srt", result) == "1\n00:00:01,000 --> 00:00:02,000\na\n\n"
    assert written("vtt", result) == "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n"
    assert written("txt", result) == "a\n"


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0.0, "00:00:00.000"),
        (0.0004, "00:00:00.000"),
        (0.0006, "00:00:00.001"),
        (0.9996, "00:00:01.000"),
        (59.9999, "00:01:00.000"),
        (3599.9996, "01:00:00.000"),
        (0.29, "00:00:00.290"),
        (1.1 + 2.2, "00:00:03.300"),
        (360_000.0, "100:00:00.000"),
        (-0.01, "00:00:00.000"),
    ],
)
def test_times_are_rounded_to_the_millisecond(time_s: float, expected: str) -> None:
    assert timestamp(time_s) == expected


def test_every_hundredth_of_a_second_is_exact() -> None:
    # whisper.cpp's times are whole hundredths.
    for hundredths in range(0, 400_000, 7):
        _, _, seconds = timestamp(hundredths / 100).split(":")
        assert round(float(seconds) * 100) == hundredths % 6000
        assert seconds.endswith("0")


def test_the_console_line_is_whisper_clis() -> None:
    assert line(Segment(0, 8, " And so")) == "[00:00:00.000 --> 00:00:08.000]   And so"
    assert line(Segment(0, 8, "没有")) == "[00:00:00.000 --> 00:00:08.000]  没有"
    assert line(Segment(0, 8, " a\nb")) == "[00:00:00.000 --> 00:00:08.000]   a b"


def test_every_format_is_written_by_its_name() -> None:
    for name, entry in FORMATS.items():
        assert (entry.name, writer(name)) == (name, entry.write)


def test_every_format_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    for name in FORMATS:
        assert f"| `{name}` | `.{extension(name)}` |" in page
    assert all(name in page for name in READABLE)


def test_every_format_that_is_read_is_recognized_by_its_contents() -> None:
    transcript = Transcript((Segment(0, 1.5, " And so"),), "en", 2)
    for name in READABLE.keys() & FORMATS.keys():
        out = io.StringIO()
        writer(name)(transcript, out)
        found = sniffed(out.getvalue())
        assert found is not None and found.name == name
    assert sniffed("And so") is None


@pytest.mark.parametrize("name", ["json-full", "JSON"])
def test_both_schemas_of_json_are_read_as_json(name: str) -> None:
    assert readable(name) is READABLE["json"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("strt", 'did you mean "srt"?'),
        ("docx", "choose from txt, srt, vtt, ass, lrc, tsv, csv, json, json-full"),
    ],
)
def test_an_unknown_format_says_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        writer(name)

    assert str(caught.value) == f'unknown format "{name}": {hint}'


def test_no_two_formats_share_a_file() -> None:
    assert extension("srt") == "srt"
    assert extension("json-full") == "full.json"
    assert len({extension(name) for name in FORMATS}) == len(FORMATS)
    with pytest.raises(UsageError):
        extension("docx")


def test_formats_are_named_in_any_way() -> None:
    assert parse(["srt, VTT", "json-full", "srt"]) == ["srt", "vtt", "json-full"]
    assert parse(["json", "all"]) == ["json", *(name for name in FORMATS if name != "json")]
    assert parse([]) == []
    for wrong in ("srt,", "alll"):
        with pytest.raises(UsageError, match="unknown format"):
            parse([wrong])
