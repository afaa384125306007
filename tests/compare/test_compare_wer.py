"""How far texts are apart."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import jiwer
import pytest

from whisperctl.compare.result import Difference, Errors, WordSpan
from whisperctl.compare.scoring.wer import (
    difference,
    join_words,
    normalize,
    normalize_words,
    split_words,
    text_language,
    word_spans,
)
from whisperctl.transcript import Transcript

SAID = "And so my fellow Americans ask not what your country can do for you"


def n_errors(errors: Errors) -> int:
    return errors.substitutions + errors.deletions + errors.insertions


def test_equal_texts_are_identical() -> None:
    found = difference(SAID, SAID, language="en")
    assert found.identical
    assert found.wer == Errors(0.0, 0, 0, 0, 14)
    assert found.cer == Errors(0.0, 0, 0, 0, len(SAID))
    assert found.spans == (WordSpan("equal", 0, 14, 0, 14),)


def test_every_kind_of_change_is_counted_and_placed() -> None:
    found = difference("one two three four five", "one three for five six", language="en")
    assert found.wer == Errors(3 / 5, 1, 1, 1, 5)
    assert found.spans == (
        WordSpan("equal", 0, 1, 0, 1),
        WordSpan("delete", 1, 2, 1, 1),
        WordSpan("equal", 2, 3, 1, 2),
        WordSpan("substitute", 3, 4, 2, 3),
        WordSpan("equal", 4, 5, 3, 4),
        WordSpan("insert", 5, 5, 4, 5),
    )


def test_case_and_punctuation_count_but_for_the_normalized_rates() -> None:
    found = difference("Ask not what", "ask not, what", language="en")
    assert (found.wer.substitutions, found.wer.rate) == (2, 2 / 3)
    assert found.cer == Errors(2 / 12, 1, 0, 1, 12)
    assert (found.normalized_wer.rate, found.normalized_cer.rate) == (0.0, 0.0)
    assert not found.identical


def test_line_breaks_of_a_reference_are_no_errors() -> None:
    found = difference("one two\nthree\n", " one two  three", language="en")
    assert found.identical
    assert (found.wer.rate, found.cer.rate) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("reference", "text", "errors"),
    [
        ("", "", Errors(0.0, 0, 0, 0, 0)),
        (" \n", "thank you", Errors(1.0, 0, 0, 2, 0)),
        ("thank you", "", Errors(1.0, 0, 2, 0, 2)),
    ],
)
def test_nothing_can_be_compared_with_something(reference: str, text: str, errors: Errors) -> None:
    found = difference(reference, text, language="en")
    assert found.wer == errors
    assert found.normalized_wer == errors
    assert found.cer.rate == errors.rate
    assert found.identical is (reference.strip() == text)
    spans_cover(found, reference, text)


def test_text_that_normalizing_leaves_nothing_of_is_an_empty_one() -> None:
    found = difference("[Music]", "you", language="en")
    assert found.normalized_wer == Errors(1.0, 0, 0, 1, 0)
    assert found.wer == Errors(1.0, 1, 0, 0, 1)


def test_english_is_put_into_one_spelling() -> None:
    said = "Mr. Brown won't pay twenty five dollars for the colour"
    heard = "mister brown will not pay $25 for the color"
    assert normalize(said, "en") == normalize(heard, "en")
    found = difference(said, heard, language="en")
    assert found.normalized_wer.rate == found.normalized_cer.rate == 0.0
    assert found.wer.rate > 0.5


def test_other_languages_keep_their_words() -> None:
    assert normalize("Der Mann, der's SAH: won't!", "de") == "der mann der s sah won t"


def test_languages_without_spaces_are_compared_by_character() -> None:
    assert normalize_words("我爱 北京。", "zh") == list("我爱北京")
    found = difference("我爱北京。天安门", "我爱南京，天安门", language="zh")  # noqa: RUF001 - each is meant
    assert found.wer == Errors(2 / 7, 2, 0, 0, 7)
    assert found.normalized_wer == Errors(1 / 7, 1, 0, 0, 7)
    assert found.normalized_cer == Errors(1 / 8, 1, 0, 0, 8)


def test_numbers_too_long_for_the_normalizer_are_still_compared() -> None:
    assert normalize("a, " + "1" * 5000, "en") == "a " + "1" * 5000


def test_a_translation_is_english() -> None:
    assert text_language(Transcript((), "de", 1.0, task="translate")) == "en"
    assert text_language(Transcript((), "de", 1.0)) == "de"


def spans_cover(found: Difference, reference: str, text: str) -> None:
    """Whether the spans lead from the beginning of both texts to the end, and are the errors."""
    before, after = split_words(reference), split_words(text)
    at = (0, 0)
    counts = {"substitute": 0, "delete": 0, "insert": 0}
    for span in found.spans:
        assert (span.reference_start, span.text_start) == at
        at = (span.reference_end, span.text_end)
        old = before[span.reference_start : span.reference_end]
        new = after[span.text_start : span.text_end]
        if span.kind == "equal":
            assert old == new != []
        else:
            counts[span.kind] += len(old or new)
            assert bool(old) == (span.kind != "insert")
            assert bool(new) == (span.kind != "delete")
            if span.kind == "substitute":
                assert len(old) == len(new)
    assert at == (len(before), len(after))
    wer = found.wer
    assert list(counts.values()) == [wer.substitutions, wer.deletions, wer.insertions]


def test_spans_account_for_every_word_and_error_of_any_texts() -> None:
    dice = random.Random(3)
    for _ in range(200):
        reference, text = (
            " ".join(dice.choices(["a", "b", "c", "A,", "x1"], k=dice.randint(0, 12)))
            for _ in range(2)
        )
        found = difference(reference, text, language="en")
        spans_cover(found, reference, text)
        for errors in (found.wer, found.cer, found.normalized_wer, found.normalized_cer):
            if errors.n_reference:
                assert errors.rate == n_errors(errors) / errors.n_reference
        if reference:
            assert found.wer.rate == pytest.approx(jiwer.wer(reference, text))
            assert found.cer.rate == pytest.approx(jiwer.cer(reference, text))


@pytest.mark.slow
def test_an_hour_of_speech_takes_seconds_at_most() -> None:
    dice = random.Random(1)
    words = [f"{dice.choice('bdgkmnprst')}{dice.choice('aeiou')}{n}" for n in range(2000)]
    said, heard = (" ".join(dice.choices(words, k=10_000)) for _ in range(2))
    began = time.perf_counter()
    difference(said, heard, language="en")
    assert time.perf_counter() - began < 20  # two on a quiet machine


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
    assert split_words(text) == text.split()


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
    assert split_words(text) == words.split(" ")


def test_words_are_put_together_as_their_script_has_it() -> None:
    assert join_words(split_words("我爱 北京。 你好\nMy  fellow Americans")) == (
        "我爱北京。你好My fellow Americans"
    )


def test_spans_cover_all_but_white_space_in_any_text() -> None:
    letters = "ab1 \n\t,.()「」。、我爱のコーกำที่ກ\u0301\u200d👍🏽한ж-"
    dice = random.Random(7)
    for _ in range(300):
        text = "".join(dice.choices(letters, k=dice.randint(0, 40)))
        found = list(word_spans(text))
        assert "".join(text[a:b] for a, b in found) == "".join(text.split())
        assert all(a < b for a, b in found)
        assert not any(c.isspace() for a, b in found for c in text[a:b])


@pytest.mark.slow
def test_normalizers_that_python_has_not_compiled_yet_warn_of_nothing(tmp_path: Path) -> None:
    code = (
        "from whisperctl.compare.scoring.wer import normalize;"
        "print(normalize('One colour', 'en'), normalize('Ja!', 'de'))"
    )

    done = subprocess.run(
        (sys.executable, "-W", "error", "-c", code),
        env=os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("one color ja\n", "")
