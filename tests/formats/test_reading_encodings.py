"""Encodings that subtitles come in: found when that is sure, refused when it is not."""

# ruff: noqa: RUF001 - letters of other scripts are meant
from __future__ import annotations

import pytest

from whisperctl.errors import SubtitleError, UsageError
from whisperctl.formats.reading import parse

TALK = {
    "ru": ("Я не знаю, что тебе сказать.", "Мы уходим отсюда.", "Привет, как дела?"),
    "ja": ("今日はとてもいい天気ですね。", "一緒に散歩に行きましょう。", "こんにちは、世界"),
    "zh": ("我不知道你在说什么。", "我们现在就走吧。", "你好，世界"),
    "zh-tw": ("我不知道你在說什麼。", "我們現在就走吧。", "你好，世界"),
    "el": ("Δεν ξέρω τι να σου πω.", "Καλημέρα κόσμε", "Φεύγουμε τώρα."),
    "de": ("Ich weiß nicht, was ich sagen soll.", "Wir gehen für immer.", "Schöne Grüße"),
    "fr": ("C'est à côté de la forêt.", "Où êtes-vous allé ?", "Ça va très bien."),
    "pl": ("Zażółć gęślą jaźń", "Nie wiem, dlaczego się śmiejesz.", "Wychodzimy stąd."),
    "cs": ("Příliš žluťoučký kůň", "Nevím, co ti mám říct.", "Už odcházíme odsud."),
    "tr": ("Günaydın dünya, şimdi gidiyoruz", "Ne söyleyeceğimi bilmiyorum", "Çok iyi"),
}


def srt(language: str, n: int = 12) -> str:
    lines = TALK[language]
    return "\n".join(
        f"{i + 1}\n00:00:{i:02d},000 --> 00:00:{i + 1:02d},000\n{lines[i % len(lines)]}\n"
        for i in range(n)
    )


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *(("ru", "cp1251"), ("ru", "koi8-r"), ("ru", "iso8859-5"), ("ru", "cp866")),
        *(("ja", "shift_jis"), ("ja", "euc_jp"), ("ja", "iso2022_jp"), ("zh", "gb18030")),
        *(("zh", "gbk"), ("zh-tw", "big5"), ("el", "cp1253"), ("de", "latin-1")),
        *(("fr", "cp1252"), ("pl", "cp1250"), ("pl", "iso8859-2"), ("cs", "cp1250")),
        ("tr", "cp1254"),
    ],
)
def test_encodings_of_old_are_found_and_said(language: str, encoding: str) -> None:
    text = srt(language)
    subtitles = parse(text.encode(encoding), "srt", '"it"')
    assert subtitles.segments == parse(text.encode(), "srt").segments
    assert '"it" is not UTF-8: it was read as ' in subtitles.notes[0]
    named = parse(text.encode(encoding), "srt", encoding=encoding)
    assert (named.segments, named.notes) == (subtitles.segments, ())


@pytest.mark.parametrize("language", TALK)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_need_no_mark(language: str, encoding: str) -> None:
    text = srt(language)
    for mark in ("", "\ufeff") if encoding != "utf-16" else ("",):
        subtitles = parse((mark + text).encode(encoding))
        assert subtitles.segments == parse(text.encode()).segments
        assert subtitles.notes == ()


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "shift_jis", "gb18030"])
def test_what_is_not_sure_is_refused_and_never_garbage(encoding: str) -> None:
    refused = 0
    for language in TALK:
        for n in (1, 2, 3):
            text = srt(language, n)
            try:
                data = text.encode(encoding)
            except UnicodeEncodeError:
                continue
            try:
                found = parse(data, "srt").segments
            except SubtitleError as error:
                assert "its encoding cannot be detected" in str(error)
                assert "--encoding" in str(error)
                refused += 1
            else:
                assert found == parse(text.encode(), "srt").segments
            assert parse(data, "srt", encoding=encoding) == parse(text.encode(), "srt")
    assert refused


def test_damaged_utf_8_is_refused_by_line_and_not_taken_for_something_else() -> None:
    data = bytearray(srt("ru").encode())
    at = data.index("Мы".encode())
    data[at + 1] = 0x20
    with pytest.raises(SubtitleError, match="line 7 is not valid UTF-8"):
        parse(bytes(data), "srt")
    with pytest.raises(SubtitleError, match="line 47 is not valid UTF-8"):
        parse(srt("ru").encode()[:-3], "srt")


def test_an_encoding_must_be_one_and_that_of_the_file() -> None:
    for name in ("klingon", "base64", "idna", "rot13", "unicode_escape", "", "a\nb", "\0"):
        with pytest.raises(UsageError, match=r"unknown encoding .*: give a name") as caught:
            parse(b"", "srt", encoding=name)
        assert "\n" not in str(caught.value)
    for name in ("utf-8", "ascii", "utf-16-le", "gb18030"):
        with pytest.raises(SubtitleError, match="or damaged: check --encoding"):
            parse(b"1\n00:01 --> 00:02\nabc\xff\n", "srt", encoding=name)
