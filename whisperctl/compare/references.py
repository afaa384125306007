"""References of recordings: their correct transcripts, to count errors against.

A reference is a file of plain text, subtitles, or a transcriber's JSON. References of several
recordings come from directories or lists.

A directory holds a file for each recording with the same name but for the extension: ``talk.txt``
or ``talk.mp3.txt`` for ``talk.mp3``, at the top or in a subdirectory like that of the recording.
``.txt`` takes precedence over the other formats, which follow in the order of ``READABLE``.
LibriSpeech's ``*.trans.txt`` are supported.

A list is a table with a header (``.csv``, ``.tsv``) or a sequence of objects (``.jsonl``, or
``.json`` with a list). ``audio`` is the recording, ``text`` its transcript, or ``reference`` a file
of that; paths are relative to the list. The names of NeMo (``audio_filepath``, ``text``), Hugging
Face (``file_name``, ``transcription``) and Common Voice (``path``, ``sentence``) work too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from whisperctl.compare.plan import portable
from whisperctl.compare.result import Reference
from whisperctl.errors import UsageError
from whisperctl.formats import READABLE, encoding, reading
from whisperctl.storage import urls
from whisperctl.storage.files import reason
from whisperctl.subtitles import markup
from whisperctl.text import quoted, visible

_AUDIO = ("audio", "audio_filepath", "file_name", "path")
_TEXT = ("text", "transcription", "sentence")
_FILE = "reference"
_TRANS = ".trans.txt"
_MAX_BYTES = 256 * 2**20
"""Same limit as for subtitle files. A video given by mistake is larger."""


def find(
    given: Sequence[Path | str], recordings: Sequence[tuple[str, Path | None]]
) -> tuple[Reference | None, ...]:
    """Find the references of recordings.

    Args:
        given: files in the order of the recordings; or directories and lists, of which the first
            that has a reference for a recording is used.
        recordings: label and file of each recording; the file is ``None`` for standard input.

    Returns:
        One item for each recording, ``None`` if it has no reference.

    Raises:
        UsageError: a file does not exist, is not text, or contains no words; the number of files is
            not that of recordings; or no recording has a reference.
        SubtitleError: a file is not in the format of its name.
    """
    if not given:
        return (None,) * len(recordings)
    if "" in given:  # such as an unset variable; as a path it would be the current directory
        raise UsageError("a reference has an empty name: give a file, a directory or a list")
    paths = [Path(urls.local(str(path))) for path in given]
    sources = [open_source(path) for path in paths]
    collections = [source for source in sources if source is not None]
    if not collections:
        # Read first: for a missing directory, the number of files is not the problem.
        references = tuple(read(path) for path in paths)
        if len(paths) != len(recordings):
            raise UsageError(
                f"{_counted(len(paths), 'reference')} for "
                f"{_counted(len(recordings), 'recording')}: give as many references, or a "
                "directory or list of them"
            )
        return references
    if len(collections) != len(paths):
        single = next(p for p, source in zip(paths, sources, strict=True) if source is None)
        raise UsageError(
            f"{quoted(single)} is a single reference and the others are directories or lists: give "
            "either one file for each recording, or directories and lists"
        )
    found = tuple(_first(collections, label, path) for label, path in recordings)
    if not any(found):
        reasons = "; ".join(source.contents for source in collections)
        raise UsageError(f"no recording has a reference: {reasons}")
    return found


def _first(sources: Sequence[ReferenceSource], label: str, path: Path | None) -> Reference | None:
    for source in sources:
        if (reference := source.find(label, path)) is not None:
            return reference
    return None


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def read(path: Path) -> Reference:
    """Read a reference. Its extension decides the format; unknown ones mean plain text.

    Raises:
        UsageError: it does not exist, is not text in UTF-8, or contains no words.
        SubtitleError: it is not in the format of its name.
    """
    data = read_bytes(path)
    text = decoded(data, path)
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in READABLE:
        segments = reading.parse(data, suffix, quoted(path)).segments
        text = " ".join(markup.plain(segment.text).strip() for segment in segments)
    return of_text(text, path, data, quoted(path))


def of_text(text: str, path: Path, data: bytes, name: str) -> Reference:
    """Make a reference from its text.

    Args:
        text: the transcript; surrounding white space is removed.
        path: the file that contains it.
        data: bytes of that file.
        name: name for error messages.

    Raises:
        UsageError: it contains no words.
    """
    # JSON may contain lone surrogates, which cannot be encoded.
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    text = visible(text, prose=True).strip()
    if not text:
        raise UsageError(f"{name} contains no words: give the transcript of the recording")
    return Reference(portable(path), hashlib.sha256(data).hexdigest(), text)


def read_bytes(path: Path) -> bytes:
    """Read a file, which may be a pipe.

    Raises:
        UsageError: it cannot be read, or is too large to be text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"the reference {quoted(path)} does not exist: check the name") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"the reference {quoted(path)} cannot be read: {reason(error)}") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(
            f"{quoted(path)} is too large to be text: give the transcript of the recording"
        )
    return data


