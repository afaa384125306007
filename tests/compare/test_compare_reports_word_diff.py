"""Differences as a terminal shows them."""

from __future__ import annotations

import io
import random
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from whisperctl.compare.reports import terminal
from whisperctl.compare.scoring.wer import difference, split_words

SAID = "And so my fellow Americans ask not what your country can do for you ask what you can do"


def diff(reference: str, text: str, width: int = 80, max_changes: int = 20) -> list[Text]:
    spans = difference(reference, text, language="en").spans
    return list(
        terminal.word_diff(
            split_words(reference),
            split_words(text),
            spans,
            labels=("native", "wasi"),
            width=width,
            colors=True,
            max_changes=max_changes,
        )
    )


def plain(reference: str, text: str, width: int = 80) -> list[str]:
    return [line.plain for line in diff(reference, text, width)]


def test_texts_that_are_the_same_have_no_lines() -> None:
    assert diff(SAID, SAID) == []
    assert diff("", "") == []


def test_changes_stand_among_a_few_words_that_are_the_same() -> None:
    heard = SAID.replace("fellow", "yellow").replace("you can do", "you really can")
    assert plain(SAID, heard) == [
        "[-native-] {+wasi+}",
        "  And so my [-fellow-]{+yellow+} Americans ask not what …",
        "  … you ask what you {+really+} can [-do-]",
    ]


def test_changes_whose_surroundings_meet_share_a_line() -> None:
    heard = SAID.replace("fellow ", "").replace("country", "county")
    assert plain(SAID, heard, 100)[1:] == [
        "  And so my [-fellow-] Americans ask not what your [-country-]{+county+} can do for you …"
    ]


def test_lines_are_wrapped_to_the_width() -> None:
    heard = SAID.replace("fellow Americans", "yellow Armenians").replace("country", "county")
    assert plain(SAID, heard, 30)[1:] == [
        "  And so my [-fellow",
        "  Americans-]{+yellow",
        "  Armenians+} ask not what",
        "  your [-country-]{+county+}",
        "  can do for you …",
    ]


def test_wide_characters_take_two_cells_and_no_spaces() -> None:
    lines = plain("我爱北京天安门。天安门上太阳升", "我爱背景天安门。天安门上太阳生", 24)
    assert lines[1:] == [
        "  我爱[-北京-]{+背景+}天",
        "  安门。天 …",
        "  … 门上太阳[-升-]{+生+}",
    ]


def test_what_is_too_wide_for_a_line_is_cut() -> None:
    lines = plain("a " + "x" * 50, "a b", 20)
    assert all(cell_len(line) <= 20 for line in lines)
    assert "".join(line.strip() for line in lines[1:]) == f"a[-{'x' * 50}-]{{+b+}}"


def test_no_line_is_wider_than_the_terminal_whatever_is_said() -> None:
    dice = random.Random(2)
    vocabulary = ["a", "bcd", "我", "我。", "x" * 30, "안녕", "e\u0301", "👍"]
    for _ in range(30):
        reference, text = (" ".join(dice.choices(vocabulary, k=30)) for _ in range(2))
        for width in (20, 33, 80):
            assert all(line.cell_len <= width for line in diff(reference, text, width))


def test_a_text_that_is_missing_is_shown_in_short() -> None:
    (_, *lines) = plain(" ".join(f"w{i}" for i in range(10_000)), "")
    shown = " ".join(line.strip() for line in lines)
    assert shown.startswith("[-w0 w1 ")
    assert shown.endswith(" w9998 w9999-]")
    assert "w11 … 9976 words … w9988" in shown


def test_only_so_many_changes_are_shown() -> None:
    reference = " ".join(f"{i} a a a a a a a a a" for i in range(30))
    text = re.sub(r"\d+", "x", reference)
    lines = diff(reference, text)
    assert (len(lines), lines[-1].plain) == (22, "  and 10 more")
    assert [line.plain for line in diff(reference, text, max_changes=1)][2:] == ["  and 29 more"]


def test_colours_tell_what_is_left_out_from_what_is_added() -> None:
    line = diff("one two three", "one too three")[1]
    styles = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
    assert styles["[-two-]"] == "red"
    assert styles["{+too+}"] == "green"
    assert "one" not in styles


def test_without_colours_there_is_no_escape() -> None:
    spans = difference("one two", "one too", language="en").spans
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system="standard")
    for line in terminal.word_diff(
        ["one", "two"], ["one", "too"], spans, labels=("a", "b"), width=80, colors=False
    ):
        console.print(line)
    assert out.getvalue().splitlines() == ["[-a-] {+b+}", "  one [-two-]{+too+}"]


@pytest.mark.parametrize("control", ["\x1b[31m", "\x07", "\u202e"])
def test_no_text_controls_the_terminal(control: str) -> None:
    assert not any(control[0] in line for line in plain("one two", f"one t{control}o"))
