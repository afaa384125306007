"""Reading a subtitle file of any known format and encoding."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from whisperctl.audio.source import STDIN
from whisperctl.errors import SubtitleError, UsageError
from whisperctl.formats import ass, cue_files, lrc, tables
from whisperctl.formats import encoding as encodings
from whisperctl.formats.times import ARROW, timing
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found, Subtitles, TooLargeError
from whisperctl.text import quoted, unknown, visible

_READERS: dict[str, Callable[[str], Found]] = {
    "srt": cue_files.read_srt,
    "vtt": cue_files.read_vtt,
    "ass": ass.read_ass,
    "ssa": ass.read_ass,
    "lrc": lrc.read_lrc,
    "tsv": tables.read_tsv,
    "csv": tables.read_csv,
    "json": tables.read_json,
}

_CUE_FILES = ("srt", "vtt", "ass", "ssa")
"""Formats that players tell apart by what is in a file, whatever its name."""

READABLE = tuple(_READERS)
"""What can be read; ``json`` is openai-whisper's as well as whisper.cpp's."""

_MAX_BYTES = 128 * 2**20
"""A day of speech with its tokens has fewer; a film named by mistake is more."""

_MAX_LINES = 4_000_000
"""Each takes a hundred bytes of memory, however short it is."""


def read(
    source: str | Path,
    fmt: str | None = None,
    *,
    encoding: str | None = None,
    lenient: bool = False,
) -> Subtitles:
    """Read a file, or standard input for ``"-"``.

    Args:
        source: where it is.
        fmt: one of ``READABLE``, or ``json-full``; ``None`` goes by the name, and else by what is
            in it.
        encoding: of its characters; ``None`` goes by what is in it.
        lenient: whether to skip what cannot be read, and to say so in ``Subtitles.unreadable``.

    Raises:
        SubtitleError: it cannot be read, is not in that format, or some of it is no cue and
            ``lenient`` is false.
        UsageError: the format is none of those, the encoding is none, or nobody can tell which
            they are.
    """
    name = "standard input" if str(source) == STDIN else quoted(source)
    suffix = "" if str(source) == STDIN else Path(source).suffix.lower().removeprefix(".")
    known = _format(fmt) if fmt is not None else suffix if suffix in READABLE else None
    codec = None if encoding is None else encodings.named(encoding)
    by_name = fmt is None and known in _CUE_FILES
    return _parsed(_bytes(source, name), known, name, codec, lenient=lenient, by_name=by_name)


def parse(
    data: bytes,
    fmt: str | None = None,
    name: str = "the text",
    *,
    encoding: str | None = None,
    lenient: bool = False,
) -> Subtitles:
    """Like ``read``, of what is in memory; ``name`` is for messages."""
    known = None if fmt is None else _format(fmt)
    codec = None if encoding is None else encodings.named(encoding)
    return _parsed(data, known, name, codec, lenient=lenient)


def _format(fmt: str) -> str:
    lowered = fmt.lower()
    if lowered == "json-full":
        return "json"
    if lowered not in READABLE:
        raise UsageError(unknown("format", fmt, READABLE))
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


def _parsed(
    data: bytes,
    fmt: str | None,
    name: str,
    encoding: str | None,
    *,
    lenient: bool,
    by_name: bool = False,
) -> Subtitles:
    if data.count(b"\n") > _MAX_LINES:
        raise SubtitleError(f"{name} is too large to be subtitles: it has too many lines")
    text, encoded = _decoded(data, name, encoding)
    if "\0" in text:
        raise SubtitleError(f"{name} is no text but holds zero bytes: name a subtitle file")
    text = text.replace("\r\n", "\n").replace("\r", "\n") if fmt != "csv" else text
    shown = _signature(text)
    shown_notes: tuple[str, ...] = ()
    if by_name and shown is not None and _READERS[shown] is not _READERS[fmt or shown]:
        shown_notes = (f"{name} is {shown}, whatever its name says",)
        fmt = shown
    fmt = _sniffed(text) if fmt is None else fmt
    if fmt is None:
        raise UsageError(
            f"{name} is in no format that its name or text shows: say which with --from "
            f"({', '.join(READABLE)})"
        )
    if text.count("\n") > _MAX_LINES:
        raise SubtitleError(f"{name} is too large to be subtitles: it has too many lines")
    try:
        found = _READERS[fmt](markup.unmarked(text))
    except TooLargeError as error:
        raise SubtitleError(f"{name} is too large to be subtitles: {error}") from error
    except ValueError as error:
        raise SubtitleError(f"{name} is not {fmt}: {error}") from error
    if not found.segments and fmt == "srt" and text.strip() and ARROW not in text:
        raise SubtitleError(f"{name} is not {fmt}: no cue was found in it")
    if found.unreadable and not lenient:
        raise SubtitleError(_unreadable(found, name))
    notes = (*shown_notes, *(f"{name}: {note}" for note in found.notes))
    if encoding is None and not encoded.startswith("utf-"):
        notes = (
            f"{name} is not UTF-8: it was read as {encoded}; if its letters are wrong, say what it "
            "is with --encoding",
            *notes,
        )
    return Subtitles(
        tuple(segment.visible() for segment in found.segments),
        fmt,
        visible(found.language),
        notes,
        tuple(found.unreadable),
        found.n_unreadable,
    )


def _decoded(data: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    try:
        return encodings.decode(data, encoding)
    except encodings.UnsureError as error:
        raise SubtitleError(
            f"{name} is not UTF-8, and its encoding cannot be told: {error}: name it with "
            "--encoding (utf-8, cp1252, cp1251, shift_jis, gb18030, big5, ...)"
        ) from error
    except ValueError as error:
        if encoding is not None:
            raise SubtitleError(
                f"{name} is not {encoding}, or damaged: check --encoding, or leave it out"
            ) from error
        reason = f" ({error})" if not isinstance(error, UnicodeError) else ""
        raise SubtitleError(
            f"{name} is no text, or damaged{reason}: name a subtitle file"
        ) from error


def _unreadable(found: Found, name: str) -> str:
    first = found.unreadable[0]
    more = found.n_unreadable - 1
    others = f" (and {more:,} more)" if more else ""
    return (
        f"{name} {first.place} cannot be read: {first.problem}{others}: mend it, or skip what "
        "cannot be read with --lenient"
    )


def _signature(text: str) -> str | None:
    """What a file says in its first line that it is."""
    head = text[:1000].lstrip()
    if head.startswith("WEBVTT"):
        return "vtt"
    if head.lower().startswith("[script info]"):
        return "ssa" if "[v4 styles]" in text[:100_000].lower() else "ass"
    return None


def _sniffed(text: str) -> str | None:
    if (shown := _signature(text)) is not None:
        return shown
    head = text.lstrip()[:100_000]
    if "[Script Info]" in head or "[Events]" in head:
        return "ass" if "V4+" in head or "[V4 Styles]" not in head else "ssa"
    if head.startswith("{"):
        return "json"
    if head.startswith("start\tend\ttext"):
        return "tsv"
    if head.startswith(("start,end,text", "start,end,speaker,text")):
        return "csv"
    if any(ARROW in line and _has_times(line) for line in head.split("\n")):
        return "srt"
    if re.search(r"^\[\d++:\d++(?::\d++)?(?:[.,]\d++)?\]", head, re.MULTILINE):
        return "lrc"
    return None


def _has_times(line: str) -> bool:
    try:
        return timing(line) is not None
    except ValueError:
        return False
