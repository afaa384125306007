"""Words from tokens, in many writing systems, from tokens as Whisper's vocabulary cuts them."""

from __future__ import annotations

import pytest

from whisperctl.engine.toolkit.words import Utf8Joiner, words_of
from whisperctl.transcript import Segment, Token


def segment(*parts: str | bytes, start_s: float = 0.0) -> Segment:
    """A segment of one token a part, each a tenth of a second long."""
    tokens = tuple(
        Token(
            id=i,
            data=part.encode() if isinstance(part, str) else part,
            probability=(i + 1) / len(parts),
            start_s=start_s + i / 10,
            end_s=start_s + (i + 1) / 10,
        )
        for i, part in enumerate(parts)
    )
    text = b"".join(token.data for token in tokens).decode(errors="replace")
    return Segment(start_s, start_s + len(parts) / 10, text, tokens)


def cut(text: str, *sizes: int) -> list[bytes]:
    """The bytes of a text in parts of these sizes, then the rest."""
    data = text.encode()
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


@pytest.mark.parametrize(
    ("language", "parts", "expected"),
    [
        ("en", [" I", " don", "'t", " know", "."], [" I", " don't", " know."]),
        ("en", [" a", " well", "-", "known", " fact"], [" a", " well-known", " fact"]),
        ("en", [" He", " said", ",", ' "', "Go", "!", '"'], [" He", " said,", ' "Go!"']),
        ("en", [" costs", " $", "5", ".", "50"], [" costs", " $5.50"]),
        ("en", [" (", "yes", ")", " no"], [" (yes)", " no"]),
        ("en", [" so", " -", " yes"], [" so", " - yes"]),
        ("en", ["Go", "ing", " on"], ["Going", " on"]),
        ("en", [" ", "odd", " one"], [" odd", " one"]),
        ("en", [" end", " ..."], [" end ..."]),
        ("en", ["..."], ["..."]),
        ("fr", [" Ça", " va", " ?", " «", " Oui", " »"], [" Ça", " va ?", " « Oui »"]),
        ("es", [" ¿", "Qué", " tal", "?"], [" ¿Qué", " tal?"]),
        ("ar", [" مر", "حبا", "،", " كيف", "؟"], [" مرحبا،", " كيف؟"]),
        ("ru", [" При", "вет", "."], [" Привет."]),
        ("ko", [" 안녕", "하세요"], [" 안녕하세요"]),
        ("zh", ["我", "们", "，", "你好", "。"], ["我", "们，", "你好。"]),  # noqa: RUF001
        ("zh", ["「", "好", "」", "吧"], ["「好」", "吧"]),
        ("zh", ["我", "用", "Py", "thon", "3", "了"], ["我", "用", "Python3", "了"]),
        ("ja", ["今日", "は", "。"], ["今日", "は。"]),
        ("yue", ["佢", "哋"], ["佢", "哋"]),
        ("th", ["ที", "่", "นี", "่"], ["ที่", "นี่"]),
    ],
)
def test_words_are_whole_and_joined_are_the_text(
    language: str, parts: list[str], expected: list[str]
) -> None:
    whole = segment(*parts)

    words = words_of(whole, language)

    assert [word.text for word in words] == expected
    assert "".join(word.text for word in words) == whole.text


def test_a_character_in_several_tokens_stays_whole() -> None:
    parts = cut("你好吗", 1, 2, 2)  # the last token completes one character and holds another

    words = words_of(segment(*parts), "zh")

    assert [word.text for word in words] == ["你", "好吗"]
    assert (words[0].start_s, words[0].end_s) == pytest.approx((0.0, 0.2))
    assert (words[1].start_s, words[1].end_s) == pytest.approx((0.2, 0.4))


def test_an_emoji_of_several_characters_is_one_word() -> None:
    family, thumb = "👩\u200d👧", "👍🏽"
    parts: list[str | bytes] = ["好", *cut(family, 4, 3), *cut(thumb, 2, 2)]

    words = words_of(segment(*parts), "zh")

    assert [word.text for word in words] == ["好", family, thumb]


def test_a_word_has_the_times_and_the_mean_probability_of_its_tokens() -> None:
    words = words_of(segment(" I", " don", "'t", " know"), "en")

    assert [w.start_s for w in words] == pytest.approx([0.0, 0.1, 0.3])
    assert [w.end_s for w in words] == pytest.approx([0.1, 0.3, 0.4])
    assert [w.probability for w in words] == pytest.approx([0.25, 0.625, 1.0])


def test_a_token_without_time_lies_where_the_word_before_ended() -> None:
    tokens = (Token(1, b" a", 1.0, 1.0, 1.5), Token(2, b" b", 1.0), Token(3, b" c", 1.0, 2.0, 2.5))

    words = words_of(Segment(1.0, 2.5, " a b c", tokens), "en")

    assert [(w.start_s, w.end_s) for w in words] == [(1.0, 1.5), (1.5, 1.5), (2.0, 2.5)]


def test_there_are_no_words_without_times() -> None:
    tokens = (Token(1, b" a", 1.0), Token(2, b" b", 1.0))

    assert words_of(Segment(0, 1, " a b", tokens), "en") == ()


def test_a_character_cut_between_segments_goes_to_the_second() -> None:
    first, second = segment("你", b"\xe5\xa5"), segment(b"\xbd", "吗", start_s=0.2)
    assert "\ufffd" in first.text
    assert "\ufffd" in second.text
    joiner = Utf8Joiner()

    joined = [joiner.add(first), joiner.add(second)]

    assert [each.text for each in joined] == ["你", "好吗"]
    assert [word.text for word in words_of(joined[1], "zh")] == ["好", "吗"]
    assert joined[1].tokens[0].start_s == first.tokens[1].start_s


def test_a_token_cut_between_segments_is_parted() -> None:
    joiner = Utf8Joiner()

    first = joiner.add(segment("ab\u4f60".encode()[:-1]))
    second = joiner.add(segment("\u4f60".encode()[-1:], b"!"))

    assert (first.text, second.text) == ("ab", "你!")


def test_bytes_that_are_never_completed_show() -> None:
    joiner = Utf8Joiner()

    joiner.add(segment(b" a\xe4\xbd"))

    assert joiner.add(segment(" b")).text == "\ufffd b"


def test_segments_with_whole_characters_are_left_alone() -> None:
    whole = segment(" naïve", " café")

    assert Utf8Joiner().add(whole) is whole
