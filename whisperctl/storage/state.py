"""What is kept in the user's state directory, so that a run that was ended can go on.

Every file is lines of JSON, named by a hash of all that its lines depend on, and belongs to one
process at a time. A line that was torn is as if it were not there. Files nobody has touched for a
month are removed.

Such a file is a help, not a result: where it cannot be written, a run goes on without.
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

from whisperctl.storage import locks, paths

T = TypeVar("T")

DIRECTORY_VARIABLE = "WHISPERCTL_STATE"
_KEPT_S = 30 * 24 * 3600
_WAIT_S = 3.0
_MOST_BYTES = 1 << 29


def directory() -> Path:
    """Where the files are.

    Raises:
        FileNotFoundError: no home directory is known.
    """
    return paths.find("state", DIRECTORY_VARIABLE, "runs")


def path_of(parts: object) -> Path:
    """The file of a run that depends on these parts, which are what ``json.dumps`` takes.

    Raises:
        FileNotFoundError: no home directory is known.
    """
    return directory() / f"{hashed(parts)}.jsonl"


def hashed(parts: object) -> str:
    """A hash of what ``json.dumps`` takes, as hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:40]


def identity(path: Path) -> list[object] | None:
    """What tells a file from any other and from itself once changed; ``None`` of no file."""
    try:
        real = Path(os.path.realpath(path))
        status = real.stat()
    except (OSError, ValueError):
        return None
    if not real.is_file():
        return None
    return [str(real), status.st_size, status.st_mtime_ns]


def prune() -> None:
    """Remove files that nobody has touched for a month."""
    oldest = time.time() - _KEPT_S
    with suppress(OSError):
        for path in directory().glob("*.jsonl"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def read(path: Path, parse: Callable[[bytes], T]) -> list[T]:
    """The whole lines of a file, up to one that is torn or that ``parse`` raises ValueError for.

    A file of more than ``_MOST_BYTES`` is none of ours, and has none.
    """
    return _read(path, parse)[0]


class StateFile:
    """One file of lines for this process alone, or none: ``problem`` then says why.

    Args:
        parts: what the file is of, see ``path_of``; ``None`` for no file and no problem.
        taken: the problem when another process has it.
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
        """Whether there is a file."""
        return self._file is not None

    def read(self, parse: Callable[[bytes], T]) -> list[T]:
        """The lines as ``read`` gives them; what follows a torn one is cut off."""
        if self._file is None or self._path is None:
            return []
        lines, whole = _read(self._path, parse)
        self.cut(whole)
        return lines

    def cut(self, n_bytes: int = 0) -> None:
        """Keep only so many bytes."""
        if self._file is None:
            return
        try:
            self._file.truncate(n_bytes)
        except OSError as error:
            self._give_up(self._unwritable(error))

    def append(self, line: bytes) -> None:
        """Add a line, and have it on the disk before this returns."""
        if self._file is None:
            return
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._give_up(self._unwritable(error))

    def replace(self, line: bytes) -> None:
        """Have one line in place of them all; nothing can be added to the file after this."""
        if self._file is None or self._path is None:
            return
        try:
            new = self._path.with_suffix(".new")
            with new.open("wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._give_up(self._unwritable(error))

    def remove(self) -> None:
        """Remove the file."""
        if self._file is None or self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(self._unwritable(error))

    def close(self) -> None:
        """Let the file go; safe to call again."""
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
        reason = error.strerror or error
        return f"the journal{place} cannot be written ({reason})"


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
    """Open a file for this process alone.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be opened.
    """
    # A process that was told to end may take a moment to let go.
    until = time.monotonic() + _WAIT_S
    while True:
        # Its text is nobody else's business.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            locks.take(descriptor)
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
