"""What becomes of characters that control a terminal, or that nobody sees."""

from __future__ import annotations

import math
import os
import sys
import unicodedata

import pytest

from whisperctl.errors import BackendError, WhisperctlError
from whisperctl.text import (
    on_one_line,
    parse_time,
    quoted,
    range_text,
    short_time,
    timestamp,
    unknown,
    visible,
)
from whisperctl.transcript import Segment, Token, Transcript, Word

PROSE = (
    " And so, my fellow Americans, ask not",
    " Ça va ? « Où\u00a0? » 1\u202f000",
    " 今日は　晴れ。\tTab\nLine",
    " می\u200cخواهم क्\u200dष",  # noqa: RUF001 - Persian
    " \u202bשלום, עולם!\u202c \u200fא\u200e \u2067ב\u2069 \u061c",  # noqa: RUF001 - Hebrew
    " สวัสดี\u200bครับ 👩\u200d👩\u200d👧 ❤\ufe0f e\u0301 soft\u00adhyphen \u2060",
    " \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \ufdd0 \U0010fffd",
)


@pytest.mark.parametrize("text", PROSE)
def test_what_people_say_and_write_stays_as_it_is(text: str) -> None:
    assert visible(text, prose=True) == text


@pytest.mark.parametrize(
    ("text", "name", "prose"),
    [
        ("a\x00\x1b[31m\x7f", r"a\x00\x1b[31m\x7f", r"a\x00\x1b[31m\x7f"),
        ("\x9b2J\x90", r"\u009b2J\u0090", r"\u009b2J\u0090"),
        ("a\nb\tc", r"a\nb\tc", "a\nb\tc"),
        ("a\rb\r\nc", r"a\rb\r\nc", "a\nb\r\nc"),
        (
            "a\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
            r"a\x0b\x0c\x1c\x1d\x1e\u0085\u2028\u2029",
            "a" + "\n" * 8,
        ),
        ("\u202egpj.exe\u202c", r"\u202egpj.exe\u202c", "\\u202egpj.exe\u202c"),
        (
            "\u2066\u200b\u200e\ufeff\u00ad",
            r"\u2066\u200b\u200e\ufeff\u00ad",
            "\u2066\u200b\u200e\ufeff\u00ad",
        ),
        ("\U000e0041\u3164\u034f", r"\U000e0041\u3164\u034f", "\U000e0041\u3164\u034f"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9", r"caf\xe9"),
        ("\ud83d", r"\ud83d", r"\ud83d"),
        (
            "👩\u200d👧 no\u00a0break 全　角",
            "👩\u200d👧 no\u00a0break 全　角",
            "👩\u200d👧 no\u00a0break 全　角",
        ),
    ],
)
def test_what_steers_or_hides_becomes_visible(text: str, name: str, prose: str) -> None:
    assert visible(text) == visible(name) == name
    assert visible(text, prose=True) == visible(prose, prose=True) == prose


def test_no_control_character_is_left_of_all_there_are() -> None:
    every = "".join(
        c
        for c in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
    )
    for text, kept in ((visible(every), ""), (visible(every, prose=True), "\n\t")):
        assert {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} == set(kept)
        assert not {"\u202d", "\u202e"} & set(text)
        text.encode()
    hidden = {c for c in visible(every) if unicodedata.category(c) == "Cf"}
    assert hidden == {"\u200c", "\u200d"}


def test_parts_of_a_text_become_the_parts_of_what_it_becomes() -> None:
    text = "".join(chr(code) for code in range(0x3000) if chr(code) != "\r")
    for prose in (False, True):
        assert "".join(visible(c, prose=prose) for c in text) == visible(text, prose=prose)


def test_a_quoted_name_is_on_one_line_and_shows_odd_spaces() -> None:
    assert quoted("a\n b\u00a0\u202fc") == r'"a\n b\u00a0\u202fc"'


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://me:pw@host:80/x@y.wav?sig=1#t", "https://host:80/x@y.wav"),
        ("HTTPS:/me@host/x?sig=1", "HTTPS:/host/x"),
        ("s3://AKIA:secret@bucket/a@b?.wav", "s3://bucket/a@b?.wav"),
        ("file:///a@b?c", "file:///a@b?c"),
        ("a@b?c", "a@b?c"),
    ],
)
def test_a_quoted_url_shows_no_password_and_no_signature(name: str, shown: str) -> None:
    assert quoted(name) == quoted(quoted(name)[1:-1]) == f'"{shown}"'


