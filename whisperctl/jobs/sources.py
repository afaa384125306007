"""Recordings named by files, directories, patterns, URLs and lists of them."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from whisperctl.audio.source import STDIN
from whisperctl.errors import AudioError, UsageError
from whisperctl.storage import urls
from whisperctl.storage.files import reason
from whisperctl.text import quoted

_ENDINGS = """
3g2 3ga 3gp aa3 aac ac3 aif aifc aiff amr ape apl asf au avi awb caf dav dif divx dsf dss dts dtshd
dv eac3 ec3 f4a f4v flac flv gsm gxf ircam isma ismv m1a m2a m2ts m4a m4b m4p m4r m4v mac mj2 mk3d
mka mkv mlp mod mov mp+ mp1 mp2 mp3 mp4 mpa mpc mpe mpeg mpg mpga mpp mts mxf nist nut oga ogg ogm
ogv ogx oma omg opus pvf qcp qt ra rf64 rm rmvb sf shn snd sox sph spx tak thd tod ts tta vob voc
vqe vqf vql w64 wav wave weba webm wma wmv wtv wv xwma
"""

_LIST_BYTES = 1 << 26
_MOST_DIGITS = 100
_MOST_PARTS = 12

EXTENSIONS = frozenset(_ENDINGS.split())
"""Extensions that directories and patterns take for recordings."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording to read: ``name`` is a path, a URL, or ``"-"`` for standard input.

    ``folder`` is its place below the directory or the fixed part of the pattern that it was found
    by, empty for one named by itself; results keep that structure. ``size_bytes`` and ``version``
    are what its server said of the contents at a URL, as in ``whisperctl.storage.urls.Entry``.
    """

    name: str
    folder: str = ""
    size_bytes: int | None = None
    version: str = ""

    @property
    def is_url(self) -> bool:
        """True if it is read from a URL, which may hold credentials."""
        return urls.is_url(self.name)

    @property
    def shown(self) -> str:
        """Its name without what is secret."""
        return urls.shown(self.name)

    @property
    def label(self) -> str:
        """Its name as messages show it."""
        return "standard input" if self.name == STDIN else quoted(self.shown)


@dataclass(frozen=True, slots=True)
class FileList:
    """A file that names recordings, one a line: ``name`` is its path, ``"-"`` standard input.

    With ``null_separated``, names end with NUL and are taken as they are. Otherwise blank lines and
    lines that begin with ``#`` are ignored.
    """

    name: str
    null_separated: bool = False


def find(
    names: Sequence[str], lists: Sequence[FileList] = (), *, recursive: bool = False
) -> list[Recording]:
    """Find every recording that is named, each once, in the order of the names.

    A directory stands for the recordings in it, by their extensions, in natural order and without
    hidden ones; ``recursive`` includes its subdirectories. A name that is not a file's and holds
    ``*``, ``?`` or ``[`` is a pattern, in which ``**`` matches any directories. The same holds for
    URLs of stores such as S3; on the web there are no directories, and patterns are for the links
    of a page. Lists hold files and directories, no patterns. A file need not exist: whoever reads
    it finds out.

    Raises:
        UsageError: standard input is named twice, a pattern does not match any file, a URL is not
            supported, or a name with spaces came in several parts.
        AudioError: a directory holds no recording, or a list is unreadable or empty.
    """
    readers = [*names, *(item.name for item in lists)]
    if readers.count(STDIN) > 1:
        raise UsageError('standard input can be read only once: give "-" once')
    _refuse_parts(names)
    unique: dict[str, Recording] = {}
    for item in _each(names, lists, recursive=recursive):
        as_it_is = item.name == STDIN or item.is_url
        unique.setdefault(item.name if as_it_is else os.path.realpath(item.name), item)
    return list(unique.values())


def _refuse_parts(names: Sequence[str]) -> None:
    """Refuse names that are together that of a file: a shell takes what has no quotes apart."""
    missing = [at for at, name in enumerate(names) if not os.path.lexists(name)]
    for begin in sorted({max(0, at - before) for at in missing for before in (0, 1)}):
        for end in range(begin + 2, min(len(names), begin + _MOST_PARTS) + 1):
            name = " ".join(names[begin:end])
            if os.path.lexists(name):
                raise UsageError(
                    f"{quoted(name)} was given as {end - begin} names: put it in quotes, as it has "
                    "spaces"
                )


def _each(
    names: Sequence[str], lists: Sequence[FileList], *, recursive: bool
) -> Iterator[Recording]:
    paths = [urls.local_path(name) for name in names]
    listed = [urls.local_path(name) for item in lists for name in _read_list(item)]
    remote = [name for name in paths if urls.is_url(name) and not urls.has_magic(name)]
    remote += filter(urls.is_url, listed)
    known = urls.describe(remote) if remote else {}
    for name in paths:
        if urls.is_url(name):
            yield from (
                _remote_matches(name)
                if urls.has_magic(name)
                else _named(name, known, recursive=recursive)
            )
        elif name != STDIN and glob.has_magic(name) and not os.path.lexists(name):
            yield from _matches(name)
        else:
            yield from _named(name, known, recursive=recursive)
    for name in listed:
        yield from _named(name, known, recursive=recursive)


def _named(name: str, known: Mapping[str, urls.Entry], *, recursive: bool) -> Iterable[Recording]:
    if urls.is_url(name):
        entry = known.get(name, urls.Entry(name))
        if not entry.directory:
            return [Recording(name, "", entry.size_bytes, entry.version)]
        found = _in_remote_folder(name, recursive=recursive)
    elif name == STDIN or not _is_directory(name):
        return [Recording(name)]
    else:
        found = list(_in_folder(name, recursive=recursive))
    if not found:
        advice = (
            ": check the path" if recursive else ": use --recursive to search its subdirectories"
        )
        raise AudioError(f"{quoted(urls.shown(name))} is a directory without recordings{advice}")
    return found


def _in_remote_folder(folder: str, *, recursive: bool) -> list[Recording]:
    return [
        one
        for one in _remote(urls.listed(folder, recursive=recursive), folder)
        if _is_recording(urls.file_name(one.name))
        and not any(part[0] == "." for part in (*PurePosixPath(one.folder).parts, _base(one)))
    ]


def _remote_matches(pattern: str) -> list[Recording]:
    entries = urls.matching(pattern)
    if not entries:
        raise UsageError(
            f"{quoted(urls.shown(pattern))} does not match any file: check the pattern"
        )
    found = _remote(entries, urls.fixed_part(pattern))
    return [one for one in found if _is_recording(_base(one))] or found


def _base(recording: Recording) -> str:
    return urls.file_name(recording.name)


def _remote(entries: Sequence[urls.Entry], root: str) -> list[Recording]:
    """Recordings at URLs below a URL, in natural order.

    Names of objects are anybody's: one that leads out of the directory for results is kept in it.
    """
    unknown = [one.url for one in entries if one.size_bytes is None and not one.version]
    known = urls.describe(unknown) if unknown else {}
    found = []
    for entry in sorted(entries, key=lambda one: _natural(one.url)):
        one = known.get(entry.url, entry)
        below = one.url[len(root) :] if one.url.startswith(root) else ""
        folder = "/".join(filter(None, map(urls.safe_name, below.split("/")[:-1])))
        found.append(Recording(one.url, folder, one.size_bytes, one.version))
    return found


def _in_folder(folder: str, *, recursive: bool) -> Iterator[Recording]:
    def refuse(error: OSError) -> None:
        raise AudioError(
            f"{quoted(error.filename or folder)} cannot be listed ({reason(error)}): "
            "check its permissions"
        ) from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted((f for f in folders if f[0] != "."), key=_natural) if recursive else []
        below = os.path.relpath(place, folder)
        for file in sorted(files, key=_natural):
            if file[0] != "." and _is_recording(file):
                yield Recording(str(Path(place, file)), "" if below == os.curdir else below)


def _matches(pattern: str) -> list[Recording]:
    paths = [path for path in glob.glob(pattern, recursive=True) if not _is_directory(path)]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not paths:
        raise UsageError(f"{quoted(pattern)} does not match any file: check the pattern")
    # The shell's "talks/*" may hit notes too; but who asks for "*.rec" gets those.
    recordings = [path for path in paths if _is_recording(path)] or paths
    root = _fixed_part(pattern)
    found = []
    for path in sorted(recordings, key=_natural):
        below = os.path.relpath(Path(path).parent, root or os.curdir)
        found.append(Recording(path, "" if below == os.curdir else below))
    return found


def _fixed_part(pattern: str) -> str:
    """The directories before the first part with a wildcard."""
    parts = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return str(Path(*parts)) if parts else ""


def _read_list(item: FileList) -> list[str]:
    label = "standard input" if item.name == STDIN else quoted(item.name)
    try:
        if item.name == STDIN:
            if sys.stdin is None or sys.stdin.isatty():
                raise AudioError("the list on standard input is missing: pipe one in")
            data = sys.stdin.buffer.read(_LIST_BYTES + 1)
        else:
            with Path(urls.local(item.name)).open("rb") as file:
                data = file.read(_LIST_BYTES + 1)
    except OSError as error:
        raise AudioError(
            f"the list {label} cannot be read ({reason(error)}): check its name"
        ) from error
    if len(data) > _LIST_BYTES:
        raise AudioError(
            f"the list {label} is larger than {_LIST_BYTES >> 20} MiB: name a list of files, or "
            "give it in parts"
        )
    if item.null_separated:
        names = [os.fsdecode(name) for name in data.split(b"\0") if name]
    else:
        if b"\0" in data:
            raise AudioError(
                f"the list {label} is not text: name one with a path a line, "
                "or give --null if its names end with NUL"
            )
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        texts = (os.fsdecode(line.removesuffix(b"\r")) for line in lines)
        names = [_entry(text) for text in texts if text.strip() and not text.startswith("#")]
    if not names:
        raise AudioError(f"the list {label} contains no names")
    if STDIN in names:
        raise AudioError(f'the list {label} contains "-": give it on the command line')
    return names


def _entry(text: str) -> str:
    # As a path, a URL in spaces would be printed with its secrets.
    return text.strip() if urls.is_url(text.strip()) else text


def _is_directory(name: str) -> bool:
    return os.path.isdir(name)  # noqa: PTH112 - answers for names that Path.is_dir raises on


def _is_recording(name: str) -> bool:
    return Path(name).suffix[1:].lower() in EXTENSIONS


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts "part 2" before "part 10"."""
    parts = re.split(r"(\d+)", name.casefold())
    # A server may send thousands of digits, which int refuses: nobody counts so far.
    numbered = [
        (0, int(part), "") if part.isdecimal() and len(part) <= _MOST_DIGITS else (1, 0, part)
        for part in parts
        if part
    ]
    return numbered, name
