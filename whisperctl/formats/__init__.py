"""The file formats of transcripts: a module a format, and the entries that everything else follows.

An entry of ``_ENTRIES`` says how a format is called, what its files end in, which functions write,
read and recognize it, and which layout options it honours. Help, completion, ``--from``, ``--to``,
``all`` and the warnings about options without effect follow from it, so a new format is a module
and an entry.

A writer takes a transcript, a text stream (UTF-8 with line feeds) and the layout options; control
characters in the texts are visible by then. A reader takes a file's text, with line feeds, and
returns what it found. Everything here imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from whisperctl.errors import UsageError
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.text import quoted, unknown

if TYPE_CHECKING:
    from whisperctl.subtitles.document import Found
    from whisperctl.transcript import Transcript


class Writer(Protocol):
    """A function that writes one format."""

    def __call__(
        self, transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS
    ) -> None:
        """Write ``transcript`` to ``out``, which takes text and is left open."""


class Likelihood(IntEnum):
    """Likelihood that a text is in a format."""

    NO = 0
    POSSIBLE = 1
    """Some line looks like it."""
    LIKELY = 2
    """It begins like it, or has its sections."""
    DECLARED = 3
    """Its first line names the format, which counts more than the file's name."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name, its files' extension, its functions, and the options it honours.

    ``writer``, ``reader`` and ``sniffer`` are functions of a module here, as ``"module.function"``;
    the module is imported when the function is first called. A format without a writer is read
    only; ``retimer`` moves the times in a text. ``read_as`` is the format whose reader reads this
    one, too. ``honours`` are the fields of
    ``SubtitleOptions`` that change what is written, ``honours_highlighted`` those that do so only
    where words are highlighted.
    """

    name: str
    writer: str = ""
    reader: str = ""
    sniffer: str = ""
    retimer: str = ""
    extension: str = ""
    read_as: str = ""
    honours: frozenset[str] = frozenset()
    honours_highlighted: frozenset[str] = frozenset()

    def write(
        self, transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS
    ) -> None:
        """Write ``transcript``; see ``Writer``."""
        write: Writer = _function(self.writer)
        write(transcript.visible(), out, options)

    def read(self, text: str) -> Found:
        """Read the text of a file.

        Raises:
            ValueError: it is not in this format.
        """
        found: Found = _function(self.reader)(text)
        return found

    def retime(self, text: str, move: Callable[[float], float]) -> str:
        """``text``, in this format, with each time ``move`` makes of it; all else stays.

        Raises:
            UsageError: that is not possible in this format.
        """
        if not self.retimer:
            able = listed([name for name, entry in READABLE.items() if entry.retimer])
            raise UsageError(f"times of {self.name} cannot be moved: convert it to {able} first")
        moved: str = _function(self.retimer)(text, move)
        return moved

    def sniff(self, head: str) -> Likelihood:
        """Likelihood that a text, or the beginning of a long one, is in this format."""
        if not self.sniffer:
            return Likelihood.NO
        likelihood: Likelihood = _function(self.sniffer)(head)
        return likelihood

    def ignores(self, options: SubtitleOptions) -> tuple[str, ...]:
        """Names of the options that were given and change nothing in this format."""
        honoured = self.honours
        if options.highlight_words:
            honoured |= self.honours_highlighted
        return tuple(name for name in options.given if name not in honoured)


def _function(name: str) -> Any:
    module, _, function = name.partition(".")
    return getattr(import_module(f"whisperctl.formats.{module}"), function)


_ENDS = frozenset({"max_cps", "min_cue_gap_s", "min_duration_s"})
"""Options that move the ends of cues, and nothing else."""

_LINES = frozenset(
    {
        "profile",
        "max_line_width",
        "max_words_per_line",
        "max_duration_s",
        "split_sentences",
        "highlight_words",
    }
)
_LAYOUT = _ENDS | _LINES | {"max_line_count"}

_ASS = frozenset({"ass_font", "ass_font_size", "ass_color", "ass_outline_color"})

_ENTRIES = (
    Format("txt", "tables.write_txt"),
    Format(
        "srt", "srt.write_srt", "srt.read_srt", "srt.sniff_srt", "srt.retime_srt", honours=_LAYOUT
    ),
    Format(
        "vtt", "vtt.write_vtt", "vtt.read_vtt", "vtt.sniff_vtt", "vtt.retime_vtt", honours=_LAYOUT
    ),
    Format(
        "ass",
        "ass.write_ass",
        "ass.read_ass",
        "ass.sniff_ass",
        "ass.retime_ass",
        honours=_LAYOUT | _ASS,
    ),
    Format("ssa", "", "ass.read_ass", "ass.sniff_ssa", "ass.retime_ass"),
    # A cue has one line here, and no end but that of its last word if words have times.
    Format(
        "lrc",
        "lrc.write_lrc",
        "lrc.read_lrc",
        "lrc.sniff_lrc",
        "lrc.retime_lrc",
        honours=_LINES,
        honours_highlighted=_ENDS,
    ),
    Format("tsv", "tables.write_tsv", "tables.read_tsv", "tables.sniff_tsv"),
    Format("csv", "tables.write_csv", "tables.read_csv", "tables.sniff_csv"),
    Format("json", "openai_json.write_json", "openai_json.read_json", "openai_json.sniff_json"),
    # Not "json", so that no two formats share a file.
    Format("json-full", "whisper_cpp_json.write_json_full", extension="full.json", read_as="json"),
)

FORMATS: dict[str, Format] = {entry.name: entry for entry in _ENTRIES if entry.writer}
"""Formats that a transcript can be written in, by name."""

READABLE: dict[str, Format] = {entry.name: entry for entry in _ENTRIES if entry.reader}
"""Formats that can be read, by name; ``json`` is openai-whisper's as well as whisper.cpp's."""

_SNIFFED_CHARACTERS = 100_000

ALL = "all"
"""The name that stands for every format that can be written."""


def writer(name: str) -> Writer:
    """The writer of the format called ``name``.

    Raises:
        UsageError: there is no such format.
    """
    if name not in FORMATS:
        raise UsageError(unknown("format", name, FORMATS))
    return FORMATS[name].write


def readable(name: str) -> Format:
    """The format to read files of the format called ``name`` with, in any case of letters.

    Raises:
        UsageError: there is no such format, or it cannot be read.
    """
    name = name.lower()
    if name in FORMATS:
        name = FORMATS[name].read_as or name
    if name not in READABLE:
        raise UsageError(unknown("format", name, READABLE))
    return READABLE[name]


def extension(name: str) -> str:
    """The extension of files in the format called ``name``, without a dot in front.

    Raises:
        UsageError: there is no such format.
    """
    writer(name)
    return FORMATS[name].extension or name


def output_format(target: str | Path) -> str:
    """The format that a file's name asks for.

    Raises:
        UsageError: the extension is not that of a format that can be written.
    """
    name = Path(target).name.lower()
    for fmt in sorted(FORMATS, key=lambda fmt: -len(extension(fmt))):
        if name.endswith(f".{extension(fmt)}"):
            return fmt
    raise UsageError(
        f"cannot tell the output format from {quoted(target)}: name it with --to "
        f"({', '.join(FORMATS)})"
    )


def sniffed(text: str, least: Likelihood = Likelihood.POSSIBLE) -> Format | None:
    """The format that a text is most likely in, if one is at least as likely as ``least``."""
    head = text.lstrip()[:_SNIFFED_CHARACTERS]
    likelihoods = {name: entry.sniff(head) for name, entry in READABLE.items()}
    name = max(likelihoods, key=likelihoods.__getitem__)
    return READABLE[name] if likelihoods[name] >= least else None


def parse(asked: Iterable[str]) -> list[str]:
    """Names of formats, each once, from options that may each hold several with commas.

    ``all`` is every one of them.

    Raises:
        UsageError: a format is unknown, or a name is empty.
    """
    names: list[str] = []
    for name in (name.strip().lower() for option in asked for name in option.split(",")):
        if name == ALL:
            names += FORMATS
        else:
            writer(name)
            names.append(name)
    return list(dict.fromkeys(names))


def listed(names: Collection[str]) -> str:
    """``a, b or c``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
