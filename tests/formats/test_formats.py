"""Writers, byte for byte, and read back by other people's parsers."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from html import unescape

import pysubs2
import pytest
import webvtt

from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS, writer
from whisperctl.formats.console import line
from whisperctl.formats.cues import timestamp
from whisperctl.transcript import Segment, Token, Transcript


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


def test_vtt_is_as_whisper_cli_writes_it() -> None:
    assert written("vtt", PLAIN) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:07.960\nAnd so, my fellow Americans,\n\n"
        "00:00:07.960 --> 00:00:11.000\nask not.\n\n"
    )


def test_json_is_in_openai_whispers_schema() -> None:
    tokens = (Token(50363, b"[_BEG_]", 0.5), Token(843, b" And", 0.25))
    result = transcript(Segment(0.1 + 0.2, 7.96, " And “so”", tokens), Segment(7.96, 11.0, " on"))

    text = written("json", result)

    assert text == (
        "{\n"
        '"text": "And “so” on",\n'
        '"segments": [\n'
        '{"id": 0, "start": 0.3, "end": 7.96, "text": " And “so”", "tokens": [50363, 843], '
        f'"avg_logprob": {(math.log(0.5) + math.log(0.25)) / 2}}},\n'
        '{"id": 1, "start": 7.96, "end": 11.0, "text": " on"}\n'
        "],\n"
        '"language": "en"\n'
        "}\n"
    )


@pytest.mark.parametrize("probability", [0.0, math.nan, 1.5])
def test_json_leaves_out_a_logprob_it_cannot_know(probability: float) -> None:
    result = transcript(Segment(0, 1, " a", (Token(1, b" a", probability),)))

    segment = json.loads(written("json", result))["segments"][0]

    assert segment == {"id": 0, "start": 0, "end": 1, "text": " a", "tokens": [1]}


def test_json_keeps_every_text_as_it_is() -> None:
    parsed = json.loads(written("json", awkward(AWKWARD)))

    assert [segment["text"] for segment in parsed["segments"]] == AWKWARD
    assert parsed["text"] == "".join(AWKWARD).strip()


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
        ("json", '{\n"text": "",\n"segments": [\n],\n"language": "en"\n}\n'),
    ],
)
def test_silence_gives_a_valid_empty_document(name: str, empty: str) -> None:
    assert written(name, transcript()) == empty


def test_segments_without_text_make_no_cues() -> None:
    result = transcript(Segment(0, 1, " "), Segment(1, 2, " a"), Segment(2, 3, ""))

    assert written("srt", result) == "1\n00:00:01,000 --> 00:00:02,000\na\n\n"
    assert written("vtt", result) == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\n"
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


def test_every_format_can_be_had_by_name() -> None:
    for name, write in FORMATS.items():
        assert writer(name) is write


@pytest.mark.parametrize(
    ("name", "hint"),
    [("strt", 'did you mean "srt"?'), ("docx", "choose from txt, srt, vtt, json")],
)
def test_an_unknown_format_says_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        writer(name)

    assert str(caught.value) == f'format "{name}" is unknown; {hint}'
