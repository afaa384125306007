"""Plain text and tables, a line for each segment: txt, tsv and csv.

CSV is RFC 4180's (https://www.rfc-editor.org/rfc/rfc4180).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import spoken
from whisperctl.subtitles.document import Found
from whisperctl.text import check_time, milliseconds
from whisperctl.transcript import Segment, Transcript

_HEADERS = (["start", "end", "text"], ["start", "end", "speaker", "text"])
_MILLISECONDS = re.compile(r"\s*+-?\d{1,15}+\s*+", re.ASCII)


def write_txt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write each segment's text on a line, as openai-whisper does; no option applies."""
    for _, text in spoken(transcript):
        out.write(f"{text}\n")


def write_tsv(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write start and end in milliseconds and the text, as openai-whisper does.

    There are no quotes and no escapes: a tab in the text becomes a space. No option applies.
    """
    out.write("start\tend\ttext\n")
    for segment, text in spoken(transcript):
        start_ms, end_ms = milliseconds(segment.start_s), milliseconds(segment.end_s)
        out.write(f"{start_ms}\t{end_ms}\t{text.replace(chr(9), ' ')}\n")


def write_csv(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write start and end in milliseconds and the text in quotes, as whisper-cli does.

    The text has no space in front; a quote in it is doubled. A column for who speaks is there
    when that is known of a segment. No option applies.
    """
    segments = [segment for segment in transcript.segments if segment.text.strip()]
    with_speaker = any(segment.speaker for segment in segments)
    out.write("start,end,speaker,text\n" if with_speaker else "start,end,text\n")
    for segment in segments:
        fields = [str(milliseconds(segment.start_s)), str(milliseconds(segment.end_s))]
        if with_speaker:
            fields.append(_bare(segment.speaker or ""))
        fields.append(_quoted(markup.plain(segment.text).lstrip(" ")))
        out.write(",".join(fields) + "\n")


def _bare(text: str) -> str:
    return _quoted(text) if any(mark in text for mark in ',"\r\n') else text


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def read_tsv(text: str) -> Found:
    """Rows of openai-whisper's TSV: start and end in milliseconds, and the text; no quotes.

    Raises:
        ValueError: it is something else.
    """
    lines = enumerate(text.split("\n"), start=1)
    return _rows((number, line.split("\t", 2)) for number, line in lines if line)


def read_csv(text: str) -> Found:
    """Rows of whisper-cli's CSV: start and end in milliseconds, perhaps the speaker, and the text.

    Raises:
        ValueError: it is something else.
    """
    return _rows(_csv_rows(text))


def sniff_tsv(head: str) -> Likelihood:
    """Likely if the first line is openai-whisper's."""
    return Likelihood.LIKELY if head.startswith("start\tend\ttext") else Likelihood.NO


def sniff_csv(head: str) -> Likelihood:
    """Likely if the first line is whisper-cli's."""
    begins = head.startswith(("start,end,text", "start,end,speaker,text"))
    return Likelihood.LIKELY if begins else Likelihood.NO


def _csv_rows(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows, or the problem with one, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            yield reader.line_num + 1, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"it is not a row of comma-separated values ({error})"


def _rows(rows: Iterator[tuple[int, list[str] | str]]) -> Found:
    found = Found()
    _, header = next(rows, (0, None))
    if header is None:
        return found
    if header not in _HEADERS:
        raise ValueError("its first line is not start, end, text")
    for number, row in rows:
        if isinstance(row, str):
            found.skip(f"line {number}", row)
        elif len(row) != len(header):
            found.skip(f"line {number}", f"it has {len(row)} columns, not {len(header)}")
        elif not all(_MILLISECONDS.fullmatch(field) for field in row[:2]):
            found.skip(f"line {number}", "it has no milliseconds in its first two columns")
        else:
            start, end, *speaker, text = row
            try:
                start_s, end_s = check_time(int(start) / 1000), check_time(int(end) / 1000)
            except ValueError as error:
                found.skip(f"line {number}", str(error))
                continue
            found.add(
                Segment(start_s, end_s, text, speaker=speaker[0] or None if speaker else None)
            )
    return found
