"""Where results go, and how they get there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from whisperctl.errors import OutputError, UsageError
from whisperctl.quoting import quoted
from whisperctl.source import STDIN

_NOT_ALLOWED = "permission denied; check the permissions of the file and its directory"


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """One file to write: ``source`` as the person named it, in the format ``format``."""

    source: str
    format: str
    path: Path


def output_path(source: str | Path, directory: Path | None, fmt: str) -> Path:
    """Name the file for one source in one format: ``talk.mp4`` gives ``talk.srt``.

    Args:
        source: a recording, or ``"-"``, whose output is called ``stdin``.
        directory: where to put it; ``None`` is beside the recording, or the current directory
            when the recording is standard input or a pipe.
        fmt: the format's name, which becomes the extension.
    """
    path = Path(source)
    stem = "stdin" if str(source) == STDIN else path.stem
    if directory is None:
        directory = Path() if _is_special(path) else path.parent
    return directory / f"{stem}.{fmt}"


def plan_outputs(
    sources: Sequence[str | Path], directory: Path | None, formats: Sequence[str]
) -> list[PlannedOutput]:
    """Name every file that a run will write, before it spends time on anything.

    A format named twice counts once.

    Raises:
        UsageError: two files would get one name, or one would replace a recording to be read.
        OutputError: a directory to write to is missing, or a file's name is a directory's.
    """
    inputs = {_identity(Path(s)): str(s) for s in sources if str(s) != STDIN}
    planned: dict[object, PlannedOutput] = {}
    for source in map(str, sources):
        for fmt in dict.fromkeys(formats):
            output = PlannedOutput(source, fmt, output_path(source, directory, fmt))
            key = _identity(output.path)
            if key in inputs:
                raise UsageError(
                    f"{quoted(output.path)} would replace the input {quoted(inputs[key])}: "
                    "choose another output directory or format"
                )
            other = planned.setdefault(key, output)
            if other is not output:
                raise UsageError(
                    f"{quoted(other.source)} and {quoted(source)} would both be written to "
                    f"{quoted(output.path)}: rename one, or give them different output directories"
                )
            _check_place(output.path)
    return list(planned.values())


def write_atomic(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a text file so that it appears whole or not at all.

    ``write`` gets a UTF-8 stream with line feeds. The text goes to a temporary file beside the real
    one, is flushed to disk, and takes the real one's place. An existing file keeps its permissions,
    a symbolic link stays one and its target is written; a device or pipe, such as ``/dev/stdout``,
    is written to directly. An exception of ``write``'s own, or KeyboardInterrupt, leaves things as
    they were and propagates.

    Raises:
        OutputError: the directory is missing or may not be written to, the disk is full, or the
            text cannot be encoded.
    """
    try:
        if _is_special(path):
            with path.open("w", encoding="utf-8", newline="\n") as out:
                write(out)
        else:
            _replace(Path(os.path.realpath(path)), write)
    except (OSError, ValueError) as error:
        raise _cannot(path, _reason(path, error)) from error


def _replace(real: Path, write: Callable[[TextIO], None]) -> None:
    mode = None
    if real.exists():
        mode = stat.S_IMODE(real.stat().st_mode)
        if not _writable(real):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # Not the tempfile module: its files are for their owner alone, these follow the umask.
    temporary = real.with_name(f".whisperctl-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as out:
            write(out)
            out.flush()
            if mode is not None:
                os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        temporary.replace(real)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _is_special(path: Path) -> bool:
    """Whether ``path`` is not a file to be replaced: a device, a pipe, an open descriptor."""
    place = path.absolute().parent
    if place in (Path("/dev"), Path("/dev/fd")) or place.is_relative_to("/proc"):
        return True
    status = _status(path)
    return status is not None and not stat.S_ISREG(status.st_mode)


def _is_directory(path: Path) -> bool:
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path) -> os.stat_result | None:
    # Path.exists and the like raise PermissionError inside a directory that may not be searched.
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _identity(path: Path) -> object:
    """What is equal for two names of one file, whether by links or by ignored case."""
    status = _status(path)
    return os.path.realpath(path) if status is None else (status.st_dev, status.st_ino)


def _check_place(path: Path) -> None:
    if _is_directory(path):
        raise _cannot(path, "it is a directory; choose another output directory")
    if not _is_directory(path.parent):
        raise _cannot(path, _no_directory(path))
    if not _writable(path.parent):
        raise _cannot(path, _NOT_ALLOWED)


def _cannot(path: Path, reason: str) -> OutputError:
    return OutputError(f"{quoted(path)} cannot be written: {reason}")


def _no_directory(path: Path) -> str:
    return f"there is no directory {quoted(path.parent)}; create it or choose another"


def _reason(path: Path, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return f"its text does not fit the format ({error}); please report it"
    if isinstance(error, PermissionError):
        return _NOT_ALLOWED
    if not _is_directory(path.parent):
        return _no_directory(path)
    if isinstance(error, IsADirectoryError):
        return "it is a directory; choose another name"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another directory"
    return f"{error.strerror or error}; choose another directory or name"
