"""Reading SubStation Alpha, both of its versions."""

from __future__ import annotations

from whisperctl.formats import markup
from whisperctl.subtitles import tags
from whisperctl.subtitles.document import Found
from whisperctl.subtitles.times import seconds
from whisperctl.transcript import Segment

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
                found.skip(f"line {number}", "it is no event")
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
    """One event; ``None`` if it draws and says nothing.

    Raises:
        ValueError: it has too few fields, or its times are none.
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
    start_s, end_s = seconds(fields["start"]), seconds(fields["end"])
    style = styles.get(fields.get("style", "").lstrip("*"), "")
    shown = tags.from_ass(text, comments=True, styles=style)
    shown = shown.replace(r"\N", markup.BREAK).replace(r"\n", " ").replace(r"\h", " ")
    shown = shown.replace("\\\u2060", "\\")  # as FFmpeg and we write a backslash
    if text.strip() and not markup.plain(shown).strip():
        return None
    speaker = fields.get("name") or None
    if speaker is not None:
        shown = _without_name(shown, speaker)
    return Segment(start_s, end_s, tags.spaced(shown), speaker=speaker)


def _without_name(shown: str, speaker: str) -> str:
    """``shown`` without the speaker's name before it, as we write it, escaped: ``Ann: ``."""
    text = shown.lstrip(_STYLES)
    n = len(speaker) + 2
    named = text[:n].translate(_ESCAPED) == f"{speaker}: ".translate(_ESCAPED)
    return shown[: len(shown) - len(text)] + text[n:] if named else shown
