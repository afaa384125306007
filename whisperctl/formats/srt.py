"""SubRip subtitles."""

from __future__ import annotations

from typing import TextIO

from whisperctl.subtitles.cue_layout import highlighted, layout
from whisperctl.subtitles.cues import clock, label
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles.markup import HTML_TAGS
from whisperctl.transcript import Transcript


def write_srt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write numbered cues, as openai-whisper does.

    SubRip has no escapes. ``-->`` in the text would be read as a timing line, so it becomes ``->``.
    """
    number = 0
    for cue in layout(transcript, options):
        for shown in highlighted(cue) if options.highlight_words else (cue,):
            number += 1
            start, end = clock(shown.start_ms, ","), clock(shown.end_ms, ",")
            text = (label(shown.speaker) + shown.text).replace("-->", "->").translate(HTML_TAGS)
            out.write(f"{number}\n{start} --> {end}\n{text}\n\n")
