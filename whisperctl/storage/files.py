"""Files on disk: checked before work, written whole or not at all, locked, and why that failed.

Temporary ones, too, and the error where there is no place for them.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from whisperctl.errors import OutputError, UsageError
from whisperctl.text import on_one_line, quoted

NOT_ALLOWED = "permission denied; check the permissions of the file and its directory"

_TEMPORARY = ".whisperctl-{}.tmp"
_TOKEN_BYTES = 8
_NO_PLACE = "set TMPDIR to a directory that can be written and has room"


def reason(error: Exception) -> str:
    """Reason that an operation of the system failed, on one line and in its own words."""
    return on_one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


# ------------------------------------------------------------------------------- atomic writes


def write_atomic(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a text file so that it appears whole or not at all.

    ``write`` gets a UTF-8 stream with line feeds. A device or pipe, such as ``/dev/stdout``, is
    written to directly; see ``replacing`` for files. An exception of ``write``'s own, or
    KeyboardInterrupt, leaves things as they were and propagates.

    Raises:
        OutputError: the directory is missing or may not be written to, the disk is full, or the
            text cannot be encoded.
    """
    try:
        if is_special(path):
            with path.open("w", encoding="utf-8", newline="\n") as out:
                write(out)
        else:
            with replacing(Path(os.path.realpath(path))) as file:
                text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
                try:
                    write(text)
                    text.flush()
                finally:
                    with suppress(OSError, ValueError):
                        text.detach()
    except (OSError, ValueError) as error:
        raise cannot_write(path, _write_reason(path, error)) from error


def write_text(path: Path, text: str) -> None:
    """Write a text as ``write_atomic`` does.

    Raises:
        OutputError: as ``write_atomic`` does.
    """

    def write(out: TextIO) -> None:
        out.write(text)

    write_atomic(path, write)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends, flushed to disk.

    Until then it is a temporary file beside it. An existing file keeps its permissions. Where the
    block raises, ``path`` stays as it was.

    Raises:
        OSError: the file cannot be written, or the existing one may not be.
    """
    mode = None
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
        if not is_writable(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary, out = _open_temporary(path)
    try:
        with out:
            yield out
            out.flush()
            if mode is not None:
                os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def install(file: Path, target: Path) -> None:
    """Move a finished file to its place on the same file system, in one step and for good.

    Raises:
        OSError: it cannot be moved.
    """
    flush(file)
    file.replace(target)
    with suppress(OSError):  # not every file system can flush a directory
        flush(target.parent)


def flush(path: Path) -> None:
    """Wait until a file, or the list of a directory, is on the disk.

    Raises:
        OSError: it cannot be opened, or not written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """A new name for a temporary file beside ``path``, which ``remove_leftovers`` knows."""
    return path.with_name(_TEMPORARY.format(os.urandom(_TOKEN_BYTES).hex()))


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of runs that were killed while they wrote into ``folder``.

    Those of runs that are still under way stay: they hold a lock, which ends with its process.
    """
    with suppress(OSError):
        for path in folder.glob(_TEMPORARY.format("*")):
            with suppress(OSError), path.open("rb") as file:
                lock(file.fileno())
                path.unlink()


def _open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Make a locked temporary file beside ``path``."""
    while True:
        # Not the tempfile module: its files are for their owner alone, these follow the umask.
        temporary = temporary_beside(path)
        out = temporary.open("xb")
        try:
            lock(out.fileno())
            is_ours = os.path.samestat(temporary.stat(), os.fstat(out.fileno()))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        except OSError:  # some file systems have no locks
            is_ours = True
        except BaseException:
            out.close()
            temporary.unlink(missing_ok=True)
            raise
        if is_ours:
            return temporary, out
        # Another run that began just now took it for one that was left behind.
        out.close()
        temporary.unlink(missing_ok=True)


# --------------------------------------------------------------------------- checks before work


