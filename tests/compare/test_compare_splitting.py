"""Words of texts in any script."""

from __future__ import annotations

import random

import pytest

from whisperctl.compare.scoring.splitting import join, spans, split


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        " And so,\u00a0my fellow  Americans\r\n— ask\u2003not \x1c\x85 what? ",
        "안녕하세요 여러분, 반갑습니다.",
        "नमस्ते दुनिया! Ça va? Привет, мир… «да»",
    ],
)
def test_words_of_spaced_scripts_are_what_stands_between_white_space(text: str) -> None:
    assert split(text) == text.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我爱北京。", "我 爱 北 京。"),
        ("「你好」，他说", "「你 好」， 他 说"),  # noqa: RUF001 - each is meant
        ("用Python 3写（很好）", "用 Python 3 写 （很 好）"),  # noqa: RUF001 - each is meant
        ("コーヒーを2杯", "コ ー ヒ ー を 2 杯"),
        ("ที่นี่", "ที่ นี่"),
        ("你好。Hello, world", "你 好。 Hello, world"),
    ],
)
def test_unspaced_scripts_have_a_word_a_character_with_its_punctuation(
    text: str, words: str
) -> None:
    assert split(text) == words.split(" ")


def test_words_are_put_together_as_their_script_has_it() -> None:
    assert join(split("我爱 北京。 你好\nMy  fellow Americans")) == (
        "我爱北京。你好My fellow Americans"
    )


def test_spans_cover_all_but_white_space_in_any_text() -> None:
    letters = "ab1 \n\t,.()「」。、我爱のコーกำที่ກ\u0301\u200d👍🏽한ж-"
    dice = random.Random(7)
    for _ in range(300):
        text = "".join(dice.choices(letters, k=dice.randint(0, 40)))
        found = list(spans(text))
        assert "".join(text[a:b] for a, b in found) == "".join(text.split())
        assert all(a < b for a, b in found)
        assert not any(c.isspace() for a, b in found for c in text[a:b])
