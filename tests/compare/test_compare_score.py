"""How texts are compared."""

from __future__ import annotations

from whisperctl.compare.score import Change, Difference, difference

SAID = "And so my fellow Americans ask not what your country can do for you"


def test_equal_texts_are_identical() -> None:
    assert difference(SAID, SAID) == Difference(identical=True)
    assert difference("", "") == Difference(identical=True)


def test_a_changed_word_is_shown_with_its_surroundings() -> None:
    found = difference(SAID, SAID.replace("fellow", "yellow"))
    assert not found.identical
    assert (found.substitutions, found.insertions, found.deletions) == (1, 0, 0)
    assert found.word_error_rate == 1 / 14
    assert found.character_error_rate == 1 / len(SAID)
    assert found.changes == (
        Change(("And", "so", "my"), ("fellow",), ("yellow",), ("Americans", "ask", "not")),
    )


def test_missing_and_added_words_are_counted_apart() -> None:
    found = difference("one two three four five six", "one three four five big six seven")
    assert (found.substitutions, found.insertions, found.deletions) == (0, 2, 1)
    assert found.changes == (
        Change(("one",), ("two",), (), ("three", "four", "five")),
        Change(("three", "four", "five"), (), ("big",), ("six",)),
        Change(("four", "five", "six"), (), ("seven",), ()),
    )


def test_neighbouring_changes_are_one() -> None:
    found = difference("a b c d", "a x y d e")
    assert [(c.reference, c.text) for c in found.changes] == [
        (("b", "c"), ("x", "y")),
        ((), ("e",)),
    ]


def test_case_and_punctuation_count() -> None:
    found = difference("Ask not what", "ask not, what")
    assert found.substitutions == 2


def test_white_space_alone_is_no_word() -> None:
    found = difference("one two", "one  two")
    assert not found.identical
    assert (found.word_error_rate, found.changes) == (0.0, ())


def test_text_against_none_and_none_against_text() -> None:
    heard = difference("", "thank you")
    assert (heard.word_error_rate, heard.character_error_rate, heard.insertions) == (1.0, 1.0, 2)
    assert heard.changes == (Change((), (), ("thank", "you"), ()),)
    missed = difference("thank you", "")
    assert (missed.word_error_rate, missed.deletions) == (1.0, 2)
    assert missed.changes == (Change((), ("thank", "you"), (), ()),)
