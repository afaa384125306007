"""Reading tables and JSON of transcribers: TSV, CSV, openai-whisper's JSON and whisper.cpp's."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from whisperctl.engine.toolkit.words import words_of
from whisperctl.formats.times import checked
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found, TooLargeError
from whisperctl.transcript import Segment, Token, Word

_MAX_VALUES = 8_000_000
"""Each takes some sixty bytes of memory; a day of speech with its tokens has half of that."""

_HEADERS = (["start", "end", "text"], ["start", "end", "speaker", "text"])
_MILLISECONDS = re.compile(r"\s*+-?\d{1,15}+\s*+", re.ASCII)
_SPECIAL = re.compile(r"\[_[A-Z_]++\d*+\]|<\|[^|<>]*+\|>")


def read_tsv(text: str) -> Found:
    """Rows of openai-whisper's TSV: start and end in milliseconds, and the text; no quotes.

    Raises:
        ValueError: it is something else.
    """
    lines = enumerate(text.split("\n"), start=1)
    return _rows((number, line.split("\t", 2)) for number, line in lines if line)


def read_csv(text: str) -> Found:
    """Rows of whisper-cli's CSV: start and end in milliseconds, perhaps who speaks, and the text.

    Raises:
        ValueError: it is something else.
    """
    return _rows(_csv_rows(text))


def read_json(text: str) -> Found:
    """Segments of openai-whisper's or whisper.cpp's JSON, and the language.

    Raises:
        ValueError: it is something else.
    """
    if text.count(",") > _MAX_VALUES or text.count("[") + text.count("{") > _MAX_VALUES:
        raise TooLargeError("it holds too many values")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    found = Found()
    document = document if isinstance(document, dict) else {}
    if isinstance(document.get("transcription"), list):
        result = document.get("result", {})
        if isinstance(result, dict):
            found.language = _language(result.get("language"))
        _take(document["transcription"], lambda item: _whisper_cpp(item, found.language), found)
    elif isinstance(document.get("segments"), list):
        found.language = _language(document.get("language"))
        _take(document["segments"], _openai, found)
    else:
        raise ValueError(
            'it has neither "segments" (openai-whisper) nor "transcription" (whisper.cpp)'
        )
    return found


def _csv_rows(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows, or what is wrong with one, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            yield reader.line_num + 1, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"it is no row of comma-separated values ({error})"


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
                start_s, end_s = checked(int(start) / 1000), checked(int(end) / 1000)
            except ValueError as error:
                found.skip(f"line {number}", str(error))
                continue
            found.add(
                Segment(start_s, end_s, text, speaker=speaker[0] or None if speaker else None)
            )
    return found


def _take(items: Sequence[object], read: Callable[..., Segment], found: Found) -> None:
    for number, item in enumerate(items, start=1):
        try:
            found.add(read(item))
        except TooLargeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            found.skip(f"segment {number}", "it has no start, end or text")


def _openai(item: Mapping[str, object]) -> Segment:
    start_s, end_s = _number(item["start"]), _number(item["end"])
    return Segment(
        start_s,
        end_s,
        _text(item["text"]),
        words=_words(item.get("words"), start_s, end_s),
        speaker=_speaker(item),
    )


def _words(items: object, start_s: float, end_s: float) -> tuple[Word, ...]:
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
        texts.append(_text(text))
        start, end = item.get("start"), item.get("end")
        try:
            times.append((_number(start), _number(end)))
        except (TypeError, ValueError, OverflowError):
            times.append(None)
        probabilities.append(_probability(item))
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


def _probability(item: Mapping[str, object]) -> float:
    """As far as it is told, by whatever name; 1 else."""
    for name in ("probability", "score", "confidence"):
        value = item.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
    return 1.0


def _whisper_cpp(item: Mapping[str, object], language: str) -> Segment:
    start_s, end_s = _offsets(item)
    segment = Segment(
        start_s,
        end_s,
        _text(item["text"]),
        tokens=_tokens(item.get("tokens")),
        speaker=_speaker(item),
    )
    words = words_of(segment, language)
    return Segment(
        start_s, end_s, segment.text, segment.tokens, words=words, speaker=segment.speaker
    )


def _tokens(items: object) -> tuple[Token, ...]:
    """Tokens that are text; none if one of them is not as whisper.cpp writes it."""
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
        probability = _probability({"probability": item.get("p")})
        tokens.append(Token(number, _text(text).encode(), probability, *times))
    return tuple(tokens)


def _offsets(item: Mapping[str, object]) -> tuple[float, float]:
    offsets = item["offsets"]
    if not isinstance(offsets, dict):
        raise TypeError("no offsets")
    return _number(offsets["from"], per_s=1000), _number(offsets["to"], per_s=1000)


def _speaker(item: Mapping[str, object]) -> str | None:
    speaker = item.get("speaker")
    return _text(speaker) if isinstance(speaker, str) else None


def _language(value: object) -> str:
    return _text(value) if isinstance(value, str) else ""


def _text(value: object) -> str:
    """A string as text: JSON may hold halves of characters, which could not be written."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return markup.unmarked(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: object, *, per_s: int = 1) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value)} is no number")
    return checked(float(value) / per_s)