def decoded(data: bytes, path: Path) -> str:
    """Decode text in UTF-8, or in the encoding of its byte order mark.

    Raises:
        UsageError: it is in another encoding, where wrongly guessed letters would count as errors.
    """
    try:
        text, name = encoding.decode(data)
    except encoding.UnsureError:
        text, name = "", "unknown"
    except ValueError:
        text, name = "\0", ""
    if "\0" in text:
        raise UsageError(f"{quoted(path)} is not text: give the transcript of the recording")
    if not name.startswith("utf-"):
        raise UsageError(f"{quoted(path)} is not UTF-8: save it as UTF-8, or convert it with iconv")
    return text


class ReferenceSource(Protocol):
    """Collection of references by recording."""

    @property
    def contents(self) -> str:
        """Description of its contents, for the message that nothing was found."""
        ...

    def find(self, label: str, path: Path | None) -> Reference | None:
        """Reference of a recording, given its label and file; ``None`` if there is none.

        Raises:
            UsageError: its file does not exist, is not text, or is empty.
            SubtitleError: its file is not in the format of its name.
        """
        ...


def open_source(path: Path) -> ReferenceSource | None:
    """Open a directory or list of references; ``None`` if the path is a single reference.

    Raises:
        UsageError: a list is damaged.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:
        return None  # reading it will fail with the reason
    if is_folder:
        return Folder(path)
    suffix = path.suffix.lower()
    trans = path.name.lower().endswith(_TRANS)
    if not is_file or not (trans or suffix in (".csv", ".tsv", ".json", ".jsonl")):
        return None
    data = read_bytes(path)
    text = decoded(data, path)
    if trans:
        return ReferenceList(path, data, _trans(text))
    if suffix == ".jsonl":
        return ReferenceList(path, data, _json_lines(path, text))
    if suffix == ".json":
        listed = text.lstrip().startswith("[")  # a transcript is an object
        return ReferenceList(path, data, _json_list(path, text)) if listed else None
    header = text.lstrip().partition("\n")[0].lower()
    if header.startswith(("start,", "start\t")):
        return None  # a transcript's table
    delimiter = "\t" if suffix == ".tsv" else ";" if header.count(";") > header.count(",") else ","
    return ReferenceList(path, data, _table(path, text, delimiter))


class Folder:
    """Directory of references."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def contents(self) -> str:
        """Description of what was not found."""
        return f"{quoted(self._path)} has no .txt or .srt file with the name of a recording"

    def find(self, label: str, path: Path | None) -> Reference | None:
        """First existing file for a recording, see ``ReferenceSource``."""
        if path is None:
            return None
        for folder in self._folders(label, path):
            for stem in (path.name, path.stem):
                for suffix in ("txt", *READABLE):
                    candidate = folder / f"{stem}.{suffix}"
                    if _is_file(candidate):
                        return read(candidate)
            for trans in sorted(folder.glob(f"*{_TRANS}")):
                source = open_source(trans)
                found = source.find(label, path) if source is not None else None
                if found is not None:
                    return found
        return None

    def _folders(self, label: str, path: Path) -> Iterator[Path]:
        """Directories to search for the reference of a recording, in order."""
        own, top = path.absolute().parent, self._path.absolute()
        if own.is_relative_to(top):
            yield self._path / own.relative_to(top)
        above = Path(label).parent
        if above.parts and not above.is_absolute() and ".." not in above.parts:
            yield self._path / above
        yield self._path


