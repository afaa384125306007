"""Where results go, and how they get there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TextIO

from whisperctl.audio.source import STDIN
from whisperctl.errors import OutputError, UsageError
from whisperctl.formats import extension
from whisperctl.languages import LANGUAGES
from whisperctl.storage import locks
from whisperctl.text import quoted

_NOT_ALLOWED = "permission denied; check the permissions of the file and its directory"


TEMPLATE = "{stem}.{ext}"
"""How a result is named for its recording: ``talk.mp4`` gives ``talk.srt``."""

_PLACEHOLDERS = ("stem", "name", "lang", "ext")
_TEMPORARY = ".whisperctl-{}.tmp"
_TOKEN_BYTES = 8
_INPUT = "the input"


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """One file to write: ``source`` as the person named it, in the format ``format``.

    While ``language_open``, ``path`` holds ``{lang}`` where the language will stand.
    """

    source: str
    format: str
    path: Path
    language_open: bool = False


def output_path(
    source: str | Path,
    directory: Path | None,
    extension: str,
    *,
    template: str = TEMPLATE,
    folder: str = "",
    language: str = "",
) -> Path:
    """Name the file for one source in one format.

    Args:
        source: a recording, or ``"-"``, whose output is called ``stdin``.
        directory: where to put it; ``None`` is beside the recording, or the current directory
            when the recording is standard input or a pipe.
        extension: the format's file extension.
        template: the name, with ``{stem}`` and ``{name}`` for the recording's name without and with
            its extension, ``{lang}`` for the language and ``{ext}`` for ``extension``.
        folder: a path below ``directory`` that comes before the name.
        language: what stands for ``{lang}``; empty leaves it as it is.

    Raises:
        UsageError: the template holds another placeholder, or a lone brace.
    """
    path = Path(source)
    stem, name = (path.stem, path.name) if str(source) != STDIN else ("stdin", "stdin")
    if directory is None:
        directory = Path() if _is_special(path) else path.parent
    values = {"stem": stem, "name": name, "lang": language or "{lang}", "ext": extension}
    parts = []
    for text, field in _parsed(template):
        parts.append(text)
        if field is not None:
            parts.append(values[field])
    return directory / folder / "".join(parts)


def has_language(template: str) -> bool:
    """Whether names made by the template hold the language.

    Raises:
        UsageError: the template holds an unknown placeholder, or a lone brace.
    """
    return any(field == "lang" for _, field in _parsed(template))


def _parsed(template: str) -> list[tuple[str, str | None]]:
    known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    try:
        fields = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(
            f"the output name {quoted(template)} has a lone brace: write {{{{ or }}}} for one, "
            f"and {known} for what is filled in"
        ) from error
    for _, field, spec, conversion in fields:
        if field is not None and (field not in _PLACEHOLDERS or spec or conversion):
            raise UsageError(
                f"the output name {quoted(template)} holds {{{field}}}, which is unknown: "
                f"there are {known}"
            )
    last = Path(template).name
    if not last or last in (os.curdir, os.pardir) or template.endswith("/"):
        raise UsageError(f"the output name {quoted(template)} names no file: try {TEMPLATE}")
    return [(text, field) for text, field, _, _ in fields]


def plan_outputs(
    sources: Sequence[str | Path],
    directory: Path | None,
    formats: Sequence[str],
    *,
    template: str = TEMPLATE,
    folders: Sequence[str] = (),
    language: str = "",
    makes_directory: bool = False,
    others: Sequence[tuple[str, Path]] = (),
) -> list[PlannedOutput]:
    """Name every file that a run will write, before it spends time on anything.

    A format named twice counts once. Folders below ``directory`` need not be there yet.

    Args:
        sources: the recordings.
        directory: where to write, as for ``output_path``.
        formats: names of formats.
        template: how to name the files, as for ``output_path``.
        folders: for each source the path below ``directory``; none at all is none for any.
        language: of all recordings, if it is known before they are transcribed.
        makes_directory: ``directory`` need not be there yet either.
        others: what else must not be replaced, each with what it is, such as "the list".

    Raises:
        UsageError: two files would get one name, one would replace a recording or another input, or
            the template cannot be filled in.
        OutputError: a directory to write to is missing or may not be written to, a file's name is a
            directory's, or a name or path is one that its file system does not take.
    """
    language_open = not language and has_language(template)
    inputs = {_identity(path): (what, str(path)) for what, path in others}
    inputs |= {_identity(Path(s)): (_INPUT, str(s)) for s in sources if str(s) != STDIN}
    planned: dict[object, PlannedOutput] = {}
    alike: dict[str, PlannedOutput] = {}
    for source, folder in zip(map(str, sources), folders or [""] * len(sources), strict=True):
        for fmt in dict.fromkeys(formats):
            path = output_path(
                source,
                directory,
                extension(fmt),
                template=template,
                folder=folder,
                language=language,
            )
            output = PlannedOutput(source, fmt, path, language_open)
            _check_name(
                output_path(
                    source,
                    directory,
                    extension(fmt),
                    template=template,
                    folder=folder,
                    language=language or max(LANGUAGES, key=len),
                )
            )
            key = _identity(path)
            if key in inputs:
                raise _replaces(path, *inputs[key])
            other = planned.setdefault(key, output)
            if other is output:
                twin = alike.setdefault(_folded(path), output)
                if twin is not output and _one_file(twin.path, path):
                    other = twin
            if other is not output and (other.source != source or other.format == fmt):
                raise UsageError(
                    f"{quoted(other.source)} and {quoted(source)} would both be written to "
                    f"{quoted(path)}: rename one, or keep their endings with "
                    '--output "{name}.{ext}"'
                )
            if other is not output:
                raise UsageError(
                    f"formats {other.format} and {fmt} of {quoted(source)} would both be written "
                    f"to {quoted(path)}: put {{ext}} into the output name"
                )
            _check_place(path, None if makes_directory else directory)
    return list(planned.values())


def check_place(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file can be written there, before time is spent on what is to be in it.

    Args:
        path: the file, in a directory that is there.
        inputs: what will be read, and must not be replaced.

    Raises:
        UsageError: it would replace an input.
        OutputError: its directory is missing or may not be written to, it is a directory or may not
            be replaced, or its name is one that the file system does not take.
    """
    _check_name(path)
    for source in inputs:
        if str(source) != STDIN and _identity(Path(source)) == _identity(path):
            raise _replaces(path, _INPUT, source)
    if not _is_special(path):
        _check_place(path, path.parent)
        check_replaceable(path)


