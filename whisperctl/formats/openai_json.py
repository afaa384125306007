"""JSON: writing openai-whisper's schema, and reading both that and whisper.cpp's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.formats.whisper_cpp_json import (
    language_of,
    probability_of,
    read_document,
    read_segments,
    seconds_of,
    speaker_of,
    text_of,
)
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found, TooLargeError
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment, Token, Transcript, Word

_FRAMES_PER_S = 100
_MAX_VALUES = 8_000_000
"""Most values in a document: each takes some sixty bytes; a day of speech has half as many."""


def write_json(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    """Write ``text``, ``segments`` and ``language`` on one line of ASCII, as openai-whisper does.

    What is not known is ``null``. ``seek``, the frame (10 ms) of the window that a segment was
    decoded in, is that of its start, as engines do not tell the window. ``compression_ratio`` is of
    the segment's own text. ``words`` is there when words have times, ``speaker`` when that is
    known. No option applies.
    """
    segments = [_fields(number, segment) for number, segment in enumerate(transcript.segments)]
    document = {
        "text": "".join(markup.plain(segment.text) for segment in transcript.segments),
        "segments": segments,
        "language": transcript.language,
    }
    json.dump(document, out, allow_nan=False)


def _fields(number: int, segment: Segment) -> dict[str, object]:
    text = markup.plain(segment.text)
    fields: dict[str, object] = {
        "id": number,
        "seek": round(segment.start_s * _FRAMES_PER_S),
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": text,
        "tokens": [token.id for token in segment.tokens],
        "temperature": segment.temperature,
        "avg_logprob": _mean_logprob(segment.tokens),
        "compression_ratio": compression_ratio(text),
        "no_speech_prob": segment.no_speech_probability,
    }
    if segment.words:
        fields["words"] = [
            {
                "word": markup.plain(word.text),
                "start": _seconds(word.start_s),
                "end": _seconds(word.end_s),
                "probability": word.probability,
            }
            for word in segment.words
        ]
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    return fields


def _seconds(time_s: float) -> float:
    return round(float(time_s), 3)


def _mean_logprob(tokens: tuple[Token, ...]) -> float | None:
    if not tokens or not all(0 < token.probability <= 1 for token in tokens):
        return None
    return sum(math.log(token.probability) for token in tokens) / len(tokens)


def read_json(text: str) -> Found:
    """Segments of openai-whisper's or whisper.cpp's JSON, and the language.

    Raises:
        ValueError: it is something else.
    """
    if text.count(",") > _MAX_VALUES or text.count("[") + text.count("{") > _MAX_VALUES:
        raise TooLargeError("it contains too many values")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON ({error})") from error
    found = Found()
    document = document if isinstance(document, dict) else {}
    if isinstance(document.get("transcription"), list):
        read_document(document, found)
    elif isinstance(document.get("segments"), list):
        found.language = language_of(document.get("language"))
        read_segments(document["segments"], _read_segment, found)
    else:
        raise ValueError(
            'it has neither "segments" (openai-whisper) nor "transcription" (whisper.cpp)'
        )
    return found


def sniff_json(head: str) -> Likelihood:
    """Likely if it begins as an object does."""
    return Likelihood.LIKELY if head.startswith("{") else Likelihood.NO


def _read_segment(item: Mapping[str, object]) -> Segment:
    start_s, end_s = seconds_of(item["start"]), seconds_of(item["end"])
    return Segment(
        start_s,
        end_s,
        text_of(item["text"]),
        words=_read_words(item.get("words"), start_s, end_s),
        speaker=speaker_of(item),
    )


def _read_words(items: object, start_s: float, end_s: float) -> tuple[Word, ...]:
    """Words; those without times share what is between their neighbours.

    WhisperX has no times of numbers. Nothing if no word has times, or if it is no list of words.
    """
    if not isinstance(items, list):
        return ()
    texts: list[str] = []
    times: list[tuple[float, float] | None] = []
    probabilities: list[float] = []
    for item in items:
        if not isinstance(item, dict):
            return ()
        text = item.get("word", item.get("text"))
        if not isinstance(text, str):
            return ()
        texts.append(text_of(text))
        start, end = item.get("start"), item.get("end")
        try:
            times.append((seconds_of(start), seconds_of(end)))
        except (TypeError, ValueError, OverflowError):
            times.append(None)
        probabilities.append(probability_of(item))
    if not any(times):
        return ()
    return tuple(
        Word(begin_s, stop_s, text, probability)
        for text, (begin_s, stop_s), probability in zip(
            texts, _filled(texts, times, start_s, end_s), probabilities, strict=True
        )
    )


def _filled(
    texts: Sequence[str], times: Sequence[tuple[float, float] | None], start_s: float, end_s: float
) -> list[tuple[float, float]]:
    """Times for every word, in seconds."""
    filled: list[tuple[float, float]] = []
    known = [-1, *(at for at, time in enumerate(times) if time is not None), len(times)]
    for before, after in pairwise(known):
        here_s = times[before][1] if before >= 0 else start_s  # type: ignore[index]  # it is known
        next_s = times[after][0] if after < len(times) else end_s  # type: ignore[index]  # as well
        total = sum(len(text) for text in texts[before + 1 : after])
        passed = 0
        for text in texts[before + 1 : after]:
            begin_s = here_s + max(0.0, next_s - here_s) * passed / max(1, total)
            passed += len(text)
            stop_s = here_s + max(0.0, next_s - here_s) * passed / max(1, total)
            filled.append((round(begin_s, 3), round(stop_s, 3)))
        if after < len(times):
            filled.append(times[after])  # type: ignore[arg-type]  # it is known
    return filled
