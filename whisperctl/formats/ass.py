"""Advanced SubStation Alpha subtitles: writing them, and reading and recognizing both versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import Cue, labels, one_line
from whisperctl.subtitles.document import Found
from whisperctl.subtitles.layout import layout, word_times
from whisperctl.subtitles.markup import BOLD, BOLD_END, ITALIC, ITALIC_END, UNDERLINE, UNDERLINE_END
from whisperctl.text import milliseconds, parse_time
from whisperctl.transcript import Segment, Transcript

# Words not yet spoken are in the second colour, which only karaoke shows: grey.
_HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1280
PlayResY: 720
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,{font},{size},{color},&H00A0A0A0,{outline},&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,\
40,40,40,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

# A backslash is only itself before a character that makes no command with it: the word joiner has
# no width (FFmpeg does the same). Not all players know an escape for braces.
_ESCAPES = str.maketrans({"\\": "\\\u2060", "{": "(", "}": ")"})
_KEPT = re.compile(f"({markup.TAG}[^{markup.TAG_END}]*{markup.TAG_END})")
_FONT = re.compile(r"<(/?)font\b(?:[^<>]*?\bcolor\s*=\s*[\"']?(#?\w+))?", re.ASCII | re.IGNORECASE)
_HTML_COLORS = {
    **{"black": "000000", "silver": "c0c0c0", "gray": "808080", "white": "ffffff"},
    **{"maroon": "800000", "red": "ff0000", "purple": "800080", "fuchsia": "ff00ff"},
    **{"green": "008000", "lime": "00ff00", "olive": "808000", "yellow": "ffff00"},
    **{"navy": "000080", "blue": "0000ff", "teal": "008080", "aqua": "00ffff"},
    **{"cyan": "00ffff", "magenta": "ff00ff", "orange": "ffa500"},
}
_TAGS = str.maketrans(
    {
        "\n": r"\N",
        ITALIC: r"{\i1}",
        ITALIC_END: r"{\i0}",
        BOLD: r"{\b1}",
        BOLD_END: r"{\b0}",
        UNDERLINE: r"{\u1}",
        UNDERLINE_END: r"{\u0}",
    }
)


def write_ass(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    r"""Write an event a cue, in one style.

    Times are in hundredths. A backslash is followed by a word joiner, so that it begins no command;
    braces become round brackets. Highlighted words are karaoke: ``{\k50}`` before a word that takes
    half a second.
    """
    out.write(
        _HEAD.format(
            font=options.ass_font,
            size=options.ass_font_size,
            color=_color(options.ass_color),
            outline=_color(options.ass_outline_color),
        )
    )
    cues = layout(transcript, options)
    for cue, before in zip(cues, labels(cues), strict=True):
        text = _karaoke(cue) if options.highlight_words and cue.pieces else _escaped(cue.text)
        name = one_line(cue.speaker or "").strip()
        # A field ends at a comma.
        out.write(
            f"Dialogue: 0,{_time(cue.start_ms)},{_time(cue.end_ms)},Default,"
            f"{name.replace(',', ' ')},0,0,0,,{_escaped(before)}{text}\n"
        )


def _color(color: str) -> str:
    """``&H00BBGGRR`` for ``#RRGGBB``."""
    return f"&H00{color[5:7]}{color[3:5]}{color[1:3]}".upper()


def _karaoke(cue: Cue) -> str:
    parts = []
    here = _hundredths(cue.start_ms)
    for piece, times in zip(cue.pieces, word_times(cue), strict=True):
        text = _escaped(piece.text)
        if times is None:
            parts.append(text)
            continue
        start, end = map(_hundredths, times)
        if start > here:
            parts.append(f"{{\\k{start - here}}}")
        parts.append(f"{{\\k{end - start}}}{text}")
        here = end
    return "".join(parts)


def _escaped(text: str) -> str:
    parts = _KEPT.split(text)  # tags are the odd ones
    parts[::2] = (part.translate(_ESCAPES).translate(_TAGS) for part in parts[::2])
    tags = map(markup.with_tags, parts[1::2])
    colors: list[str] = []  # of the tags that are open
    parts[1::2] = (tag if tag[0] == "{" else _colored(tag, colors) for tag in tags)
    return "".join(parts)


