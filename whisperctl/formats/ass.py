"""Advanced SubStation Alpha subtitles.

Written here and not with pysubs2, which cannot write a time past ten hours.
"""

from __future__ import annotations

from typing import TextIO

from whisperctl.formats.cue_layout import layout, word_times
from whisperctl.formats.cues import Cue, label, one_line
from whisperctl.formats.layout import NO_LIMITS, SubtitleOptions
from whisperctl.formats.markup import (
    BOLD,
    BOLD_END,
    ITALIC,
    ITALIC_END,
    UNDERLINE,
    UNDERLINE_END,
)
from whisperctl.transcript import Transcript

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
Style: Default,Arial,48,&H00FFFFFF,&H00A0A0A0,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,\
40,40,40,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

# A backslash is only itself before a character that makes no command with it: the word joiner has
# no width (FFmpeg does the same). Not all players know an escape for braces.
_ESCAPES = str.maketrans({"\\": "\\\u2060", "{": "(", "}": ")"})
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
    out.write(_HEAD)
    for cue in layout(transcript, options):
        text = _karaoke(cue) if options.highlight_words and cue.pieces else _escaped(cue.text)
        name = one_line(cue.speaker or "").strip()
        # A field ends at a comma.
        out.write(
            f"Dialogue: 0,{_time(cue.start_ms)},{_time(cue.end_ms)},Default,"
            f"{name.replace(',', ' ')},0,0,0,,{_escaped(label(cue.speaker))}{text}\n"
        )


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
    return text.translate(_ESCAPES).translate(_TAGS)


def _hundredths(time_ms: int) -> int:
    return (time_ms + 5) // 10


def _time(time_ms: int) -> str:
    total_s, hundredths = divmod(_hundredths(time_ms), 100)
    total_minutes, seconds = divmod(total_s, 60)
    hours, minutes = divmod(total_minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{hundredths:02d}"
