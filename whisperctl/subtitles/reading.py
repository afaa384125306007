"""Reading a subtitle file of any known format and encoding."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from whisperctl.errors import SubtitleError, UsageError
from whisperctl.quoting import quoted, visible
from whisperctl.source import STDIN
from whisperctl.subtitles import cue_files, encoding, lyrics, tables
from whisperctl.subtitles.document import Subtitles
from whisperctl.transcript import Segment

READABLE = ("srt", "vtt", "ass", "ssa", "lrc", "tsv", "csv", "json")
"""What can be read; ``json`` is openai-whisper's as well as whisper.cpp's."""

_MAX_BYTES = 256 * 2**20
"""A day of subtitles with words is a tenth of that; a film named by mistake is more."""


def read(source: str | Path, fmt: str | None = None) -> Subtitles:
    """Read a file, or standard input for ``"-"``.

    Args:
        source: where it is.
        fmt: one of ``READABLE``, or ``json-full``; ``None`` goes by the name, and else by what is
            in it.

    Raises:
        SubtitleError: it cannot be read, or is not in that format.
        UsageError: the format is none of those, or nobody can tell which it is.
    """
    name = "standard input" if str(source) == STDIN else quoted(source)
    if fmt is not None:
        known = _format(fmt, name)
        return _parsed(_bytes(source, name), known, name)
    suffix = "" if str(source) == STDIN else Path(source).suffix.lower().removeprefix(".")
    data = _bytes(source, name)
    return _parsed(data, suffix if suffix in READABLE else None, name)


def parse(data: bytes, fmt: str | None = None, name: str = "the text") -> Subtitles:
    """Like ``read``, of what is in memory; ``name`` is for messages."""
    return _parsed(data, None if fmt is None else _format(fmt, name), name)


def _format(fmt: str, name: str) -> str:
    lowered = fmt.lower()
    if lowered == "json-full":
        return "json"
    if lowered not in READABLE:
        raise UsageError(f'{name} cannot be read as "{fmt}": choose from {", ".join(READABLE)}')
    return lowered


def _bytes(source: str | Path, name: str) -> bytes:
    try:
        if str(source) == STDIN:
            data = sys.stdin.buffer.read(_MAX_BYTES + 1) if sys.stdin is not None else b""
        else:
            with Path(source).open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SubtitleError(f"{name} does not exist: check the name") from error
    except IsADirectoryError as error:
        raise SubtitleError(f"{name} is a directory: name a subtitle file") from error
    except PermissionError as error:
        raise SubtitleError(f"{name} may not be read: check its permissions") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SubtitleError(f"{name} cannot be read: {reason}") from error
    if len(data) > _MAX_BYTES:
        raise SubtitleError(f"{name} is too large to be subtitles: name a subtitle file")
    return data


def _parsed(data: bytes, fmt: str | None, name: str) -> Subtitles:
    try:
        text, encoded = encoding.decode(data)
    except ValueError as error:
        raise SubtitleError(f"{name} is no text, or damaged: name a subtitle file") from error
    if "\0" in text:
        raise SubtitleError(f"{name} is no text but holds zero bytes: name a subtitle file")
    text = text.replace("\r\n", "\n").replace("\r", "\n") if fmt != "csv" else text
    fmt = _sniffed(text) if fmt is None else fmt
    if fmt is None:
        raise UsageError(
            f"{name} is in no format that its name or text shows: say which with --from "
            f"({', '.join(READABLE)})"
        )
    try:
        segments, language = _segments(text, fmt)
    except ValueError as error:
        raise SubtitleError(f"{name} is not {fmt}: {error}") from error
    if not segments and _holds_something(text, fmt):
        raise SubtitleError(f"{name} is not {fmt}: no cue was found in it")
    notes: tuple[str, ...] = ()
    if encoded == "windows-1252":
        notes = (f"{name} is not UTF-8: it was read as Windows-1252; check its accents",)
    shown = tuple(segment.visible() for segment in segments)
    return Subtitles(shown, fmt, visible(language), notes)


def _segments(text: str, fmt: str) -> tuple[list[Segment], str]:
    if fmt == "json":
        return tables.read_json(text)
    if fmt in ("ass", "ssa"):
        return cue_files.read_ass(text, fmt), ""
    readers = {
        "srt": cue_files.read_srt,
        "vtt": cue_files.read_vtt,
        "lrc": lyrics.read_lrc,
        "tsv": tables.read_tsv,
        "csv": tables.read_csv,
    }
    return readers[fmt](text), ""


def _sniffed(text: str) -> str | None:
    head = text.lstrip()[:100_000]
    if head.startswith("WEBVTT"):
        return "vtt"
    if "[Script Info]" in head or "[Events]" in head:
        return "ass" if "V4+" in head or "[V4 Styles]" not in head else "ssa"
    if head.startswith("{"):
        return "json"
    if head.startswith("start\tend\ttext"):
        return "tsv"
    if head.startswith(("start,end,text", "start,end,speaker,text")):
        return "csv"
    if re.search(r"^\d+:\d+:\d+[,.]\d+ *--> *\d+:\d+:\d+", head, re.MULTILINE):
        return "srt"
    if re.search(r"^\[\d+:\d+(?:[.:]\d+)?\]", head, re.MULTILINE):
        return "lrc"
    return None


def _holds_something(text: str, fmt: str) -> bool:
    """Whether a file in which no cue was found should have had one."""
    return fmt == "srt" and bool(text.strip())
