"""Line breaks and styles inside a text, independent of the format it was read from.

Text that was read from a subtitle file keeps its line breaks and its italics, bold and underline as
single characters of Unicode's noncharacters, which are meant for use inside a program and occur in
no text. They have no width; each writer turns them into what its format has for them. Other tags of
SubRip and SubStation Alpha, for positions, colors and fonts, are kept between two such characters
as they are, for the same format; ``without_tags`` drops them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from unicodedata import east_asian_width

BREAK = "\ufdd0"
ITALIC, ITALIC_END = "\ufdd1", "\ufdd2"
BOLD, BOLD_END = "\ufdd3", "\ufdd4"
UNDERLINE, UNDERLINE_END = "\ufdd5", "\ufdd6"

TAG, TAG_END, _SPACE = "\ufdd7", "\ufdd8", "\ufdd9"
"""Marks around a tag that is kept; spaces in it are marks too, so that it is part of one word."""

STYLES = {ITALIC: ITALIC_END, BOLD: BOLD_END, UNDERLINE: UNDERLINE_END}
"""End mark of each style."""

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
"""Regular expression for what separates words."""

_STYLE_MARKS = re.compile(f"[{ITALIC}-{UNDERLINE_END}]")
_KEPT_TAG = re.compile(f"{TAG}([^{TAG_END}]*+){TAG_END}")
_NOT_SHOWN = re.compile(f"{_KEPT_TAG.pattern}|{_STYLE_MARKS.pattern}")
_MARKS = re.compile(f" ?{BREAK} ?|{_NOT_SHOWN.pattern}")
_PLACE = re.compile(rf"(?<={TAG}\{{)\\(?:an[13-9]|pos\([^(){TAG_END}]*+\))")
_MOST_OF_TAG = 200
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")

# Possessive: what has no end is given up at once, and not tried again from every letter of it.
_HTML_TAG = re.compile(r"</?\s*+([a-zA-Z]++)[^<>]*+>|<\d++:[\d:.,]++>|</?>")
_MARKS_OF_TAG = {"i": (ITALIC, ITALIC_END), "b": (BOLD, BOLD_END), "u": (UNDERLINE, UNDERLINE_END)}
# What browsers and players know; anything else between angle brackets is text.
_HTML_DROPPED = frozenset({"c", "font", "lang", "s", "span", "v"})
_RUBY_BRACKET = re.compile(r"<rp\b[^<>]*+>[^<>]*+</rp\s*+>", re.IGNORECASE)
_READING, _READING_END = "\ufdea", "\ufdeb"
_ASS_BLOCK = re.compile(r"\{([^{}]*+)\}")
_ASS_TAG = re.compile(r"\\(?:([ibu])(\d*+)(?![a-zA-Z(])|(r)|p(\d++))")
_STYLES_END = ITALIC_END + BOLD_END + UNDERLINE_END


def unmarked(text: str) -> str:
    """``text`` without characters that are used as marks."""
    return _NONCHARACTERS.sub("", text)


def plain(text: str) -> str:
    """``text`` on one line and without styles."""
    return _MARKS.sub(lambda mark: " " if BREAK in mark[0] else "", text)


def unstyled(text: str) -> str:
    """``text`` without styles, its line breaks as they are."""
    return _NOT_SHOWN.sub("", text)


def without_tags(text: str, stays: Callable[[str], object] | None = None) -> tuple[str, int]:
    """``text`` without the tags that are kept for its own format, and how many were left out.

    Args:
        text: any text.
        stays: true of a tag that may stay; none may by default.
    """
    n_dropped = 0

    def kept(tag: re.Match[str]) -> str:
        nonlocal n_dropped
        if stays is not None and stays(tag[1].replace(_SPACE, " ")):
            return tag[0]
        n_dropped += 1
        return ""

    return _KEPT_TAG.sub(kept, text), n_dropped


def with_tags(text: str) -> str:
    """``text`` with the tags that are kept as they were read."""
    return _KEPT_TAG.sub(lambda tag: tag[1].replace(_SPACE, " "), text)


def place(text: str) -> str:
    """The tag that puts a cue elsewhere than at the bottom; empty if there is none."""
    found = _PLACE.search(text)
    return found[0] if found is not None else ""


def placed(text: str, tag: str) -> str:
    """``text`` at the place of a tag that ``place`` returned, unless it has one of its own."""
    return text if not tag or place(text) else f"{TAG}{{{tag}}}{TAG_END}{text}"


def _kept(tag: str) -> str:
    """The mark of a tag; nothing for one that no player has."""
    if len(tag) > _MOST_OF_TAG or not (tag.isascii() and tag.isprintable()) or "-->" in tag:
        return ""
    return f"{TAG}{tag.replace(' ', _SPACE)}{TAG_END}"


def length(text: str) -> int:
    """Number of characters to read: code points, as openai-whisper counts them."""
    return len(unstyled(text))


def width(text: str) -> int:
    """Width of a line of ``text``: full-width characters and emoji count twice."""
    shown = unstyled(text)
    if shown.isascii():
        return len(shown)
    return len(shown) + sum(east_asian_width(character) in "WF" for character in shown)


def balanced(text: str) -> str:
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
    closed_text = "".join(result) + "".join(STYLES[style] for style in reversed(running))
    for begin, end in STYLES.items():
        closed_text = closed_text.replace(begin + end, "")
    return closed_text


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


def from_html(text: str, *, keep: bool = False) -> str:
    """Marks for the tags that SubRip and WebVTT share; readings (ruby) go into brackets.

    With ``keep`` other tags that are known are kept, else dropped.
    ``<ruby>漢字<rt>かんじ</rt></ruby>`` becomes ``漢字(かんじ)``, as browsers without ruby show it.
    """
    reading = False

    def mark(match: re.Match[str]) -> str:
        nonlocal reading
        name = (match[1] or "").lower()
        if name in _MARKS_OF_TAG:
            return _MARKS_OF_TAG[name][match[0].startswith("</")]
        if name in ("rt", "ruby"):
            end = _READING_END if reading else ""
            reading = name == "rt" and not match[0].startswith("</")
            return end + (_READING if reading else "")
        if name and name not in _HTML_DROPPED:
            return match[0]
        return _kept(match[0]) if keep and name else ""

    marked = _HTML_TAG.sub(mark, _RUBY_BRACKET.sub("", text))
    if reading:
        marked = marked.rstrip() + _READING_END
    marked = marked.replace(_READING + _READING_END, "")
    return balanced(marked.replace(_READING, "(").replace(_READING_END, ")"))


def from_ass(text: str, *, comments: bool, styles: str = "") -> str:
    r"""Marks for override blocks; what is drawn between ``{\p1}`` and ``{\p0}`` is left out.

    Commands for anything but styles are kept.

    Args:
        text: an event's text.
        comments: blocks without commands are comments, which are dropped too.
        styles: marks of the event's own style, which ``{\r}`` goes back to.
    """
    parts = [styles]
    position = 0
    drawing = False
    for block in _ASS_BLOCK.finditer(text):
        if not drawing:
            parts.append(text[position : block.start()])
        position = block.end()
        if "\\" not in block[1]:
            if not comments and not drawing:
                parts.append(block[0])
            continue
        others = _ASS_TAG.sub("", block[1]).strip()
        if not drawing and others.startswith("\\"):
            parts.append(_kept(f"{{{others}}}"))
        for name, value, reset, scale in _ASS_TAG.findall(block[1]):
            if scale:
                drawing = bool(scale.strip("0"))
            elif reset:
                parts.append(_STYLES_END + styles)
            else:  # A weight such as {\b700} is bold, {\b0} is the end of it.
                parts.append(_MARKS_OF_TAG[name][value in ("", "0")])
    if not drawing:
        parts.append(text[position:])
    return balanced("".join(parts))


def spaced(text: str) -> str:
    """``text`` as the model writes it, with a space before; blank lines are left out."""
    lines = [line.strip() for line in re.split(f"[{BREAK}\r\n]", text)]
    kept = BREAK.join(line for line in lines if line)
    return f" {kept}" if kept else ""
