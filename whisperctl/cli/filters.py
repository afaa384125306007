"""``whisperctl filters``: list, show, apply."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.options import with_flags
from whisperctl.cli.options.transcription import DecoderFlags, TrackFlags
from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, Group
from whisperctl.errors import OutputError, UsageError
from whisperctl.options import Topic
from whisperctl.text import quoted

if TYPE_CHECKING:
    from whisperctl.audio import BlockStream
    from whisperctl.audio.filters import FilterInfo, Parameter
    from whisperctl.plugins import Described

_ENCODINGS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}
"""Container and sample format by extension, as libsndfile names them."""

_MOST_WAV_SAMPLES = (1 << 30) - 1024
"""A wav file states its size in 32 bits."""

_Json = Annotated[bool, typer.Option("--json", help="Print a JSON document and nothing else.")]

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="List audio filters and their parameters, and apply them to a file.",
)


@app.callback()
def filters(ctx: typer.Context, as_json: _Json = False) -> None:
    """List audio filters and their parameters, and apply them to a file.

    Without a command, list the filters. transcribe and compare apply filters with --filter, such as
    --filter highpass:frequency=80.
    """
    if ctx.invoked_subcommand is None:
        list_filters(as_json=as_json)


@app.command("list", cls=Command)
def list_filters(as_json: _Json = False) -> None:
    """List installed filters and their parameters.

    For a filter that cannot be used, print why.
    """
    from whisperctl.audio.filters import registry

    found = registry.probe()
    if as_json:
        import json

        console.result(json.dumps([_fields(one) for one in found], indent=2))
        return
    for one in found:
        if one.info is None:
            console.result(f"{one.name}: not available: {one.problem}")
        else:
            _print(one.name, one.info)


@app.command("show", cls=Command)
def show_filter(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An installed filter, or a file such as ./mine.wasm.",
            autocompletion=completion.filters,
        ),
    ],
    as_json: _Json = False,
) -> None:
    """Show a filter's version and parameters, installed or in a file."""
    from whisperctl.audio.filters import registry
    from whisperctl.plugins import Described

    _, info = registry.load(name)
    if as_json:
        import json

        console.result(json.dumps(_fields(Described(name, info)), indent=2))
        return
    _print(name, info)
    console.result(f"    version {info.version}")


@app.command("apply", cls=Command)
@with_flags
def apply_filters(
    track: TrackFlags,
    decoder: DecoderFlags,
    source: Annotated[
        str, typer.Argument(metavar="IN", help='Audio or video file; "-" is standard input.')
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .wav or .flac.")],
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace an existing file.", rich_help_panel=Topic.OUTPUT.value
        ),
    ] = False,
) -> None:
    """Apply filters to a recording, and write the result to a file.

    The file has what a model would get: 16 kHz, mono, between -1 and 1; as 32-bit floats in wav,
    as 24-bit integers in flac.
    """
    from whisperctl import audio
    from whisperctl.storage.files import check_place

    if not track.filters:
        raise UsageError("no filter is given: add --filter NAME")
    if target.suffix.lower() not in _ENCODINGS:
        raise UsageError(f"{quoted(target)} is not a .wav or .flac file: change its extension")
    check_place(target, [source])
    if target.exists() and not force:
        raise OutputError(f"{quoted(target)} exists already: add --force to replace it")
    with audio.open_stream(
        source,
        track=track.audio_track,
        decoder=decoder.checked(),
        filters=track.filters,
    ) as stream:
        n_samples = _write(stream, target)
        for warning in stream.warnings:
            console.note(f"warning: {warning}")
    seconds = n_samples / audio.SAMPLE_RATE
    console.note(f"wrote {quoted(target)}: {seconds:.1f} s, {audio.SAMPLE_RATE} Hz, mono")


def _write(stream: BlockStream, target: Path) -> int:
    """Write a recording whole or not at all; the number of samples.

    Raises:
        OutputError: it cannot be written.
    """
    import soundfile

    from whisperctl.audio import SAMPLE_RATE
    from whisperctl.storage.files import cannot_write, reason, replacing

    container, encoding = _ENCODINGS[target.suffix.lower()]
    n_samples = 0
    try:
        with (
            replacing(target) as file,
            soundfile.SoundFile(
                file.fileno(), "w", SAMPLE_RATE, 1, encoding, format=container, closefd=False
            ) as out,
        ):
            for block in stream:
                n_samples += len(block)
                if container == "WAV" and n_samples > _MOST_WAV_SAMPLES:
                    raise OutputError(f"{quoted(target)} is too long for wav: write .flac")
                out.write(block)
    # soundfile asserts that all samples were written, as they are not on a full disk.
    except (OSError, soundfile.SoundFileError, AssertionError) as error:
        raise cannot_write(target, reason(error)) from error
    return n_samples


def _print(name: str, info: FilterInfo) -> None:
    console.result(f"{name}: {info.summary}")
    for parameter in info.parameters:
        console.result(f"    {_line(parameter)}")


def _line(parameter: Parameter) -> str:
    from whisperctl.audio.filters import registry

    parts = [registry.range_of(parameter)]
    if parameter.required:
        parts.append("required")
    elif parameter.default is not None:
        parts.append(f"default {registry.shown_value(parameter.default)}")
    return f"{parameter.name} ({', '.join(parts)}): {parameter.help}".rstrip(" :")


def _fields(found: Described[FilterInfo]) -> dict[str, object]:
    info = found.info
    if info is None:
        return {"name": found.name, "available": False, "problem": found.problem}
    return {
        "name": found.name,
        "available": True,
        "problem": None,
        "summary": info.summary,
        "version": info.version,
        "parameters": [
            {
                "name": one.name,
                "type": one.type,
                "default": one.default,
                "minimum": None if math.isinf(one.low) else one.low,
                "maximum": None if math.isinf(one.high) else one.high,
                "unit": one.unit,
                "choices": list(one.choices),
                "required": one.required,
                "help": one.help,
            }
            for one in info.parameters
        ],
    }
