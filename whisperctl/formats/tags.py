"""Tags of subtitle formats to marks: italics, bold and underline are kept, the rest is dropped."""

from __future__ import annotations

import re

from whisperctl.subtitles import markup

# Possessive: what has no end is given up at once, and not tried again from every letter of it.
_HTML_TAG = re.compile(r"</?\s*+([a-zA-Z]++)[^<>]*+>|<\d++:[\d:.,]++>|</?>")
_HTML_MARKS = {
    "i": (markup.ITALIC, markup.ITALIC_END),
    "b": (markup.BOLD, markup.BOLD_END),
    "u": (markup.UNDERLINE, markup.UNDERLINE_END),
}
# What browsers and players know; anything else between angle brackets is text.
_HTML_DROPPED = frozenset({"c", "font", "lang", "s", "span", "v"})
_RUBY_BRACKET = re.compile(r"<rp\b[^<>]*+>[^<>]*+</rp\s*+>", re.IGNORECASE)
_READING, _READING_END = "\ufdea", "\ufdeb"
_ASS_BLOCK = re.compile(r"\{([^{}]*+)\}")
_ASS_TAG = re.compile(r"\\(?:([ibu])(\d*+)(?![a-zA-Z(])|(r)|p(\d++))")
_STYLES_END = markup.ITALIC_END + markup.BOLD_END + markup.UNDERLINE_END


def from_html(text: str) -> str:
    """Marks for the tags that SubRip and WebVTT share; readings (ruby) go into brackets.

    ``<ruby>漢字<rt>かんじ</rt></ruby>`` becomes ``漢字(かんじ)``, as browsers without ruby show it.
    """
    reading = False

    def mark(match: re.Match[str]) -> str:
        nonlocal reading
        name = (match[1] or "").lower()
        if name in _HTML_MARKS:
            return _HTML_MARKS[name][match[0].startswith("</")]
        if name in ("rt", "ruby"):
            end = _READING_END if reading else ""
            reading = name == "rt" and not match[0].startswith("</")
            return end + (_READING if reading else "")
        return match[0] if name and name not in _HTML_DROPPED else ""

    marked = _HTML_TAG.sub(mark, _RUBY_BRACKET.sub("", text))
    if reading:
        marked = marked.rstrip() + _READING_END
    marked = marked.replace(_READING + _READING_END, "")
    return markup.tidied(marked.replace(_READING, "(").replace(_READING_END, ")"))


def from_ass(text: str, *, comments: bool, styles: str = "") -> str:
    r"""Marks for override blocks; what is drawn between ``{\p1}`` and ``{\p0}`` is left out.

    Args:
        text: an event's text.
        comments: whether a block without commands is a comment, which is dropped too.
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
        for name, value, reset, scale in _ASS_TAG.findall(block[1]):
            if scale:
                drawing = bool(scale.strip("0"))
            elif reset:
                parts.append(_STYLES_END + styles)
            else:  # A weight such as {\b700} is bold, {\b0} is the end of it.
                parts.append(_HTML_MARKS[name][value in ("", "0")])
    if not drawing:
        parts.append(text[position:])
    return markup.tidied("".join(parts))


def spaced(text: str) -> str:
    """``text`` as the model writes it, with a space before; blank lines are left out."""
    lines = [line.strip() for line in re.split(f"[{markup.BREAK}\r\n]", text)]
    kept = markup.BREAK.join(line for line in lines if line)
    return f" {kept}" if kept else ""