def test_a_message_is_on_one_line() -> None:
    assert on_one_line(" a \r\n\r\n  b\tc\u2028d  e\x1b[0m\n") == r"a b c d  e\x1b[0m"


def test_an_error_says_nothing_that_controls_a_terminal() -> None:
    error = BackendError("the engine said\x1b]0;owned\x07\nmore")
    assert str(error) == r"the engine said\x1b]0;owned\x07 more"
    error.args = ("other\x9b",)
    assert str(error) == r"other\u009b"
    assert str(WhisperctlError()) == ""


def test_texts_of_a_transcript_become_visible_and_tokens_stay() -> None:
    tokens = (Token(1, b" \x1b[31m", 0.5), Token(2, b"\x07", 0.5))
    words = (Word(0.0, 1.0, " \x1b[31m\x07", 0.5),)
    plain = Segment(1.0, 2.0, " plain", tokens)
    nasty = Segment(0.0, 1.0, " \x1b[31m\x07", tokens, words, "A\x07")
    shown = Transcript((nasty, plain), "en\x07", 2.0, system_info="CPU\x1b").visible()

    assert shown.segments[0].text == shown.segments[0].words[0].text == r" \x1b[31m\x07"
    assert shown.segments[0].tokens == tokens
    assert shown.segments[0].speaker == r"A\x07"
    assert shown.segments[1] is plain
    assert (shown.language, shown.system_info) == (r"en\x07", r"CPU\x1b")


def test_an_unknown_name_is_answered_with_the_most_similar_one() -> None:
    assert unknown("format", "strt", ["txt", "srt"]) == 'unknown format "strt": did you mean "srt"?'
    assert unknown("runtime", "v9", ["v8"], of=' of backend "wasi"') == (
        'unknown runtime "v9" of backend "wasi": choose from v8'
    )


def test_an_unknown_name_like_no_other_is_answered_with_all_of_them() -> None:
    assert (
        unknown("format", "docx", ["txt", "srt"]) == 'unknown format "docx": choose from txt, srt'
    )
    assert unknown("format", "", []) == 'unknown format "": choose from none'
    assert unknown("model", "x", ["tiny"], otherwise="see the list") == (
        'unknown model "x": see the list'
    )


def test_an_unknown_name_is_shown_on_one_line() -> None:
    assert unknown("format", "a\n\x1b[31m", ["srt"]) == (
        r'unknown format "a\n\x1b[31m": choose from srt'
    )


@pytest.mark.parametrize("text", ["1:02:03.25", "62:03.25", "3723.25"])
def test_a_time_is_the_same_as_typed_and_in_a_file(text: str) -> None:
    assert parse_time(text) == parse_time(text, lenient=True) == 3723.25


@pytest.mark.parametrize("text", ["-1:00", "1:00,5", "1 : 00", "1:75:00", "00:99"])
def test_only_files_may_write_times_as_other_programs_do(text: str) -> None:
    parse_time(text, lenient=True)
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize("text", ["", ":", "1:2:3:4", "nan", "1e9", "9" * 9, "9" * 5000, "x\n"])
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_not_a_time_is_refused_in_one_line(text: str, lenient: bool) -> None:
    with pytest.raises(ValueError, match="time") as caught:
        parse_time(f"{text}:00:00", lenient=lenient)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 100


def test_times_are_printed_for_files_and_for_messages() -> None:
    assert (timestamp(3723.2504), timestamp(0, ",")) == ("01:02:03.250", "00:00:00,000")
    assert (short_time(3723.9), short_time(63)) == ("1:02:03", "1:03")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1, 1_000_000, "from 1 to 1000000"),
        (-0.5, 1e7, "from -0.5 to 10000000"),
        (0.0, None, "0 or more"),
        (-math.inf, 8, "8 or less"),
        (None, math.inf, ""),
    ],
)
def test_ranges_are_written_without_exponents(
    low: float | None, high: float | None, text: str
) -> None:
    assert range_text(low, high) == text
