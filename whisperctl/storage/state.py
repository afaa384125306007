"""State of runs that were stopped, in the user's state directory.

Every file is lines of JSON, named by a hash of everything that its lines depend on, and belongs to
one process at a time. A torn line is ignored. Files that have not changed for a month are removed.

Such a file is a help, not a result: where it cannot be written, a run goes on without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from whisperctl.storage import files, paths

T = TypeVar("T")

DIRECTORY_VARIABLE = "WHISPERCTL_STATE"
_KEPT_S = 30 * 24 * 3600
_WAIT_S = 3.0
_MOST_BYTES = 1 << 29


def directory() -> Path:
    """Directory of the files.

    Raises:
        FileNotFoundError: no home directory is known.
    """
    return paths.find("state", DIRECTORY_VARIABLE, "runs")


def path_of(parts: object) -> Path:
    """File of a run that depends on these parts, which ``json.dumps`` must take.

    Raises:
        FileNotFoundError: no home directory is known.
    """
    return directory() / f"{hashed(parts)}.jsonl"


def hashed(parts: object) -> str:
    """Hash of a value that ``json.dumps`` takes, as hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:40]


def identity(path: Path) -> list[object] | None:
    """Path, size and time of change of a file; ``None`` if it is not a file."""
    try:
        real = Path(os.path.realpath(path))
        status = real.stat()
    except (OSError, ValueError):
        return None
    if not real.is_file():
        return None
    return [str(real), status.st_size, status.st_mtime_ns]


def prune() -> None:
    """Remove files that have not changed for a month, and leftovers of killed runs."""
    oldest = time.time() - _KEPT_S
    with suppress(OSError):
        files.remove_leftovers(directory())
        for path in directory().glob("*.jsonl"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def read(path: Path, parse: Callable[[bytes], T]) -> list[T]:
    """Whole lines of a file, up to one that is torn or that ``parse`` raises ValueError for.

    A file of more than ``_MOST_BYTES`` is not ours, and has none.
    """
    return _read(path, parse)[0]


class StateFile:
    """One file of lines that is locked by this process, or none: ``problem`` then says why.

    Args:
        parts: what the file depends on, see ``path_of``; ``None`` for no file and no problem.
        taken: the problem if another process has it.
    """

    def __init__(self, parts: object | None, *, taken: str) -> None:
        self.problem = ""
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        if parts is None:
            return
        try:
            self._path = path_of(parts)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _locked(self._path)
        except BlockingIOError:
            self._give_up(taken)
        except OSError as error:
            self._give_up(self._unwritable(error))

    @property
    def usable(self) -> bool:
        """True if there is a file."""
        return self._file is not None

    def read(self, parse: Callable[[bytes], T]) -> list[T]:
        """Lines as ``read`` gives them; a torn one and what follows it are cut off."""
        if self._file is None or self._path is None:
            return []
        lines, whole = _read(self._path, parse)
        self.cut(whole)
        return lines

    def cut(self, n_bytes: int = 0) -> None:
        """Truncate the file."""
        if self._file is None:
            return
        try:
            self._file.truncate(n_bytes)
        except OSError as error:
            self._give_up(self._unwritable(error))

    def append(self, line: bytes, *, flush: bool = True) -> None:
        """Append a line; with ``flush`` it is on the disk on return."""
        if self._file is None:
            return
        try:
            while line:
                line = line[self._file.write(line) :]
            if flush:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._give_up(self._unwritable(error))

    def replace(self, line: bytes) -> None:
        """Replace all lines by one, which a loss of power in the next seconds may lose."""
        self.cut()
        self.append(line, flush=False)

    def remove(self) -> None:
        """Remove the file."""
        if self._file is None or self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(self._unwritable(error))

    def close(self) -> None:
        """Release the file; safe to call again."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _give_up(self, problem: str) -> None:
        self.problem = problem
        self.close()

    def _unwritable(self, error: OSError) -> str:
        from whisperctl.text import quoted

        place = "" if self._path is None else f" in {quoted(self._path.parent)}"
        return f"the journal{place} cannot be written ({files.reason(error)})"


def _read(path: Path, parse: Callable[[bytes], T]) -> tuple[list[T], int]:
    lines: list[T] = []
    whole = 0
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError:
        return [], 0
    if len(data) > _MOST_BYTES:
        return [], 0
    for text in data.splitlines(keepends=True):
        try:
            if not text.endswith(b"\n"):
                break
            lines.append(parse(text))
        except (ValueError, RecursionError):
            break
        whole += len(text)
    return lines, whole


def _locked(path: Path) -> BinaryIO:
    """Open and lock a file.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be opened.
    """
    # A process that was asked to end may take a moment to release it.
    until = time.monotonic() + _WAIT_S
    while True:
        # Only this user may read it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            files.lock(descriptor)
            if _same(path, descriptor):
                return file
            file.close()  # it was replaced or removed while we waited for its lock
        except BlockingIOError:
            file.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        except BaseException:
            file.close()
            raise


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