def check_replaceable(path: Path) -> None:
    """Check that a file may be replaced, if it is there.

    Raises:
        OutputError: it is read-only.
    """
    status = _status(path)
    if status is not None and stat.S_ISREG(status.st_mode) and not _writable(path):
        raise _cannot(path, _NOT_ALLOWED)


def _replaces(path: Path, what: str, source: str | Path) -> UsageError:
    return UsageError(
        f"{quoted(path)} would replace {what} {quoted(source)}: "
        "choose another output directory, name or format"
    )


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


def write_text(path: Path, text: str) -> None:
    """Write a text as ``write_atomic`` does.

    Raises:
        OutputError: as of ``write_atomic``.
    """

    def write(out: TextIO) -> None:
        out.write(text)

    write_atomic(path, write)


def _replace(real: Path, write: Callable[[TextIO], None]) -> None:
    mode = None
    if real.exists():
        mode = stat.S_IMODE(real.stat().st_mode)
        if not _writable(real):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    temporary, out = _open_temporary(real)
    try:
        with out:
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


def _open_temporary(real: Path) -> tuple[Path, TextIO]:
    """Make a locked temporary file beside ``real``."""
    while True:
        # Not the tempfile module: its files are for their owner alone, these follow the umask.
        temporary = real.with_name(_TEMPORARY.format(secrets.token_hex(_TOKEN_BYTES)))
        out = temporary.open("x", encoding="utf-8", newline="\n")
        try:
            locks.take(out.fileno())
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


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of runs that were killed while they wrote into ``folder``.

    Those of runs that are still under way stay: they hold a lock, which ends with its process.
    """
    with suppress(OSError):
        for path in folder.glob(_TEMPORARY.format("*")):
            with suppress(OSError), path.open("rb") as file:
                locks.take(file.fileno())
                path.unlink()


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


def _check_place(path: Path, directory: Path | None) -> None:
    if _is_directory(path):
        raise _cannot(path, "it is a directory; choose another output directory")
    place = path.parent
    if os.path.islink(path):  # noqa: PTH114 - answers for names that Path.is_symlink raises on
        place = Path(os.path.realpath(path)).parent  # what the link points to is written
    elif place != directory:
        place = _nearest(place)
    if not _is_directory(place):
        there = _status(place) is not None
        reason = f"{quoted(place)} is not a directory; choose another"
        raise _cannot(path, reason if there else _no_directory(place))
    if not _writable(place):
        raise _cannot(path, _NOT_ALLOWED)


def _nearest(folder: Path) -> Path:
    """The folder itself or the first above it of which something is there."""
    while _status(folder) is None and not os.path.islink(folder) and folder != folder.parent:  # noqa: PTH114 - answers for names that Path.is_symlink raises on
        folder = folder.parent
    return folder


def _check_name(path: Path) -> None:
    """Ask the file system whether it takes a name, and those of folders still to be made.

    Raises:
        OutputError: it does not.
    """
    # How long a name may be, and in what units, is known to the file system alone.
    try:
        place = _nearest(path.parent)
        for name in path.relative_to(place).parts:
            _ask(place / name)
    except (OSError, ValueError) as error:
        raise _cannot(path, _name_reason(error, "name")) from error
    try:
        real = Path(os.path.realpath(path))
        _ask(real)
        _ask(real.with_name(_TEMPORARY.format("0" * 2 * _TOKEN_BYTES)))
    except (OSError, ValueError) as error:
        raise _cannot(path, _name_reason(error, "path")) from error


def _ask(path: Path) -> None:
    # What is missing or may not be looked at has a name that can be looked up.
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        path.lstat()


def _name_reason(error: OSError | ValueError, what: str) -> str:
    if isinstance(error, ValueError):
        return "its name holds characters that no file's name can hold; choose another"
    if error.errno != errno.ENAMETOOLONG:
        return f"{error.strerror or error}; choose another directory or name"
    if what == "name":
        return "its name is too long for the file system; choose a shorter one"
    return "its path is too long; choose another directory, nearer to the root"


def _folded(path: Path) -> str:
    """What is equal for names that a file system may take for one."""
    name = unicodedata.normalize("NFC", os.path.realpath(path))
    return unicodedata.normalize("NFC", name.casefold())


def _one_file(one: Path, other: Path) -> bool:
    """Whether two names that differ in case or in how characters are composed name one file.

    Where neither is there, the file system is asked, by an empty folder that is gone at once.
    """
    if _status(one) is not None or _status(other) is not None:
        return False  # or their identities would be the same
    place = _nearest(one.parent)
    probe = place / _TEMPORARY.format(secrets.token_hex(_TOKEN_BYTES))
    first, second = (Path(os.path.realpath(path)).parts for path in (one, other))
    differing = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    try:
        probe.mkdir(mode=0o700)
        try:
            return all(_same_name(probe, a, b) for a, b in differing)
        finally:
            probe.rmdir()
    except OSError:
        return False  # what cannot be written there is told by who tries


def _same_name(folder: Path, one: str, other: str) -> bool:
    """Whether two names stand for one file in an empty folder, which is left empty."""
    file = folder / one
    file.touch(exist_ok=False)
    try:
        return os.path.lexists(folder / other)
    finally:
        file.unlink()


def _cannot(path: Path, reason: str) -> OutputError:
    return OutputError(f"{quoted(path)} cannot be written: {reason}")


def _no_directory(place: Path) -> str:
    return f"there is no directory {quoted(place)}; create it or choose another"


def _reason(path: Path, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return f"its text does not fit the format ({error}); please report it"
    if isinstance(error, PermissionError):
        return _NOT_ALLOWED
    if error.errno == errno.ENAMETOOLONG:
        return _name_reason(error, "name")
    if not _is_directory(path.parent):
        return _no_directory(path.parent)
    if isinstance(error, IsADirectoryError):
        return "it is a directory; choose another name"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another directory"
    return f"{error.strerror or error}; choose another directory or name"
