"""JSON in whisper.cpp's schema, with tokens, as ``whisper-cli --output-json-full`` writes it.

Its reader also has the fields that it shares with openai-whisper's schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from whisperctl.engine.toolkit.words import words_of
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found, TooLargeError
from whisperctl.text import check_time, clock, milliseconds, visible
from whisperctl.transcript import ModelDescription, Network, Segment, Token, Transcript

_TYPE_OF_LAYERS = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}
"""whisper.cpp's names of models, by their encoder's layers (whisper_model_type_readable)."""


_SPECIAL = re.compile(r"\[_[A-Z_]++\d*+\]|<\|[^|<>]*+\|>")


@dataclass(frozen=True, slots=True)
class _Number:
    """A number, to be written as C++ streams do."""

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
    """Tokens; those that share a character are joined, with the first's id and probability."""
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
    """True if ``data`` ends inside a UTF-8 character."""
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
    """``value`` in whisper-cli's layout; the standard library indents empty lists differently."""
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


def read_document(document: Mapping[str, object], found: Found) -> None:
    """Take the language and the segments of a document that has a list ``"transcription"``."""
    result = document.get("result", {})
    if isinstance(result, Mapping):
        found.language = language_of(result.get("language"))
    segments = document["transcription"]
    assert isinstance(segments, list)
    read_segments(segments, lambda item: _read_segment(item, found.language), found)


def _read_segment(item: Mapping[str, object], language: str) -> Segment:
    start_s, end_s = _offsets(item)
    segment = Segment(
        start_s,
        end_s,
        text_of(item["text"]),
        tokens=_read_tokens(item.get("tokens")),
        speaker=speaker_of(item),
    )
    words = words_of(segment, language)
    return Segment(
        start_s, end_s, segment.text, segment.tokens, words=words, speaker=segment.speaker
    )


def _read_tokens(items: object) -> tuple[Token, ...]:
    """Tokens that are text; none if one is not in whisper.cpp's schema."""
    if not isinstance(items, list):
        return ()
    tokens = []
    for item in items:
        if not isinstance(item, dict):
            return ()
        text, number = item.get("text"), item.get("id")
        if not isinstance(text, str) or type(number) is not int or not 0 <= number < 2**31:
            return ()
        if _SPECIAL.fullmatch(text):
            continue
        times: tuple[float, float] | tuple[None, None] = (None, None)
        if "offsets" in item:
            try:
                times = _offsets(item)
            except (KeyError, TypeError, ValueError, OverflowError):
                return ()
        probability = probability_of({"probability": item.get("p")})
        tokens.append(Token(number, text_of(text).encode(), probability, *times))
    return tuple(tokens)


def _offsets(item: Mapping[str, object]) -> tuple[float, float]:
    offsets = item["offsets"]
    if not isinstance(offsets, dict):
        raise TypeError("no offsets")
    return seconds_of(offsets["from"], per_s=1000), seconds_of(offsets["to"], per_s=1000)


def read_segments(items: Sequence[object], read: Callable[..., Segment], found: Found) -> None:
    """Add the segments that ``read`` makes of ``items``; skip an item that it fails on."""
    for number, item in enumerate(items, start=1):
        try:
            found.add(read(item))
        except TooLargeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            found.skip(f"segment {number}", "it has no start, end or text")


def probability_of(item: Mapping[str, object]) -> float:
    """Probability of an item, under any of the names in use; 1 if it has none."""
    for name in ("probability", "score", "confidence"):
        value = item.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
    return 1.0


def speaker_of(item: Mapping[str, object]) -> str | None:
    """Speaker of an item, if it names one."""
    speaker = item.get("speaker")
    return text_of(speaker) if isinstance(speaker, str) else None


def language_of(value: object) -> str:
    """A language code, empty if the value is not a string."""
    return text_of(value) if isinstance(value, str) else ""


def text_of(value: object) -> str:
    """A string without halves of characters, which JSON may hold and which cannot be written.

    Raises:
        TypeError: it is not a string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return markup.unmarked(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def seconds_of(value: object, *, per_s: int = 1) -> float:
    """A time in seconds, of which there are ``per_s`` units in a second.

    Raises:
        TypeError: it is not a number.
        ValueError: it is beyond any recording.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value)} is not a number")
    return check_time(float(value) / per_s)
