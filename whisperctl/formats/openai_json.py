"""JSON in openai-whisper's schema."""

from __future__ import annotations

import json
import math
from typing import TextIO

from whisperctl.transcript import Segment, Token, Transcript


def write_json(transcript: Transcript, out: TextIO) -> None:
    """Write ``text``, ``segments`` and ``language``, with a line for each segment.

    Fields of openai-whisper's that are not known here (``seek``, ``temperature``,
    ``compression_ratio``, ``no_speech_prob``) are left out, as are ``tokens`` and ``avg_logprob``
    of a segment whose tokens the backend did not give.
    """
    out.write(f'{{\n"text": {_dumped(transcript.text)},\n"segments": [')
    for number, segment in enumerate(transcript.segments):
        out.write(",\n" if number else "\n")
        out.write(_dumped(_fields(number, segment)))
    out.write(f'\n],\n"language": {_dumped(transcript.language)}\n}}\n')


def _fields(number: int, segment: Segment) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": number,
        "start": round(segment.start_s, 3),
        "end": round(segment.end_s, 3),
        "text": segment.text,
    }
    if segment.tokens:
        fields["tokens"] = [token.id for token in segment.tokens]
        if all(0 < token.probability <= 1 for token in segment.tokens):
            fields["avg_logprob"] = _mean_logprob(segment.tokens)
    return fields


def _mean_logprob(tokens: tuple[Token, ...]) -> float:
    return sum(math.log(token.probability) for token in tokens) / len(tokens)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
