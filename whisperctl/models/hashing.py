"""Hashes of large files, with progress."""

from __future__ import annotations

import hashlib
from pathlib import Path

from whisperctl.models.progress import OnProgress, ignore

_CHUNK_BYTES = 4 << 20


def hex_digest(path: Path, algorithm: str, on_progress: OnProgress = ignore) -> str:
    """The hash of a file, as hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    # These hashes tell which file this is; nobody is kept out by them.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_progress("checking", done, total)
    return digest.hexdigest()
