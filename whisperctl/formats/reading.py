"""Reading a subtitle file of any known format and encoding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path, PurePath

from whisperctl.audio.source import STDIN, open_source
from whisperctl.errors import AudioError, SubtitleError, UsageError
from whisperctl.formats import READABLE, Format, Likelihood, readable, sniffed
from whisperctl.formats import encoding as encodings
from whisperctl.storage import urls
from whisperctl.storage.files import reason
from whisperctl.subtitles import markup
from whisperctl.subtitles.document import Found, Subtitles, TooLargeError
from whisperctl.text import quoted, visible

_MAX_BYTES = 128 * 2**20
"""Most bytes of a file: a day of speech with its tokens has fewer, a film has more."""

_ROUNDING_S = 0.0101
"""Most that a time is rounded by: ASS and LRC have hundredths."""

_MAX_LINES = 4_000_000
"""Most lines of a file: each takes a hundred bytes of memory, however short it is."""


def read(
    source: str | Path,
    fmt: str | None = None,
    *,
    encoding: str | None = None,
    lenient: bool = False,
) -> Subtitles:
    """Read a file, a URL, or standard input for ``"-"``.

    Args:
        source: the file's path, or its URL.
        fmt: a format as ``readable`` takes it; ``None`` goes by the name, else by the contents.
        encoding: its character encoding; ``None`` detects it.
        lenient: skip what cannot be read, and list it in ``Subtitles.unreadable``.

    Raises:
        SubtitleError: it cannot be read, is not in that format, or some of it is not a cue and
            ``lenient`` is false.
        UsageError: the format or the encoding is unknown, or cannot be detected.
    """
    source = urls.local_path(str(source))
    name = "standard input" if source == STDIN else quoted(urls.shown(source))
    suffix = PurePath(urls.file_name(source)).suffix.lower().removeprefix(".")
    known = READABLE.get(suffix) if fmt is None else readable(fmt)
    codec = None if encoding is None else encodings.named(encoding)
    by_name = fmt is None and known is not None
    return _parsed(_bytes(source, name), known, name, codec, lenient=lenient, by_name=by_name)


def parse(
    data: bytes,
    fmt: str | None = None,
    name: str = "the text",
    *,
    encoding: str | None = None,
    lenient: bool = False,
) -> Subtitles:
    """Like ``read``, for bytes in memory; ``name`` is for messages."""
    known = None if fmt is None else readable(fmt)
    codec = None if encoding is None else encodings.named(encoding)
    return _parsed(data, known, name, codec, lenient=lenient)


def retimed(subtitles: Subtitles, move: Callable[[float], float], name: str) -> str:
    """The text of a file with other times, and all else as it is.

    Args:
        subtitles: the file that was read.
        move: gives the new time, in seconds, for an old one; a later one for a later one.
        name: of the file, for messages.

    Raises:
        UsageError: times of this format cannot be moved.
        SubtitleError: a cue would end before the recording begins or beyond any time, or the file
            is so odd that another program could read other times in it.
    """

    def moved(time_s: float) -> float:
        return max(0.0, move(time_s))

    lost = sum(move(segment.end_s) <= 0 < segment.end_s for segment in subtitles.segments)
    if lost:
        raise SubtitleError(
            f"{lost:,} cue{'s' if lost > 1 else ''} of {name} would end before the recording "
            "begins: shift by less, or remove them"
        )
    try:
        text = visible(readable(subtitles.format).retime(subtitles.text, moved), prose=True)
        again = parse(text.encode(), subtitles.format, name).segments
    except (ValueError, SubtitleError) as error:
        raise SubtitleError(f"{name} cannot be shifted: {error}") from error
    # Only the starts of lyrics are in the file.
    n_times = 1 if subtitles.format == "lrc" else 2
    wanted = sorted((moved(s.start_s), moved(s.end_s))[:n_times] for s in subtitles.segments)
    found = sorted((s.start_s, s.end_s)[:n_times] for s in again)
    if len(wanted) != len(found) or any(
        abs(a - b) > _ROUNDING_S
        for times in zip(wanted, found, strict=True)
        for a, b in zip(*times, strict=True)
    ):
        raise SubtitleError(f"{name} cannot be shifted, as its times are unclear: convert it first")
    return text


def _bytes(source: str, name: str) -> bytes:
    try:
        if source == STDIN:
            data = sys.stdin.buffer.read(_MAX_BYTES + 1) if sys.stdin is not None else b""
        elif urls.is_url(source):
            there = open_source(source)
            with there.file:
                data = there.peek(_MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
    except AudioError as error:  # what it says holds for any file
        raise SubtitleError(str(error)) from error
    except FileNotFoundError as error:
        raise SubtitleError(f"{name} does not exist: check the name") from error
    except IsADirectoryError as error:
        raise SubtitleError(f"{name} is a directory: name a subtitle file") from error
    except PermissionError as error:
        raise SubtitleError(f"{name} cannot be read: check its permissions") from error
    except (OSError, ValueError) as error:
        raise SubtitleError(f"{name} cannot be read: {reason(error)}") from error
    if len(data) > _MAX_BYTES:
        raise SubtitleError(f"{name} is too large to be subtitles: name a subtitle file")
    return data


def _parsed(
    data: bytes,
    fmt: Format | None,
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
        raise SubtitleError(f"{name} is not text, as it contains NUL bytes: name a subtitle file")
    if fmt is None or fmt.name != "csv":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    name_notes: tuple[str, ...] = ()
    declared = sniffed(text, Likelihood.DECLARED) if by_name else None
    if declared is not None and fmt is not None and declared.reader != fmt.reader:
        name_notes = (f"{name} is {declared.name}, whatever its name says",)
        fmt = declared
    fmt = sniffed(text) if fmt is None else fmt
    if fmt is None:
        raise UsageError(
            f"cannot detect the format of {name}: name it with --from ({', '.join(READABLE)})"
        )
    if text.count("\n") > _MAX_LINES:
        raise SubtitleError(f"{name} is too large to be subtitles: it has too many lines")
    try:
        text = markup.unmarked(text)
        found = fmt.read(text)
    except TooLargeError as error:
        raise SubtitleError(f"{name} is too large to be subtitles: {error}") from error
    except ValueError as error:
        raise SubtitleError(f"{name} is not {fmt.name}: {error}") from error
    if found.unreadable and not lenient:
        raise SubtitleError(_unreadable(found, name))
    notes = (*name_notes, *(f"{name}: {note}" for note in found.notes))
    if encoding is None and not encoded.startswith("utf-"):
        notes = (
            f"{name} is not UTF-8: it was read as {encoded}; if its letters are wrong, say what it "
            "is with --encoding",
            *notes,
        )
    return Subtitles(
        tuple(segment.visible() for segment in found.segments),
        fmt.name,
        visible(found.language),
        notes,
        tuple(found.unreadable),
        found.n_unreadable,
        text,
    )


def _decoded(data: bytes, name: str, encoding: str | None) -> tuple[str, str]:
    try:
        return encodings.decode(data, encoding)
    except encodings.UnsureError as error:
        raise SubtitleError(
            f"{name} is not UTF-8, and its encoding cannot be detected: {error}: name it with "
            "--encoding (utf-8, cp1252, cp1251, shift_jis, gb18030, big5, ...)"
        ) from error
    except ValueError as error:
        if encoding is not None:
            raise SubtitleError(
                f"{name} is not {encoding}, or damaged: check --encoding, or leave it out"
            ) from error
        why = f" ({error})" if not isinstance(error, UnicodeError) else ""
        raise SubtitleError(f"{name} is not text, or damaged{why}: name a subtitle file") from error


def _unreadable(found: Found, name: str) -> str:
    first = found.unreadable[0]
    more = found.n_unreadable - 1
    others = f" (and {more:,} more)" if more else ""
    return (
        f"{name} {first.place} cannot be read: {first.problem}{others}: fix it, or skip what "
        "cannot be read with --lenient"
    )
