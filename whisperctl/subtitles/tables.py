"""Reading tables and JSON of transcribers: TSV, CSV, openai-whisper's JSON and whisper.cpp's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping

from whisperctl.formats import markup
from whisperctl.transcript import Segment, Word


def read_tsv(text: str) -> list[Segment]:
    """Rows of openai-whisper's TSV: start and end in milliseconds, and the text; no quotes.

    Raises:
        ValueError: it is something else.
    """
    return _rows(line.split("\t", 2) for line in text.splitlines() if line)


def read_csv(text: str) -> list[Segment]:
    """Rows of whisper-cli's CSV: start and end in milliseconds, perhaps who speaks, and the text.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _rows(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"it is no table of comma-separated values ({error})") from error


def read_json(text: str) -> tuple[list[Segment], str]:
    """Segments of openai-whisper's or whisper.cpp's JSON, and the language.

    Raises:
        ValueError: it is something else.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    document = document if isinstance(document, dict) else {}
    try:
        if isinstance(document.get("transcription"), list):
            result = document.get("result", {})
            language = str(result.get("language", "")) if isinstance(result, dict) else ""
            return [_whisper_cpp(item) for item in document["transcription"]], language
        if isinstance(document.get("segments"), list):
            segments = [_openai(item) for item in document["segments"]]
            return segments, str(document.get("language") or "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("a segment has no start, end or text") from error
    raise ValueError('it has neither "segments" (openai-whisper) nor "transcription" (whisper.cpp)')


def _rows(rows: Iterator[list[str]]) -> list[Segment]:
    header = next(rows, None)
    if header is None:
        return []
    if header not in (["start", "end", "text"], ["start", "end", "speaker", "text"]):
        raise ValueError("its first line is not start, end, text")
    segments: list[Segment] = []
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"row {len(segments) + 2} has {len(row)} columns, not {len(header)}")
        start, end, *speaker, text = row
        try:
            start_s, end_s = int(start) / 1000, int(end) / 1000
        except ValueError as error:
            raise ValueError(
                f"row {len(segments) + 2} has no milliseconds in its first two columns"
            ) from error
        who = speaker[0] if speaker and speaker[0] else None
        segments.append(Segment(start_s, end_s, markup.unmarked(text), speaker=who))
    return segments


def _openai(item: Mapping[str, object]) -> Segment:
    speaker = item.get("speaker")
    return Segment(
        _number(item["start"]),
        _number(item["end"]),
        _text(item["text"]),
        words=_words(item.get("words")),
        speaker=speaker if isinstance(speaker, str) else None,
    )


def _words(items: object) -> tuple[Word, ...]:
    """Words if every one has times: WhisperX leaves them out of numbers."""
    if not isinstance(items, list):
        return ()
    words = []
    for item in items:
        if not isinstance(item, dict) or "start" not in item or "end" not in item:
            return ()
        probability = item.get("probability", item.get("score", 1.0))
        words.append(
            Word(
                _number(item["start"]),
                _number(item["end"]),
                _text(item["word"]),
                _number(probability),
            )
        )
    return tuple(words)


def _whisper_cpp(item: Mapping[str, dict[str, object]]) -> Segment:
    offsets = item["offsets"]
    speaker: object = item.get("speaker")
    return Segment(
        _number(offsets["from"]) / 1000,
        _number(offsets["to"]) / 1000,
        _text(item["text"]),
        speaker=speaker if isinstance(speaker, str) else None,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return markup.unmarked(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise TypeError(f"{value!r} is no number")
    return float(value)
