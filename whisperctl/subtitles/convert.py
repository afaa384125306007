"""One subtitle format into another."""

from __future__ import annotations

from pathlib import Path

from whisperctl.audio.source import STDIN
from whisperctl.errors import OutputError, SubtitleError, UsageError
from whisperctl.formats import FORMATS, extension, writer
from whisperctl.storage.files import write_atomic
from whisperctl.subtitles.document import Subtitles
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.text import quoted


def output_format(target: str | Path) -> str:
    """The format that a file's name asks for.

    Raises:
        UsageError: its extension is that of no format that can be written.
    """
    name = Path(target).name.lower()
    for fmt in sorted(FORMATS, key=lambda fmt: -len(extension(fmt))):
        if name.endswith(f".{extension(fmt)}"):
            return fmt
    raise UsageError(
        f"{quoted(target)} has the extension of no format that can be written: say which with "
        f"--to ({', '.join(FORMATS)})"
    )


def check_target(source: str | Path, target: str | Path) -> None:
    """Refuse to write a file over the one that is read.

    Raises:
        UsageError: they are the same file, by whatever name.
    """
    if STDIN in (str(source), str(target)):
        return
    try:
        same = Path(source).samefile(target)
    except (OSError, ValueError):
        same = False
    if same:
        raise UsageError(f"{quoted(target)} is the input itself: give the result another name")


def check_cues(subtitles: Subtitles, name: str) -> None:
    """Refuse to write nothing instead of what could not be read.

    Raises:
        SubtitleError: all that the file holds was skipped.
    """
    if subtitles.n_unreadable and not subtitles.segments:
        raise SubtitleError(f"{name} holds no cue that can be read: name a subtitle file")


def write_file(
    subtitles: Subtitles, target: Path, fmt: str, options: SubtitleOptions = NO_LIMITS
) -> None:
    """Write ``subtitles`` whole or not at all.

    Raises:
        OutputError: it cannot be written, or would be empty where a file has something in it.
        UsageError: there is no such format.
    """
    write = writer(fmt)
    if not subtitles.say_something and _holds_something(target):
        raise OutputError(
            f"there is no text to write: {quoted(target)} is left as it is; remove it first if it "
            "should be empty"
        )
    transcript = subtitles.transcript()
    write_atomic(target, lambda out: write(transcript, out, options))


def _holds_something(target: Path) -> bool:
    try:
        return target.is_file() and target.stat().st_size > 0
    except (OSError, ValueError):
        return False
