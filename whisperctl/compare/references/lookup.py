"""Where references of several recordings come from: a folder, or a manifest.

A folder holds a file for each recording, of the same name but for the ending: ``talk.txt`` or
``talk.mp3.txt`` for ``talk.mp3``, at the top or in a subfolder like the recording's. ``.txt`` goes
before the other formats, in the order of ``formats.READABLE``. LibriSpeech's
``*.trans.txt`` are known too.

A manifest is a table with a header (``.csv``, ``.tsv``) or objects (``.jsonl``, or a list in
``.json``). ``audio`` is the recording, and ``text`` what is said or ``reference`` a file of it;
paths are relative to the manifest. Also known are NeMo's ``audio_filepath`` and ``text``, Hugging
Face's ``file_name`` and ``transcription``, and Common Voice's ``path`` and ``sentence``.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from whisperctl.compare.references import files
from whisperctl.compare.references.files import Reference
from whisperctl.errors import UsageError
from whisperctl.formats import READABLE
from whisperctl.text import quoted

_AUDIO = ("audio", "audio_filepath", "file_name", "path")
_TEXT = ("text", "transcription", "sentence")
_FILE = "reference"
_TRANS = ".trans.txt"


class ReferenceSource(Protocol):
    """References that are looked up by recording."""

    @property
    def contents(self) -> str:
        """What it has, to tell why nothing was found."""
        ...

    def find(self, label: str, path: Path | None) -> Reference | None:
        """The reference of a recording, by its label and its file; ``None`` if there is none.

        Raises:
            UsageError: there is one, but it is missing, no text, or empty.
            SubtitleError: it is not in the format that its name says.
        """
        ...


def opened(path: Path) -> ReferenceSource | None:
    """The references that a path leads to; ``None`` if it is a single one.

    Raises:
        UsageError: it is a manifest that is damaged.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:
        return None  # whoever reads it tells why it cannot be
    if is_folder:
        return Folder(path)
    suffix = path.suffix.lower()
    trans = path.name.lower().endswith(_TRANS)
    if not is_file or not (trans or suffix in (".csv", ".tsv", ".json", ".jsonl")):
        return None
    data = files.read_bytes(path)
    text = files.decoded(data, path)
    if trans:
        return Manifest(path, data, _trans(text))
    if suffix == ".jsonl":
        return Manifest(path, data, _json_lines(path, text))
    if suffix == ".json":
        listed = text.lstrip().startswith("[")  # a transcript is an object
        return Manifest(path, data, _json_list(path, text)) if listed else None
    header = text.lstrip().partition("\n")[0].lower()
    if header.startswith(("start,", "start\t")):
        return None  # a transcript's table
    delimiter = "\t" if suffix == ".tsv" else ";" if header.count(";") > header.count(",") else ","
    return Manifest(path, data, _table(path, text, delimiter))


class Folder:
    """A folder of references."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def contents(self) -> str:
        """What it does not have."""
        return f"{quoted(self._path)} has no file of a recording's name that ends in .txt or .srt"

    def find(self, label: str, path: Path | None) -> Reference | None:
        """The first file there is for a recording, see ``ReferenceSource``."""
        if path is None:
            return None
        for folder in self._folders(label, path):
            for stem in (path.name, path.stem):
                for suffix in ("txt", *READABLE):
                    candidate = folder / f"{stem}.{suffix}"
                    if _is_file(candidate):
                        return files.read(candidate)
            for trans in sorted(folder.glob(f"*{_TRANS}")):
                source = opened(trans)
                found = source.find(label, path) if source is not None else None
                if found is not None:
                    return found
        return None

    def _folders(self, label: str, path: Path) -> Iterator[Path]:
        """Where a recording's reference may be, the likeliest first."""
        own, top = path.absolute().parent, self._path.absolute()
        if own.is_relative_to(top):
            yield self._path / own.relative_to(top)
        above = Path(label).parent
        if above.parts and not above.is_absolute() and ".." not in above.parts:
            yield self._path / above
        yield self._path


@dataclass(frozen=True, slots=True)
class _Entry:
    """A recording in a manifest. ``text`` is what is said, or is in ``file``."""

    audio: str
    text: str
    file: str
    where: str


class Manifest:
    """A list of recordings and what is said in them."""

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
                    f"({known.where} and {entry.where}): leave one"
                )
            name = Path(entry.audio).name
            for key in {name, Path(name).stem}:
                by_name.setdefault(key, []).append(entry)
        if not by_name:
            raise UsageError(f"{quoted(path)} is no list of references: it names no recording")
        # A name that several have tells nothing.
        self._by_name = {name: found[0] for name, found in by_name.items() if len(found) == 1}

    @property
    def contents(self) -> str:
        """How many recordings it has."""
        n = len(self._by_path)
        return f"{quoted(self._path)} lists {n} other recording{'' if n == 1 else 's'}"

    def find(self, label: str, path: Path | None) -> Reference | None:
        """The entry of that file, else the only one of that name; see ``ReferenceSource``."""
        entry = self._by_path.get(_absolute(path)) if path is not None else None
        if entry is None and path is not None:
            entry = self._by_name.get(path.name) or self._by_name.get(path.stem)
        if entry is None:
            return None
        if entry.file:
            return files.read(self._path.parent / entry.file)
        name = f"{entry.where} of {quoted(self._path)}"
        return files.of_text(entry.text, self._path, self._data, name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long with another ending
        return False


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would ask the disk for every entry


def _trans(text: str) -> Iterator[_Entry]:
    """LibriSpeech: the recording's name without its ending, a space, and the text."""
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            audio, _, said = line.strip().partition(" ")
            yield _Entry(audio, said, "", f"line {i}")


def _table(path: Path, text: str, delimiter: str) -> Iterator[_Entry]:
    # Nothing is quoted in a .tsv, as in those of Common Voice and openai-whisper.
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
        raise UsageError(f"{quoted(path)} is damaged: {where} is no JSON ({error})") from error


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
            f'{quoted(path)} is no list of references: {where} has no "audio" with a "text" or a '
            '"reference"'
        )
    return _Entry(audio.strip(), text or "", file or "", where)
