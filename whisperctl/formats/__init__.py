"""The file formats a transcript can be written in, one module each.

A writer takes a transcript and a text stream, UTF-8 with line feeds. To add a format, write such a
function in a module of its own and name it in ``FORMATS``; the name is also the file extension.
Everything here imports only the standard library.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TextIO

from whisperctl.errors import UsageError
from whisperctl.formats.openai_json import write_json
from whisperctl.formats.srt import write_srt
from whisperctl.formats.txt import write_txt
from whisperctl.formats.vtt import write_vtt
from whisperctl.transcript import Transcript

Writer = Callable[[Transcript, TextIO], None]

FORMATS: dict[str, Writer] = {
    "txt": write_txt,
    "srt": write_srt,
    "vtt": write_vtt,
    "json": write_json,
}
"""Every writer, by the name a person gives it."""


def writer(name: str) -> Writer:
    """The writer of the format called ``name``.

    Raises:
        UsageError: there is no such format.
    """
    if name in FORMATS:
        return FORMATS[name]
    close = get_close_matches(name, FORMATS, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"choose from {', '.join(FORMATS)}"
    raise UsageError(f'format "{name}" is unknown; {hint}')


def extension(name: str) -> str:
    """What the names of files in the format called ``name`` end in."""
    writer(name)
    return name
