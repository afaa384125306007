"""Converted models in the user's cache, which appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from whisperctl.errors import ModelError
from whisperctl.models.ggml.files import hex_digest, reading
from whisperctl.storage.files import flush, reason, replacing
from whisperctl.storage.paths import CACHE_VARIABLE, cache_dir
from whisperctl.text import quoted

_NAME = "faster-whisper"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def converted(model: Path, version: int | str, convert: Callable[[Path, Path], None]) -> Path:
    """The directory of a model in another format, made if it is not there yet.

    It is known by the SHA-256 of the model and by ``version``. Only one process at a time makes it;
    the others wait for it. Nothing of it is left when making it fails or is interrupted.

    Args:
        model: a file.
        version: which way ``convert`` writes.
        convert: writes the model's directory; called with the model and an empty directory.

    Raises:
        BackendError: the cache's directory cannot be made.
        ModelError: the model cannot be read, ``convert`` refuses it, or there is no room.
    """
    folder = cache_dir(_NAME)
    try:
        target = folder / f"{_sha256(model, folder)}-{version}"
        if not target.is_dir():
            _make(model, target, convert)
    except OSError as error:
        if error.errno in _FULL:
            raise ModelError(
                f"the disk is full: converting {quoted(model)} needs room at {quoted(folder)}; "
                f"free some, or set {CACHE_VARIABLE} to a directory with more"
            ) from error
        raise ModelError(
            f"{quoted(model)} cannot be converted in {quoted(folder)} "
            f"({reason(error)}): check its permissions, or set {CACHE_VARIABLE} to "
            "another directory"
        ) from error
    return target


def _make(model: Path, target: Path, convert: Callable[[Path, Path], None]) -> None:
    import filelock

    # Locks of one's own for each model, so that nobody waits for another's.
    with ExitStack() as stack:
        stack.enter_context(filelock.FileLock(target.with_name(f".{target.name}.lock")))
        if target.is_dir():
            return  # another process has made it while this one waited
        for leftover in target.parent.glob(f".{target.name}.*.part"):  # of one that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        work = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        work.mkdir()
        convert(model, work)
        for file in work.iterdir():
            flush(file)
        work.replace(target)


def _sha256(model: Path, folder: Path) -> str:
    """The hash of a model, of which a note is kept: a large one takes seconds to read."""
    with reading(model) as file:
        status = os.fstat(file.fileno())
        known = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
        note = folder / f"{status.st_dev:x}-{status.st_ino:x}.json"
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            noted = json.loads(note.read_text("utf-8"))
            # It becomes the name of a directory, and must lead nowhere else.
            if noted["file"] == known and _SHA256.fullmatch(noted["sha256"]):
                return str(noted["sha256"])
        digest = hex_digest(model, "sha256")
    with replacing(note) as out:
        out.write(json.dumps({"file": known, "sha256": digest}).encode())
    return digest
