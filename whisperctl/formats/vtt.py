"""WebVTT subtitles (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from typing import TextIO

from whisperctl.subtitles.cue_layout import highlighted, layout
from whisperctl.subtitles.cues import clock, one_line
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles.markup import HTML_TAGS
from whisperctl.transcript import Transcript

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write_vtt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write cues as openai-whisper does, with hours from the first hour on.

    ``&``, ``<`` and ``>`` are escaped (section 4.2.2), so ``-->``, which no cue may hold, is too.
    Who speaks is the cue's voice.
    """
    out.write("WEBVTT\n\n")
    for cue in layout(transcript, options, speaker_in_text=False):
        for shown in highlighted(cue) if options.highlight_words else (cue,):
            start = clock(shown.start_ms, hours_always=False)
            end = clock(shown.end_ms, hours_always=False)
            text = shown.text.translate(_ESCAPES).translate(HTML_TAGS)
            out.write(f"{start} --> {end}\n{_voice(shown.speaker)}{text}\n\n")


def _voice(speaker: str | None) -> str:
    name = one_line(speaker or "").strip()
    return f"<v {name.translate(_ESCAPES)}>" if name else ""
