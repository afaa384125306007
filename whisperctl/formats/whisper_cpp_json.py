"""JSON in whisper.cpp's schema, with tokens: what ``whisper-cli --output-json-full`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import clock, milliseconds
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.text import visible
from whisperctl.transcript import ModelDescription, Network, Segment, Token, Transcript

_TYPE_OF_LAYERS = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}
"""whisper_model_type_readable: what whisper.cpp calls a model, by its encoder's layers."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number that is written as C++ streams write it."""

    value: float


def write_json_full(
    transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS
) -> None:
    """Write it as whisper-cli does, indented with tabs.

    ``model`` is left out when nothing is known of the model. Tokens that hold
    parts of one character are one entry, as in whisper-cli; their times are there when words were
    timed. ``t_dtw`` is -1, not known. No option applies.
    """
    document: dict[str, object] = {"systeminfo": transcript.system_info}
    if transcript.model_description is not None:
        document["model"] = _model(transcript.model_description)
    document["params"] = {
        "model": visible(str(transcript.model or "")),
        "language": transcript.language,
        "translate": transcript.task == "translate",
    }
    document["result"] = {"language": transcript.language}
    document["transcription"] = [_segment(segment) for segment in transcript.segments]
    out.write(_dumped(document, 0) + "\n")


def _segment(segment: Segment) -> dict[str, object]:
    fields = _times(segment.start_s, segment.end_s)
    fields["text"] = markup.plain(segment.text)
    fields["tokens"] = [_token(token) for token in _whole_characters(segment.tokens)]
    if segment.speaker is not None:
        fields["speaker"] = segment.speaker
    return fields


def _token(token: Token) -> dict[str, object]:
    fields: dict[str, object] = {"text": _text(token.data)}
    if token.start_s is not None and token.end_s is not None:
        fields |= _times(token.start_s, token.end_s)
    return {**fields, "id": token.id, "p": _Number(token.probability), "t_dtw": -1}


def _text(data: bytes) -> str:
    return visible(data.decode("utf-8", "replace"), prose=True)


def _whole_characters(tokens: tuple[Token, ...]) -> Iterator[Token]:
    """Tokens, those joined that hold one character together; the first gives id and probability."""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        data, end_s = token.data, token.end_s
        position += 1
        while position < len(tokens) and _bytes_missing(data):
            data += tokens[position].data
            end_s = end_s if tokens[position].end_s is None else tokens[position].end_s
            position += 1
        yield Token(token.id, data, token.probability, token.start_s, end_s)


def _bytes_missing(data: bytes) -> bool:
    """Whether ``data`` ends inside a UTF-8 character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return length > back
    return False


def _times(start_s: float, end_s: float) -> dict[str, object]:
    start_ms, end_ms = milliseconds(start_s), milliseconds(end_s)
    return {
        "timestamps": {"from": clock(start_ms, ","), "to": clock(end_ms, ",")},
        "offsets": {"from": start_ms, "to": end_ms},
    }


def _model(model: ModelDescription) -> dict[str, object]:
    return {
        "type": _TYPE_OF_LAYERS.get(model.encoder.n_layers, "unknown"),
        "multilingual": model.multilingual,
        "vocab": model.n_vocab,
        "audio": _network(model.encoder),
        "text": _network(model.decoder),
        "mels": model.n_mels,
        "ftype": model.ftype,
    }


def _network(of: Network) -> dict[str, object]:
    return {"ctx": of.n_ctx, "state": of.n_state, "head": of.n_heads, "layer": of.n_layers}


def _dumped(value: object, depth: int) -> str:
    """``value`` as whisper-cli lays it out; the standard library indents empty lists otherwise."""
    inner, outer = "\t" * (depth + 1), "\t" * depth
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {_dumped(v, depth + 1)}" for key, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list):
        lines = [f"{inner}{_dumped(v, depth + 1)}" for v in value]
        return "[\n" + "".join([",\n".join(lines), "\n"] if lines else []) + f"{outer}]"
    if isinstance(value, _Number):
        return f"{value.value:g}"
    return json.dumps(value, ensure_ascii=False)
