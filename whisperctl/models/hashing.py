"""Hashes of large files, and the progress of long-running work."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol


class OnProgress(Protocol):
    """Called as work proceeds; raising in it stops the work, which then leaves nothing behind."""

    def __call__(self, step: str, done_bytes: int, total_bytes: int | None) -> None:
        """Take a report.

        Args:
            step: what is being done, such as ``"downloading tiny.en"``.
            done_bytes: how much of it is done.
            total_bytes: how much there is to do, ``None`` where that is not known.
        """
        ...


def ignore(step: str, done_bytes: int, total_bytes: int | None) -> None:
    """Report to nobody."""


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
