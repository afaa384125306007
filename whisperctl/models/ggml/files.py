"""Model files on disk: opening, hashing and flushing them, and recognizing other kinds of file."""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from whisperctl.errors import ModelError
from whisperctl.storage.files import reason
from whisperctl.text import quoted

T = TypeVar("T")

_CHUNK_BYTES = 4 << 20
_REMEMBERED = 16
_SETTLED_NS = 2_000_000_000
"""A file changed more recently may change again without a visible change of its times."""


class OnProgress(Protocol):
    """Callback for progress; an exception in it stops the work, which leaves nothing behind."""

    def __call__(self, step: str, done_bytes: int, total_bytes: int | None) -> None:
        """Receive a report.

        Args:
            step: name of the step, such as ``"downloading tiny.en"``.
            done_bytes: bytes done.
            total_bytes: bytes to do; ``None`` if that is not known.
        """
        ...


def ignore(step: str, done_bytes: int, total_bytes: int | None) -> None:
    """Ignore progress."""


class OncePerFile(Generic[T]):
    """A function of a file, called once for each state of the file; its errors are not remembered.

    The state is the file's identity, size and times. A file that was changed within the last two
    seconds is always read again.
    """

    def __init__(self, function: Callable[[Path], T]) -> None:
        self._function = function
        self._remembered = lru_cache(_REMEMBERED)(lambda path, state: function(path))

    def __call__(self, path: Path) -> T:
        """Call the function, or give its earlier result."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return self._function(path)
        if abs(time.time_ns() - found.st_mtime_ns) < _SETTLED_NS:
            return self._function(path)
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return self._remembered(path, state)

    def forget(self) -> None:
        """Forget all results."""
        self._remembered.cache_clear()


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open the file; errors in reading it within the block are translated as well.

    Raises:
        ModelError: it is missing, may not be read, or is not a regular file.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            hint = (
                "import it with: whisperctl models import"
                if (path / "model.bin").exists()
                else "name a ggml file"
            )
            raise ModelError(f"{quoted(path)} is a directory, not a model file: {hint}")
        if not stat.S_ISREG(mode):
            raise ModelError(f"{quoted(path)} is not a file: name a ggml file")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise ModelError(f"{quoted(path)} does not exist: check the name") from error
    except PermissionError as error:
        raise ModelError(f"{quoted(path)} cannot be read: check its permissions") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{quoted(path)} cannot be read: {reason(error)}") from error


def hex_digest(path: Path, algorithm: str, on_progress: OnProgress = ignore) -> str:
    """Hash of a file, as hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    # These hashes identify files; they are not for security.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_progress("checking", done, total)
    return digest.hexdigest()


HEAD_BYTES = 512

_SILERO = (
    "a Silero VAD model, which detects speech and cannot transcribe: name a Whisper model "
    '(run "whisperctl models pull base" to install one)'
)
_SIGNATURES = (
    (b"GGUF", "a gguf file, of which whisper.cpp reads none"),
    (b"lmgg\x0a\x00\x00\x00silero", _SILERO),
    (b"ggjt", "a llama.cpp model"),
    (b"tjgg", "a llama.cpp model"),
    (b"fmgg", "a llama.cpp model"),
    (b"PK\x03\x04", "a PyTorch checkpoint or another zip archive"),
    (b"\x80\x02", "a PyTorch checkpoint or another pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"\xfd7zXZ", "an xz archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it"),
    (b"RIFF", "a RIFF file, such as a wav recording"),
    (b"ID3", "an mp3 recording"),
    (b"OggS", "an Ogg recording"),
    (b"fLaC", "a FLAC recording"),
    (b"\x00asm", "a WebAssembly module"),
    (b"\x7fELF", "a program"),
    (b"ggml", "a ggml file with its bytes swapped, for a big-endian machine"),
)


def describe(head: bytes) -> str:
    """The kind of a file, as the rest of the sentence "it is …".

    Args:
        head: the file's first ``HEAD_BYTES`` bytes, or all of it.
    """
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            return description
    if head[4:8] == b"ftyp":
        return "an mp4 or m4a recording"
    # CTranslate2: a small version number, then a string with its length, such as "WhisperSpec".
    if head[1:4] == b"\0\0\0" and b"Spec\0" in head[:64]:
        return "a CTranslate2 model.bin: import the directory it is in"
    # safetensors: the length of the JSON that follows.
    if head[8:10] == b'{"':
        return "a safetensors file"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer: fetch the file itself (git lfs pull)"
    if _is_text(head):
        page = b"<html" in head.lower() or b"<!doctype" in head.lower()
        return f"a text file{' (an HTML error page?)' if page else ''}"
    return "some other kind of file"


def _is_text(head: bytes) -> bool:
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
