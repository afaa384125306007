"""Reading a file of what was really said: plain text, subtitles, or a transcriber's JSON."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from whisperctl.errors import UsageError
from whisperctl.formats import READABLE, encoding, reading
from whisperctl.subtitles import markup
from whisperctl.text import quoted, visible

_MAX_BYTES = 256 * 2**20
"""As ``subtitles.reading`` has it; a film named by mistake is more."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording's reference text, its file, and the SHA-256 of that file's bytes.

    The file of a text that stands in a manifest is the manifest.
    """

    text: str
    path: Path
    sha256: str


def read(path: Path) -> Reference:
    """Read one file; its ending says what it is, and any unknown ending means plain text.

    Raises:
        UsageError: it is missing, is no text in UTF-8, or holds no words.
        SubtitleError: it is not in the format that its name says.
    """
    data = read_bytes(path)
    text = decoded(data, path)
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in READABLE:
        segments = reading.parse(data, suffix, quoted(path)).segments
        text = " ".join(markup.plain(segment.text).strip() for segment in segments)
    return of_text(text, path, data, quoted(path))


def of_text(text: str, path: Path, data: bytes, name: str) -> Reference:
    """A reference from its text.

    Args:
        text: what is said; white space around it is left out.
        path: the file that it stands in.
        data: that file's bytes.
        name: what to call it in a message.

    Raises:
        UsageError: there are no words in it.
    """
    # JSON may hold halves of characters, which could not be written anywhere.
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    text = visible(text, prose=True).strip()
    if not text:
        raise UsageError(f"{name} holds no words: a reference is what is said in the recording")
    return Reference(text, path, hashlib.sha256(data).hexdigest())


def read_bytes(path: Path) -> bytes:
    """All of a file, in one go, so that it may be a pipe.

    Raises:
        UsageError: it cannot be read, or is too large to be text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"the reference {quoted(path)} does not exist: check the name") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the reference {quoted(path)} cannot be read: {reason}") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{quoted(path)} is too large to be text: name a file with what is said")
    return data


def decoded(data: bytes, path: Path) -> str:
    """Text in UTF-8, or in what its byte order mark says.

    Raises:
        UsageError: it is something else, in which accents would be guesses and count as errors.
    """
    try:
        text, name = encoding.decode(data)
    except encoding.UnsureError:
        text, name = "", "unknown"
    except ValueError:
        text, name = "\0", ""
    if "\0" in text:
        raise UsageError(f"{quoted(path)} is no text: name a file with what is said")
    if not name.startswith("utf-"):
        raise UsageError(f"{quoted(path)} is not UTF-8: save it as UTF-8, or convert it with iconv")
    return text