def check_place(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file can be written, before time is spent on its contents.

    Args:
        path: the file, in a directory that exists.
        inputs: files that will be read, and must not be replaced; ``"-"`` is standard input.

    Raises:
        UsageError: it would replace an input.
        OutputError: its directory is missing or may not be written to, it is a directory or may not
            be replaced, or the file system does not take its name.
    """
    check_name(path)
    for source in inputs:
        if str(source) != "-" and identity(Path(source)) == identity(path):
            raise replaces(path, "the input", source)
    if not is_special(path):
        check_folder(path, path.parent)
        check_replaceable(path)


def check_replaceable(path: Path) -> None:
    """Check that a file may be replaced, if it exists.

    Raises:
        OutputError: it is read-only.
    """
    status = status_of(path)
    if status is not None and stat.S_ISREG(status.st_mode) and not is_writable(path):
        raise cannot_write(path, NOT_ALLOWED)


def check_folder(path: Path, directory: Path | None) -> None:
    """Check the directory of a file to be written, which may yet have to be made.

    Args:
        path: the file.
        directory: the directory, if it must exist; ``None`` if it may have to be made.

    Raises:
        OutputError: the directory is missing or may not be written to, or the file is a directory.
    """
    if is_directory(path):
        raise cannot_write(path, "it is a directory; choose another output directory")
    place = path.parent
    if os.path.islink(path):  # noqa: PTH114 - answers for names that Path.is_symlink raises on
        place = Path(os.path.realpath(path)).parent  # what the link points to is written
    elif place != directory:
        place = nearest(place)
    if not is_directory(place):
        there = status_of(place) is not None
        why = f"{quoted(place)} is not a directory; choose another"
        raise cannot_write(path, why if there else no_directory(place))
    if not is_writable(place):
        raise cannot_write(path, NOT_ALLOWED)


def check_name(path: Path) -> None:
    """Check that the file system takes a name, and those of directories still to be made.

    Raises:
        OutputError: it does not.
    """
    # How long a name may be, and in what units, is known to the file system alone.
    try:
        place = nearest(path.parent)
        for name in path.relative_to(place).parts:
            _ask(place / name)
    except (OSError, ValueError) as error:
        raise cannot_write(path, name_reason(error, "name")) from error
    try:
        real = Path(os.path.realpath(path))
        _ask(real)
        _ask(temporary_beside(real))
    except (OSError, ValueError) as error:
        raise cannot_write(path, name_reason(error, "path")) from error


def replaces(path: str | Path, what: str, source: str | Path) -> UsageError:
    """Error for a file that would replace an input, which is ``what``."""
    return UsageError(
        f"{quoted(path)} would replace {what} {quoted(source)}: "
        "choose another output directory, name or format"
    )


def identity(path: Path) -> object:
    """Value that is equal for two names of one file, whether by links or by ignored case."""
    status = status_of(path)
    return os.path.realpath(path) if status is None else (status.st_dev, status.st_ino)


def nearest(folder: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    while status_of(folder) is None and not os.path.islink(folder) and folder != folder.parent:  # noqa: PTH114 - answers for names that Path.is_symlink raises on
        folder = folder.parent
    return folder


def _ask(path: Path) -> None:
    # What is missing or may not be looked at has a name that can be looked up.
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        path.lstat()


# ------------------------------------------------------------------- why one cannot be written


def cannot_write(path: Path, why: str) -> OutputError:
    """Error for a file that cannot be written."""
    return OutputError(f"{quoted(path)} cannot be written: {why}")


def no_directory(place: Path) -> str:
    """Reason that a directory is missing."""
    return f"there is no directory {quoted(place)}; create it or choose another"


def name_reason(error: OSError | ValueError, what: str = "name") -> str:
    """Reason that the file system does not take a name or, as ``what``, a path."""
    if isinstance(error, ValueError):
        return "its name holds characters that no file's name can hold; choose another"
    if error.errno != errno.ENAMETOOLONG:
        return f"{reason(error)}; choose another directory or name"
    if what == "name":
        return "its name is too long for the file system; choose a shorter one"
    return "its path is too long; choose another directory, nearer to the root"


def _write_reason(path: Path, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return f"its text does not fit the format ({error}); please report it"
    if isinstance(error, PermissionError):
        return NOT_ALLOWED
    if error.errno == errno.ENAMETOOLONG:
        return name_reason(error)
    if not is_directory(path.parent):
        return no_directory(path.parent)
    if isinstance(error, IsADirectoryError):
        return "it is a directory; choose another name"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another directory"
    return f"{reason(error)}; choose another directory or name"


def is_special(path: Path) -> bool:
    """True if ``path`` is not a file to be replaced: a device, a pipe, an open descriptor."""
    place = path.absolute().parent
    if place in (Path("/dev"), Path("/dev/fd")) or place.is_relative_to("/proc"):
        return True
    status = status_of(path)
    return status is not None and not stat.S_ISREG(status.st_mode)


def is_directory(path: Path) -> bool:
    """True if ``path`` is a directory, as far as this user can see."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def status_of(path: Path) -> os.stat_result | None:
    """Status of a file; ``None`` if there is none that this user can see."""
    # Path.exists and the like raise PermissionError inside a directory that may not be searched.
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def is_writable(path: Path) -> bool:
    """True if this user may write a file or into a directory."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


# --------------------------------------------------------------------------------------- locks


def lock(descriptor: int) -> None:
    """Take the lock of an open file at once; it ends with the process that holds it.

    Does nothing where the system has no locks.

    Raises:
        BlockingIOError: another process has it.
        OSError: the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# -------------------------------------------------------------------------------- temporary files


def open_temporary(purpose: str) -> BinaryIO:
    """Open a file without a name, which is gone once it is closed.

    Args:
        purpose: what it is for, as messages name it.

    Raises:
        OutputError: no directory for temporary files can be written.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise no_temporary(purpose, error) from error


def make_temporary_folder(purpose: str) -> Path:
    """Make a directory that only this user may enter; the caller removes it.

    Raises:
        OutputError: as ``open_temporary`` does.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="whisperctl-"))
    except OSError as error:
        raise no_temporary(purpose, error) from error


def no_temporary(purpose: str, error: OSError) -> OutputError:
    """Error for a temporary file that could not be made or written."""
    try:
        place = f"in {quoted(tempfile.gettempdir())} "
    except OSError:  # the system has none at all, and the reason says where it was looked for
        place = ""
    return OutputError(f"{purpose} needs a temporary file {place}({reason(error)}): {_NO_PLACE}")