@dataclass(frozen=True, slots=True)
class _Entry:
    """Entry of a list. The transcript is ``text``, or else in ``file``."""

    audio: str
    text: str
    file: str
    where: str


class ReferenceList:
    """List of recordings with their transcripts."""

    def __init__(self, path: Path, data: bytes, entries: Iterator[_Entry]) -> None:
        self._path = path
        self._data = data
        self._by_path: dict[str, _Entry] = {}
        by_name: dict[str, list[_Entry]] = {}
        for entry in entries:
            known = self._by_path.setdefault(_absolute(path.parent / entry.audio), entry)
            if known is not entry and (known.text, known.file) != (entry.text, entry.file):
                raise UsageError(
                    f"{quoted(path)} has two references for {quoted(entry.audio)} "
                    f"({known.where} and {entry.where}): remove one"
                )
            name = Path(entry.audio).name
            for key in {name, Path(name).stem}:
                by_name.setdefault(key, []).append(entry)
        if not by_name:
            raise UsageError(
                f"{quoted(path)} is not a list of references: it contains no recordings"
            )
        # A name of several recordings is ambiguous.
        self._by_name = {name: found[0] for name, found in by_name.items() if len(found) == 1}

    @property
    def contents(self) -> str:
        """Number of its recordings."""
        n = len(self._by_path)
        return f"{quoted(self._path)} lists {n} other recording{'' if n == 1 else 's'}"

    def find(self, label: str, path: Path | None) -> Reference | None:
        """Entry with that path, or else the only one with that name; see ``ReferenceSource``."""
        entry = self._by_path.get(_absolute(path)) if path is not None else None
        if entry is None and path is not None:
            entry = self._by_name.get(path.name) or self._by_name.get(path.stem)
        if entry is None:
            return None
        if entry.file:
            return read(self._path.parent / entry.file)
        name = f"{entry.where} of {quoted(self._path)}"
        return of_text(entry.text, self._path, self._data, name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long with another extension
        return False


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would access the disk for every entry


def _trans(text: str) -> Iterator[_Entry]:
    """Lines of LibriSpeech: the name of the recording without extension, a space, the text."""
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            audio, _, transcript = line.strip().partition(" ")
            yield _Entry(audio, transcript, "", f"line {i}")


def _table(path: Path, text: str, delimiter: str) -> Iterator[_Entry]:
    # A .tsv has no quoting, as in Common Voice and openai-whisper.
    source = io.StringIO(text, newline="")
    if delimiter == "\t":
        rows = csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(source, delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip().lower() for cell in row]
                continue
            where = f"line {rows.line_num}"
            if len(row) != len(header):
                raise UsageError(
                    f"{quoted(path)} is damaged: {where} has {len(row)} columns, not {len(header)}"
                )
            yield _entry(path, dict(zip(header, row, strict=True)), where)
    except csv.Error as error:
        raise UsageError(f"{quoted(path)} is damaged at line {rows.line_num}: {error}") from error


def _json_lines(path: Path, text: str) -> Iterator[_Entry]:
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _entry(path, _parsed(path, line, f"line {i}"), f"line {i}")


def _json_list(path: Path, text: str) -> Iterator[_Entry]:
    items = _parsed(path, text, "its text")
    for i, item in enumerate(items if isinstance(items, list) else [], 1):
        yield _entry(path, item, f"item {i}")


def _parsed(path: Path, text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{quoted(path)} is damaged: {where} is not valid JSON ({error})"
        ) from error


def _entry(path: Path, fields: object, where: str) -> _Entry:
    if not isinstance(fields, Mapping):
        fields = {}
    audio, text = (
        next((fields[name] for name in names if isinstance(fields.get(name), str)), None)
        for names in (_AUDIO, _TEXT)
    )
    file = fields.get(_FILE)
    file = file.strip() if isinstance(file, str) else None
    if audio is None or not audio.strip() or (text is None and file is None):
        raise UsageError(
            f'{quoted(path)} is not a list of references: {where} has no "audio" with a "text" '
            'or a "reference"'
        )
    return _Entry(audio.strip(), text or "", file or "", where)
