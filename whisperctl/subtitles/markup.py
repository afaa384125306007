"""Line breaks and styles inside a text, while it is no file's yet.

Text that was read from a subtitle file keeps its line breaks and its italics, bold and underline as
single characters of Unicode's noncharacters, which are meant for use inside a program and occur in
no text. They have no width; each writer turns them into what its format has for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import east_asian_width

BREAK = "\ufdd0"
ITALIC, ITALIC_END = "\ufdd1", "\ufdd2"
BOLD, BOLD_END = "\ufdd3", "\ufdd4"
UNDERLINE, UNDERLINE_END = "\ufdd5", "\ufdd6"

STYLES = {ITALIC: ITALIC_END, BOLD: BOLD_END, UNDERLINE: UNDERLINE_END}
"""What ends each style."""

HTML_TAGS = str.maketrans(
    {
        ITALIC: "<i>",
        ITALIC_END: "</i>",
        BOLD: "<b>",
        BOLD_END: "</b>",
        UNDERLINE: "<u>",
        UNDERLINE_END: "</u>",
    }
)
"""The tags that SubRip and WebVTT share."""

BREAK_OR_SPACE = f"[\\s{BREAK}]"
"""A regular expression for what parts words."""

_STYLE_MARKS = re.compile(f"[{ITALIC}-{UNDERLINE_END}]")
_MARKS = re.compile(f" ?{BREAK} ?|[{ITALIC}-{UNDERLINE_END}]")
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")


def unmarked(text: str) -> str:
    """``text`` without characters that would pass for marks."""
    return _NONCHARACTERS.sub("", text)


def plain(text: str) -> str:
    """``text`` on one line and without styles."""
    return _MARKS.sub(lambda mark: " " if BREAK in mark[0] else "", text)


def unstyled(text: str) -> str:
    """``text`` without styles, its line breaks as they are."""
    return _STYLE_MARKS.sub("", text)


def length(text: str) -> int:
    """How many characters there are to read: code points, as openai-whisper counts them."""
    return len(unstyled(text))


def width(text: str) -> int:
    """How wide a line of ``text`` is: full-width characters and emoji count twice."""
    shown = unstyled(text)
    if shown.isascii():
        return len(shown)
    return len(shown) + sum(east_asian_width(character) in "WF" for character in shown)


def tidied(text: str) -> str:
    """``text`` with every style begun once and ended once, those inside another first.

    A style that ends where it begins is left out.
    """
    running: list[str] = []
    result: list[str] = []
    for part in re.split(f"({_STYLE_MARKS.pattern})", text):
        if part in STYLES:
            if part in running:
                continue
            running.append(part)
        elif _STYLE_MARKS.fullmatch(part):
            begun = next((style for style in running if STYLES[style] == part), None)
            if begun is None:
                continue
            inner = running[running.index(begun) + 1 :]
            running = [*running[: running.index(begun)], *inner]
            # What was begun inside ends first and begins again.
            part = "".join(STYLES[style] for style in reversed(inner)) + part + "".join(inner)
        result.append(part)
    tidy = "".join(result) + "".join(STYLES[style] for style in reversed(running))
    for begin, end in STYLES.items():
        tidy = tidy.replace(begin + end, "")
    return tidy


def closed(texts: Iterable[str]) -> list[str]:
    """Consecutive parts of a text, with styles that run over a cut ended there and begun again."""
    result = []
    running: list[str] = []
    for text in texts:
        begun = "".join(running)
        for mark in _STYLE_MARKS.findall(text):
            if mark in STYLES:
                running.append(mark)
            else:
                running = [style for style in running if STYLES[style] != mark]
        result.append(begun + text + "".join(STYLES[style] for style in reversed(running)))
    return result
