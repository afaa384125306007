"""JSON in openai-whisper's schema."""

from __future__ import annotations

import json
import math
from typing import TextIO

from whisperctl.subtitles import markup
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.text import compression_ratio
from whisperctl.transcript import Segment, Token, Transcript

_FRAMES_PER_S = 100


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
