"""Comma-separated values (https://www.rfc-editor.org/rfc/rfc4180)."""

from __future__ import annotations

from typing import TextIO

from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import milliseconds
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.transcript import Transcript


def write_csv(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write start and end in milliseconds and the text in quotes, as whisper-cli does.

    The text is as the model wrote it; a quote in it is doubled. A column for who speaks is there
    when that is known of a segment. No option applies.
    """
    segments = [segment for segment in transcript.segments if segment.text.strip()]
    with_speaker = any(segment.speaker for segment in segments)
    out.write("start,end,speaker,text\n" if with_speaker else "start,end,text\n")
    for segment in segments:
        fields = [str(milliseconds(segment.start_s)), str(milliseconds(segment.end_s))]
        if with_speaker:
            fields.append(_bare(segment.speaker or ""))
        fields.append(_quoted(markup.plain(segment.text)))
        out.write(",".join(fields) + "\n")


def _bare(text: str) -> str:
    return _quoted(text) if any(mark in text for mark in ',"\r\n') else text


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
