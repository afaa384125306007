"""``whisperctl probe``: container and audio tracks of media files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisperctl.audio.source import STDIN
from whisperctl.cli.options import with_flags
from whisperctl.cli.options.transcription import DecoderFlags
from whisperctl.cli.support import console
from whisperctl.cli.support.command import ConfiguredCommand
from whisperctl.errors import UsageError, WhisperctlError
from whisperctl.options import Topic
from whisperctl.text import visible

if TYPE_CHECKING:
    from whisperctl.audio.decoders import MediaInfo, Track

_LONGEST = 40


class ProbeCommand(ConfiguredCommand):
    """``probe``, whose ``--json`` is its own."""

    apart = frozenset({"json"})


@with_flags
def probe(
    decoder: DecoderFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help='Audio or video files; "-" is standard input.',
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON document and nothing else.",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = False,
) -> None:
    """Show container, audio tracks and duration of media files.

    The number and language of a track are what --audio-track takes. A duration that no header
    states is an estimate, shown with "~". A file that fails does not stop the others; the exit code
    is then 1.
    """
    from whisperctl.audio.decoders.media import MediaReader

    if not files:
        raise UsageError('no input files: pass one or more files, or "-" for standard input')
    if files.count(STDIN) > 1:
        raise UsageError('standard input can be read only once: give "-" once')
    name = decoder.checked()
    documents = []
    failed = False
    for file in files:
        try:
            with MediaReader(file, decoder=name) as media:
                by, info = media.probe()
        except WhisperctlError as error:
            console.error(str(error))
            failed = True
            continue
        if as_json:
            documents.append(_fields(file, by, info))
        else:
            _print(media.source.name, by, info)
    if as_json:
        import json

        console.result(json.dumps(documents, indent=2))
    if failed:
        raise typer.Exit(1)


def _fields(file: str, by: str, info: MediaInfo) -> dict[str, Any]:
    from whisperctl.storage import urls

    tracks = [
        {
            "number": track.number,
            "codec": track.codec or None,
            "sample_rate": track.sample_rate,
            "channels": track.channels,
            "language": track.language or None,
            "title": track.title or None,
            "default": track.default,
            "duration_s": _finite(track.stated_s),
        }
        for track in info.tracks
    ]
    return {
        "file": urls.shown(file),
        "decoder": by,
        "container": info.container,
        "expected_duration_s": _finite(info.expected_s),
        "tracks": tracks,
    }


def _print(name: str, by: str, info: MediaInfo) -> None:
    from whisperctl.audio.decoders import language_name

    console.result(f"{visible(name)}: {visible(info.container)}, read by {by}")
    rows = [
        (
            str(track.number),
            track.codec or "unknown",
            f"{track.sample_rate} Hz",
            str(track.channels),
            language_name(track),
            "yes" if track.default else "",
            _duration(track, info),
            track.title,
        )
        for track in info.tracks
    ]
    if not rows:
        console.result("  no audio track")
        return
    heads = ("track", "codec", "rate", "channels", "language", "default", "duration", "title")
    console.table(heads, rows, indent="  ", longest=_LONGEST)


def _duration(track: Track, info: MediaInfo) -> str:
    from whisperctl.text import timestamp

    stated_s, expected_s = _finite(track.stated_s), _finite(info.expected_s)
    if stated_s is not None:
        return timestamp(stated_s)
    return "unknown" if expected_s is None else f"~{timestamp(expected_s)}"


def _finite(time_s: float | None) -> float | None:
    """A time that JSON has, and people."""
    return time_s if time_s is not None and math.isfinite(time_s) else None
