"""Recordings as seekable files: a path is opened, a pipe or standard input copied.

A URL is read in ranges, and copied where a decoder needs a file.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from whisperctl.errors import AudioError
from whisperctl.storage import files, urls
from whisperctl.storage.files import reason
from whisperctl.text import quoted

STDIN = "-"
"""Name of standard input on the command line."""

_BLOCK_BYTES = 4 << 20
_MOST_BLOCKS = 8

_ENDING_S = 2.0
"""Time in which a decoder that was stopped meets the end of the file wherever it seeks to."""

_ENDING_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class Source:
    """An open, seekable, non-empty file; ``label`` is its name as sentences show it."""

    name: str
    label: str
    file: BinaryIO

    @property
    def descriptor(self) -> int:
        """Descriptor of the file, whose position may be anywhere."""
        return self.file.fileno()

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return os.fstat(self.descriptor).st_size

    def peek(self, n_bytes: int, offset: int = 0) -> bytes:
        """Up to ``n_bytes`` bytes from ``offset`` on; the position stays as it is.

        Raises:
            AudioError: they cannot be read.
        """
        try:
            return os.pread(self.descriptor, n_bytes, offset)
        except OSError as error:
            raise AudioError(
                f"{self.label} cannot be read ({reason(error)}): check the disk it is on"
            ) from error

    def stop(self) -> None:
        """Make a read in another thread end at once, if it may take long.

        Decoders that search gigabytes for the next sound find the end of the file.
        """
        with suppress(OSError, ValueError):  # it may be closed already
            threading.Thread(
                target=_keep_at_end, args=(os.dup(self.descriptor),), daemon=True
            ).start()


class RemoteFile:
    """A file at a URL, of which ranges are read; ``size_bytes`` is above 0.

    ``version`` is that of ``urls.Entry``, empty if it is unknown.

    The blocks read last are kept in memory. For one thread, but for ``stop``.
    """

    def __init__(self, url: str, size_bytes: int, version: str) -> None:
        from fsspec.caching import BlockCache

        self.size_bytes = size_bytes
        self._url = url
        self._version = version
        self._stopped = threading.Event()
        self._cache = BlockCache(_BLOCK_BYTES, self._fetch, size_bytes, _MOST_BLOCKS)

    def check(self) -> None:
        """Read the first block.

        Raises:
            AudioError: it cannot be read.
            urls.NoRangesError: the server does not send ranges of this file.
        """
        self._cache._fetch(0, 1)

    def read(self, n_bytes: int, offset: int) -> bytes:
        """Up to ``n_bytes`` bytes from ``offset`` on.

        Raises:
            AudioError: they cannot be read, or ``stop`` was called.
        """
        try:
            # Its public methods are for files of fsspec's own.
            data: bytes = self._cache._fetch(offset, min(offset + n_bytes, self.size_bytes))
        except urls.NoRangesError as error:
            raise AudioError(
                f"{quoted(urls.shown(self._url))} cannot be read ({error}): try again"
            ) from error
        return data

    def stop(self) -> None:
        """Make a read in another thread end at once."""
        self._stopped.set()

    def _fetch(self, start: int, end: int) -> bytes:
        end = min(end, self.size_bytes)
        return urls.fetch(self._url, start, end, self._version, self._stopped)


@dataclass(frozen=True, slots=True)
class RemoteSource(Source):
    """A recording at a URL; ``file`` is empty until something asks for its descriptor."""

    remote: RemoteFile

    @property
    def descriptor(self) -> int:
        """Descriptor of a copy of the whole recording, which is made for it.

        Raises:
            AudioError: the recording cannot be read.
            OutputError: there is no room for the copy.
        """
        descriptor = self.file.fileno()
        if os.fstat(descriptor).st_size == self.size_bytes:
            return descriptor
        try:
            self.file.seek(0)
            for offset in range(0, self.size_bytes, _BLOCK_BYTES):
                self.file.write(self.peek(_BLOCK_BYTES, offset))
            self.file.flush()
        except OSError as error:
            raise files.no_temporary(self.label, error) from error
        return descriptor

    @property
    def size_bytes(self) -> int:
        """Size of the recording."""
        return self.remote.size_bytes

    def peek(self, n_bytes: int, offset: int = 0) -> bytes:
        """Up to ``n_bytes`` bytes from ``offset`` on.

        Raises:
            AudioError: they cannot be read.
        """
        return self.remote.read(n_bytes, offset)

    def stop(self) -> None:
        """Make a read in another thread end at once."""
        self.remote.stop()


def _keep_at_end(descriptor: int) -> None:
    """Move the position that all descriptors of a file share to its end for a while, and close."""
    with os.fdopen(descriptor, "rb") as file, suppress(OSError):
        # Again and again, as a decoder that meets the end may seek.
        for _ in range(round(_ENDING_S / _ENDING_STEP_S)):
            os.lseek(file.fileno(), 0, os.SEEK_END)
            time.sleep(_ENDING_STEP_S)


def open_source(source: str | Path) -> Source:
    """Open a path, a URL, or standard input for ``"-"``; the caller closes ``file``.

    Pipes are copied to a temporary file, as most containers can only be read by seeking.

    Raises:
        AudioError: it is missing, may not be read, is not a file or pipe, or is empty.
        OutputError: there is no room for the copy of a pipe.
        UsageError: the URL is not supported, or its scheme needs a package.
    """
    if str(source) == STDIN:
        label = "standard input"
        return Source(label, label, _open_stdin(label))
    if isinstance(source, str) and urls.is_url(source):
        source = urls.local_path(source)
        if urls.is_url(source):
            return _open_url(source)
    label = quoted(source)
    return Source(str(source), label, _open_path(Path(source), label))


def _open_url(url: str) -> Source:
    """Open a file at a URL; one that its server does not send in ranges is copied."""
    name = urls.shown(url)
    label = quoted(name)
    entry = urls.info(url)
    if entry.directory:
        raise AudioError(f"{label} is a directory: name a file in it")
    if entry.size_bytes == 0:
        raise _empty(label)
    if entry.size_bytes is not None and entry.ranges:
        remote = RemoteFile(url, entry.size_bytes, entry.version)
        with suppress(urls.NoRangesError):
            remote.check()
            return RemoteSource(name, label, files.open_temporary(label), remote)
    copy = files.open_temporary(label)
    try:
        urls.download(url, copy, entry.size_bytes)
    except BaseException:
        with suppress(OSError):  # what a full disk did not take is tried once more
            copy.close()
        raise
    return Source(name, label, _not_empty(copy, label))


def _open_path(path: Path, label: str) -> BinaryIO:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise AudioError(f"{label} does not exist: check the name") from error
    except IsADirectoryError as error:
        raise AudioError(f"{label} is a directory: name a file in it") from error
    except PermissionError as error:
        raise AudioError(f"{label} cannot be read: check its permissions") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{label} cannot be opened ({reason(error)}): check the name") from error
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode):
        return _not_empty(file, label)
    with file:
        if not stat.S_ISFIFO(mode):
            raise AudioError(f"{label} is a device: name a file, or pipe a recording in")
        return _spooled(file, label)


def _open_stdin(label: str) -> BinaryIO:
    if sys.stdin is None or sys.stdin.closed:
        raise AudioError(f"{label} is closed: name a file, or pipe a recording in")
    if sys.stdin.isatty():
        raise AudioError(f"{label} is a terminal: name a file, or pipe a recording in")
    try:
        descriptor = os.dup(sys.stdin.fileno())
    except (OSError, ValueError):  # replaced by an object that is not a file
        return _spooled(sys.stdin.buffer, label)
    file = os.fdopen(descriptor, "rb", buffering=0)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return _not_empty(file, label)
    with file:
        return _spooled(file, label)


def _not_empty(file: BinaryIO, label: str) -> BinaryIO:
    if os.fstat(file.fileno()).st_size == 0:
        file.close()
        raise _empty(label)
    return file


def _empty(label: str) -> AudioError:
    return AudioError(f"{label} is empty: record or copy it again")


def _next_chunk(pipe: BinaryIO, label: str) -> bytes:
    try:
        return pipe.read(1 << 20)
    except OSError as error:
        raise AudioError(f"{label} cannot be read ({reason(error)}): try again") from error


def _spooled(pipe: BinaryIO, label: str) -> BinaryIO:
    copy = files.open_temporary(label)
    try:
        while chunk := _next_chunk(pipe, label):
            copy.write(chunk)
        copy.flush()
    except BaseException as error:
        with suppress(OSError):  # what a full disk did not take is tried once more
            copy.close()
        if isinstance(error, OSError):
            raise files.no_temporary(label, error) from error
        raise
    return _not_empty(copy, label)
