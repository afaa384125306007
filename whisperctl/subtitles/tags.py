"""Tags of subtitle formats to marks: italics, bold and underline are kept, the rest is dropped."""

from __future__ import annotations

import re

from whisperctl.formats import markup

_HTML_TAG = re.compile(r"</?\s*([a-zA-Z]+)[^<>]*>|<\d+:[\d:.]+>|</?>")
_HTML_MARKS = {
    "i": (markup.ITALIC, markup.ITALIC_END),
    "b": (markup.BOLD, markup.BOLD_END),
    "u": (markup.UNDERLINE, markup.UNDERLINE_END),
}
# What browsers and players know; anything else between angle brackets is text.
_HTML_DROPPED = frozenset({"c", "font", "lang", "rt", "ruby", "s", "span", "v"})
_ASS_BLOCK = re.compile(r"\{([^{}]*)\}")
_ASS_TAG = re.compile(r"\\([ibu])(\d*)(?![a-zA-Z(])")


def from_html(text: str) -> str:
    """Marks for the tags that SubRip and WebVTT share."""

    def mark(match: re.Match[str]) -> str:
        name = (match[1] or "").lower()
        if name in _HTML_MARKS:
            return _HTML_MARKS[name][match[0].startswith("</")]
        return match[0] if name and name not in _HTML_DROPPED else ""

    return markup.tidied(_HTML_TAG.sub(mark, text))


def from_ass(text: str, *, comments: bool) -> str:
    """Marks for override blocks; with ``comments``, a block without commands is dropped too."""

    def mark(match: re.Match[str]) -> str:
        if "\\" not in match[1]:
            return "" if comments else match[0]
        return "".join(
            # A weight such as {\b700} is bold, {\b0} is the end of it.
            _HTML_MARKS[name][value in ("", "0")]
            for name, value in _ASS_TAG.findall(match[1])
        )

    return markup.tidied(_ASS_BLOCK.sub(mark, text))
