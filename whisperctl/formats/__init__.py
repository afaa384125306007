"""The file formats a transcript can be written in, one module each.

A writer takes a transcript, a text stream (UTF-8 with line feeds) and the limits that subtitles are
to keep to; control characters in the texts are visible by then. To add a format, write such a
function in a module of its own and name it in ``FORMATS``, with the limits that it keeps to.
Everything here imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO

from whisperctl.errors import UsageError
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.text import unknown

if TYPE_CHECKING:
    from whisperctl.transcript import Transcript


class Writer(Protocol):
    """What writes one format."""

    def __call__(
        self, transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS
    ) -> None:
        """Write ``transcript`` to ``out``, which takes text and is left open."""


@dataclass(frozen=True, slots=True)
class Format:
    """A writer whose module is imported when it first writes: help names formats, no more.

    ``honours`` are the fields of ``SubtitleOptions`` that change what it writes,
    ``honours_highlighted`` those that do so only where words are highlighted.
    """

    module: str
    function: str
    honours: frozenset[str] = frozenset()
    honours_highlighted: frozenset[str] = frozenset()

    def __call__(
        self, transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS
    ) -> None:
        """Write ``transcript``; see ``Writer``."""
        write: Writer = getattr(import_module(f"whisperctl.formats.{self.module}"), self.function)
        write(transcript.visible(), out, options)

    def ignores(self, options: SubtitleOptions) -> tuple[str, ...]:
        """Names of the options that were given and change nothing in this format."""
        honoured = self.honours
        if options.highlight_words:
            honoured |= self.honours_highlighted
        return tuple(name for name in options.given if name not in honoured)


_ENDS = frozenset({"max_cps", "min_cue_gap_s"})
"""What moves the ends of cues, and nothing else."""

_LINES = frozenset({"max_line_width", "max_words_per_line", "split_sentences", "highlight_words"})
_ALL = _ENDS | _LINES | {"max_line_count"}

FORMATS: dict[str, Format] = {
    "txt": Format("txt", "write_txt"),
    "srt": Format("srt", "write_srt", _ALL),
    "vtt": Format("vtt", "write_vtt", _ALL),
    "ass": Format("ass", "write_ass", _ALL),
    # A cue has one line here, and no end but that of its last word if words have times.
    "lrc": Format("lrc", "write_lrc", _LINES, honours_highlighted=_ENDS),
    "tsv": Format("tsv", "write_tsv"),
    "csv": Format("comma_separated", "write_csv"),
    "json": Format("openai_json", "write_json"),
    "json-full": Format("whisper_cpp_json", "write_json_full"),
}
"""Every format, by the name a person gives it."""

ALL = "all"
"""The name that stands for every format."""


def writer(name: str) -> Writer:
    """The writer of the format called ``name``.

    Raises:
        UsageError: there is no such format.
    """
    if name in FORMATS:
        return FORMATS[name]
    raise UsageError(unknown("format", name, FORMATS))


def extension(name: str) -> str:
    """What the name of a file in this format ends in, without the dot.

    It is the format's name, but ``full.json`` for json-full, so that no two formats share a file.

    Raises:
        UsageError: there is no such format.
    """
    writer(name)
    return "full.json" if name == "json-full" else name


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