def _colored(tag: str, colors: list[str]) -> str:
    """The command for the color of a tag ``font`` of SubRip; empty if it changes none."""
    font = _FONT.match(tag)
    if font is None:
        return ""
    before = colors[-1] if colors else ""
    if font[1]:
        was_open = bool(colors)
        after = colors[-2] if len(colors) > 1 else ""
        del colors[-1:]
        return "" if was_open and after == before else f"{{\\c{after}}}"
    name = (font[2] or "").lower()
    number = _HTML_COLORS.get(name, name.removeprefix("#"))
    if re.fullmatch("[0-9a-f]{6}", number) is None:
        colors.append(before)
        return ""
    colors.append(f"&H{number[4:]}{number[2:4]}{number[:2]}&".upper())
    return f"{{\\c{colors[-1]}}}"


def _hundredths(time_ms: int) -> int:
    return (time_ms + 5) // 10


def _time(time_ms: int) -> str:
    total_s, hundredths = divmod(_hundredths(time_ms), 100)
    total_minutes, seconds = divmod(total_s, 60)
    hours, minutes = divmod(total_minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{hundredths:02d}"


_EVENT = (
    "layer",
    "start",
    "end",
    "style",
    "name",
    "marginl",
    "marginr",
    "marginv",
    "effect",
    "text",
)
_STYLE = ("name", "fontname", "fontsize", "primarycolour", "secondarycolour", "outlinecolour",
    "backcolour", "bold", "italic", "underline")  # fmt: skip
_SECTIONS = frozenset({"script info", "v4 styles", "v4+ styles", "v4++ styles", "events", "fonts",
    "graphics", "aegisub project garbage", "aegisub extradata"})  # fmt: skip
# Other things that a script may show or do.
_NO_TEXT = frozenset({"comment", "picture", "sound", "movie", "command"})
_MOST_FIELDS = 1000
_NAMES = {"actor": "name"}
_STYLES = "".join(markup.STYLES)
# A name's field has no commas, its place in the text has no braces.
_ESCAPED = str.maketrans("{},", "() ")


def read_ass(text: str) -> Found:
    """Events that are text, in the order of time; fields are in the order of the Format line.

    Raises:
        ValueError: it is not SubStation Alpha, or has no events.
    """
    found = Found()
    section: str | None = None
    order: tuple[str, ...] = _EVENT
    style_order: tuple[str, ...] = _STYLE
    styles: dict[str, str] = {}
    has_events = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip("\ufeff \t")
        if line.startswith("[") and line.endswith("]") and line[1:-1].lower() in _SECTIONS:
            section = line[1:-1].lower()
            has_events = has_events or section == "events"
            continue
        key, colon, value = line.partition(":")
        key = key.lower()
        if key == "dialogue" and colon:
            has_events = True
            try:
                segment = _event(value.lstrip(" \t"), order, styles)
            except ValueError as error:
                found.skip(f"line {number}", str(error))
                continue
            if segment is not None:
                found.add(segment)
        elif section == "events" and line and not line.startswith((";", "!:")):
            if key == "format":
                order = _order(value)
                if not {"start", "end", "text"} <= set(order):
                    raise ValueError("its [Events] have no Start, no End or no Text")
            elif key not in _NO_TEXT:
                found.skip(f"line {number}", "it is not an event")
        elif section is not None and section.endswith("styles"):
            if key == "format":
                style_order = _order(value)
            elif key == "style":
                _take_style(value, style_order, styles)
    if section is None and not has_events:
        raise ValueError("it has neither [Script Info] nor [Events]")
    if not has_events:
        raise ValueError("it has no [Events]")
    found.segments.sort(key=lambda segment: segment.start_s)
    return found


def retime_ass(text: str, move: Callable[[float], float]) -> str:
    """``text`` with the start and end of each event moved."""
    order: tuple[str, ...] = _EVENT
    lines = []
    for line in text.split("\n"):
        key, colon, value = line.partition(":")
        name = key.strip("\ufeff \t").lower()
        if name == "format" and "start" in _order(value):
            order = _order(value)
        elif name in ("dialogue", "comment") and colon and {"start", "end"} <= set(order):
            fields = value.split(",", len(order) - 1)
            for field in ("start", "end"):
                at = order.index(field)
                try:
                    time_s = parse_time(fields[at], lenient=True)
                except (IndexError, ValueError):  # a comment may have none
                    break
                space = fields[at][: len(fields[at]) - len(fields[at].lstrip())]
                fields[at] = space + _time(milliseconds(move(time_s)))
            line = f"{key}:{','.join(fields)}"
        lines.append(line)
    return "\n".join(lines)


def sniff_ass(head: str) -> Likelihood:
    """Declared by a first line [Script Info], likely if there are events; version 4 is ssa."""
    return Likelihood.NO if _is_version_4(head) else _sniff_script(head)


def sniff_ssa(head: str) -> Likelihood:
    """Like ``sniff_ass``, where the styles are those of version 4."""
    return _sniff_script(head) if _is_version_4(head) else Likelihood.NO


def _sniff_script(head: str) -> Likelihood:
    if head[:13].lower() == "[script info]":
        return Likelihood.DECLARED
    has_sections = "[Script Info]" in head or "[Events]" in head
    return Likelihood.LIKELY if has_sections else Likelihood.NO


def _is_version_4(head: str) -> bool:
    lowered = head.lower()
    return "[v4 styles]" in lowered and "v4+" not in lowered


def _order(value: str) -> tuple[str, ...]:
    if value.count(",") > _MOST_FIELDS:
        raise ValueError("a Format line has too many fields")
    names = (name.strip().lower() for name in value.split(","))
    return tuple(_NAMES.get(name, name) for name in names)


def _take_style(value: str, order: tuple[str, ...], styles: dict[str, str]) -> None:
    fields = dict(zip(order, (field.strip() for field in value.split(",")), strict=False))
    marks = (("italic", markup.ITALIC), ("bold", markup.BOLD), ("underline", markup.UNDERLINE))
    styles[fields.get("name", "").lstrip("*")] = "".join(
        mark for name, mark in marks if fields.get(name, "").lstrip("-").strip("0").isdigit()
    )


def _event(value: str, order: tuple[str, ...], styles: dict[str, str]) -> Segment | None:
    """One event; ``None`` for a drawing without text.

    Raises:
        ValueError: it has too few fields, or its times are not valid.
    """
    # Only the text may hold commas, wherever it stands.
    n_before = order.index("text")
    n_after = len(order) - n_before - 1
    before = value.split(",", n_before)
    if len(before) <= n_before:
        raise ValueError(f"it has {len(before)} fields, not {len(order)}")
    text, *after = before.pop().rsplit(",", n_after) if n_after else (before.pop(),)
    if len(after) < n_after:
        raise ValueError(f"it has {n_before + 1 + len(after)} fields, not {len(order)}")
    names = (*order[:n_before], *order[n_before + 1 :])
    fields = dict(zip(names, (field.strip() for field in (*before, *after)), strict=True))
    start_s, end_s = (
        parse_time(fields["start"], lenient=True),
        parse_time(fields["end"], lenient=True),
    )
    style = styles.get(fields.get("style", "").lstrip("*"), "")
    shown = markup.from_ass(text, comments=True, styles=style)
    shown = shown.replace(r"\N", markup.BREAK).replace(r"\n", " ").replace(r"\h", " ")
    shown = shown.replace("\\\u2060", "\\")  # as FFmpeg and we write a backslash
    if text.strip() and not markup.plain(shown).strip():
        return None
    speaker = fields.get("name") or None
    if speaker is not None:
        shown = _without_name(shown, speaker)
    return Segment(start_s, end_s, markup.spaced(shown), speaker=speaker)


def _without_name(shown: str, speaker: str) -> str:
    """``shown`` without the speaker's name in front, escaped as ``write_ass`` does: ``Ann: ``."""
    text = shown.lstrip(_STYLES)
    n = len(speaker) + 2
    named = text[:n].translate(_ESCAPED) == f"{speaker}: ".translate(_ESCAPED)
    return shown[: len(shown) - len(text)] + text[n:] if named else shown
