"""``whisperctl filters``: list, show, apply, bench, stress."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisperctl.cli import completion
from whisperctl.cli.options import with_flags
from whisperctl.cli.options.transcription import DecoderFlags, TrackFlags
from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, ConfiguredCommand, Group
from whisperctl.errors import OutputError, UsageError, WhisperctlError
from whisperctl.options import Topic
from whisperctl.text import quoted

if TYPE_CHECKING:
    from whisperctl.audio import BlockStream
    from whisperctl.audio.filters import FilterInfo, Parameter
    from whisperctl.audio.filters.registry import FilterSpec
    from whisperctl.compare.filters import FilterCost, Growth
    from whisperctl.plugins import Described

_ENCODINGS = {".wav": ("WAV", "FLOAT"), ".flac": ("FLAC", "PCM_24")}
"""Container and sample format by extension, as libsndfile names them."""

_MOST_WAV_SAMPLES = (1 << 30) - 1024
"""A wav file states its size in 32 bits."""

_RETRIED_BYTES = 1 << 20

_CHAIN_S = 600.0
_PLOT_WIDTH, _PLOT_HEIGHT = 60, 12
_PLOT_MARKS = "o+"
_MOST_BLOCK = 65_536
_MOST_MEMORY_BYTES = 8 << 30

_Json = Annotated[bool, typer.Option("--json", help="Print a JSON document and nothing else.")]


def _block_option(default: str) -> Any:
    return typer.Option(
        metavar="SAMPLES",
        min=1,
        max=_MOST_BLOCK,
        help=f"Block size; may be repeated. Default: {default}.",
        rich_help_panel=Topic.MEASURING.value,
    )


app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="List, apply and measure audio filters.",
)


@app.callback()
def filters(ctx: typer.Context, as_json: _Json = False) -> None:
    """List, apply and measure audio filters.

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
            console.paragraph(f"{one.name}: not available: {one.problem}", indent=4)
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


class ApplyCommand(ConfiguredCommand):
    """``filters apply``, whose ``--force`` is its own."""

    group = "filters"
    apart = frozenset({"force"})


@app.command("apply", cls=ApplyCommand)
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


@app.command("bench", cls=Command)
def bench_filters(
    filters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILTER]...",
            help="Filters, such as gain:db=3 or ./mine.wasm; default: all that are installed.",
            autocompletion=completion.filters,
        ),
    ] = None,
    block: Annotated[
        list[int] | None,
        _block_option("128 to 16384, in powers of two"),
    ] = None,
    time: Annotated[
        float,
        typer.Option(
            "--time",
            metavar="SECONDS",
            min=0,
            max=3600,
            help="Measure for about this long in all.",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = 20.0,
    as_json: _Json = False,
) -> None:
    """Measure the time that filters take.

    Print the time of a block and of a second of audio. A filter in WebAssembly is compared with the
    same in NumPy or SciPy, if there is one, and the time of a block is divided into the call, the
    copies and the work. Start-up is measured too. Several filters that are named are also measured
    as a chain, on ten minutes of audio.
    """
    from whisperctl.audio.filters import registry
    from whisperctl.compare import filters as measuring
    from whisperctl.compare.conclude import describe_machine
    from whisperctl.compare.reports.figures import machine_text

    specs = registry.parse_all(filters) if filters else tuple(_installed())
    blocks = sorted(set(block)) if block else measuring.BLOCKS
    machine = describe_machine()
    costs = []
    for spec in specs:
        cost = measuring.bench(spec, blocks, time / len(specs))
        costs.append(cost)
        if not as_json:
            _print_cost(cost)
    chain_s = measuring.chain_s(specs, _CHAIN_S) if filters and len(specs) > 1 else None
    if as_json:
        _print_json(machine=machine, filters=costs, chain_s=chain_s)
        return
    if chain_s is not None:
        console.result(f"chain of {len(specs)} filters, {_CHAIN_S:g} s of audio: {chain_s:.2f} s\n")
    console.result(machine_text(machine))


@app.command("stress", cls=Command)
def stress_filter(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[FILTER]",
            help="A filter, such as gain:db=3 or ./mine.wasm; default: gain.",
            autocompletion=completion.filters,
        ),
    ] = "gain",
    block: Annotated[
        list[int] | None,
        _block_option("1024"),
    ] = None,
    audio: Annotated[
        str,
        typer.Option(
            "--audio",
            metavar="SIZE",
            help="Audio that each instance holds in memory; 0 is one block for all.",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = "4M",
    instances: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=1_000_000,
            help="Stop at this number of instances.",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = 20_000,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Stop at this much memory. Default: half of what is available, at most 8G.",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = None,
    time: Annotated[
        float,
        typer.Option(
            "--time",
            metavar="SECONDS",
            min=0.1,
            max=3600,
            help="Measure for at most this long in all.",
            rich_help_panel=Topic.MEASURING.value,
        ),
    ] = 60.0,
    as_json: _Json = False,
) -> None:
    """Measure how many instances of a filter run at once.

    Open more and more, each with its own buffers and audio, and give each a block in turn, on one
    thread, until that takes longer than a block lasts, the machine refuses another instance, or a
    limit is reached. A filter in WebAssembly is compared with the same in NumPy or SciPy.
    """
    from whisperctl.audio.filters import registry
    from whisperctl.compare import filters as measuring
    from whisperctl.compare.conclude import describe_machine
    from whisperctl.compare.reports.figures import machine_text
    from whisperctl.jobs.job import size_bytes, size_text

    spec = registry.parse(name)
    half = measuring.available_bytes() // 2
    bounds = measuring.Bounds(
        instances,
        min(half, _MOST_MEMORY_BYTES) if memory is None else size_bytes(memory),
        time,
    )
    if not bounds.memory_bytes:
        raise UsageError("memory must be more than 0: write a size such as 2G or 500M")
    audio_bytes = size_bytes(audio)
    if audio_bytes > bounds.memory_bytes:
        raise UsageError(
            f"--audio {quoted(audio)} is more than the limit of memory, "
            f"{size_text(bounds.memory_bytes)}: choose less, or a larger --memory"
        )
    if audio_bytes > half:  # the first instance holds a copy of what the others are given
        raise UsageError(
            f"--audio {quoted(audio)} is more than half of the available memory, "
            f"{size_text(half)}: choose less"
        )
    blocks = sorted(set(block)) if block else (1024,)
    machine = describe_machine()
    growths: list[Growth] = []
    interrupted: KeyboardInterrupt | None = None
    try:
        growths.extend(measuring.stress(spec, blocks, audio_bytes, bounds))
    except KeyboardInterrupt as error:
        interrupted = error
    if as_json:
        _print_json(
            machine=machine,
            filter=spec.text,
            audio_bytes=audio_bytes,
            bounds=bounds,
            growths=growths,
        )
    else:
        held = f"{size_text(audio_bytes)} of audio each" if audio_bytes else "no audio of their own"
        for size in blocks:
            found = [one for one in growths if one.block == size]
            if found:
                ms = found[0].deadline_ms
                console.result(f"{spec.text}, blocks of {size} samples ({ms:g} ms), {held}")
                _print_growths(found)
        console.result(machine_text(machine))
    if interrupted or any(one.end == "interrupted" for one in growths):
        raise interrupted or KeyboardInterrupt


def _installed() -> Iterator[FilterSpec]:
    """Installed filters with their defaults; those that cannot be used so are noted."""
    from whisperctl.audio.filters import registry

    for one in registry.probe():
        try:
            yield registry.parse(one.name)
        except WhisperctlError as error:
            console.note(f"warning: {one.name} is not measured: {error}")


def _print_json(**fields: object) -> None:
    import json

    from whisperctl.storage import records

    console.result(json.dumps(records.plain(fields), indent=2))


def _print_cost(cost: FilterCost) -> None:
    from whisperctl.audio import SAMPLE_RATE
    from whisperctl.compare.statistics import shown

    def us(time_us: float | None) -> str:
        return "" if time_us is None else shown(time_us, "ms")

    console.result(f"{cost.filter}, in {cost.technology}")
    rows = []
    for one in cost.blocks:
        per_s = SAMPLE_RATE / one.block / 1000
        ratio = "" if one.python_us is None else shown(one.filter_us / one.python_us, "times")
        times = (one.filter_us, one.call_us, one.copies_us, one.work_us, one.python_us)
        both = (one.filter_us, one.python_us)
        rows.append(
            (
                str(one.block),
                *map(us, times),
                ratio,
                *("" if time is None else _short(time * per_s) for time in both),
            )
        )
    python = cost.python or "Python"
    heads = (
        *("block", "total us", "call", "copies", "work", f"{python} us", "ratio"),
        *("ms/s", f"{python} ms/s"),
    )
    console.table(heads, rows, indent="  ")
    starts = ", ".join(f"{name} {shown(ms, 'ms')} ms" for name, ms in cost.starts_ms.items())
    if starts:
        console.result(f"  start: {starts}")
    console.result("")


def _print_growths(growths: Sequence[Growth]) -> None:
    from whisperctl.compare.statistics import shown

    loads = [{load.n_instances: load for load in one.loads} for one in growths]
    heads = ["instances"]
    for one in growths:
        heads += [f"{one.technology} ms", "slowest", "", "memory"]
    rows = []
    for n in sorted(set().union(*loads)):
        row = [str(n)]
        for one, by_count in zip(growths, loads, strict=True):
            load = by_count.get(n)
            row += (
                ["", "", "", ""]
                if load is None
                else [
                    _short(load.round_ms),
                    _short(max(load.rounds_ms)),
                    "late" if load.round_ms > one.deadline_ms else "",
                    shown(load.memory_bytes, "bytes"),
                ]
            )
        rows.append(tuple(row))
    if rows:
        console.table(heads, rows, indent="  ")
    for line in _plot(growths):
        console.result(f"  {line}".rstrip())
    for one in growths:
        console.result(f"  {one.technology}: {_verdict(one)}")
    console.result("")


def _short(ms: float) -> str:
    from whisperctl.compare.statistics import shown

    return shown(ms, "ms") if ms >= 0.1 else f"{ms:.2g}"


def _verdict(growth: Growth) -> str:
    kept = f"{growth.most} at once kept the deadline, and"
    at = growth.end_count
    opened = f"; opening one took {_short(growth.open_ms)} ms" if growth.open_ms else ""
    broke = {
        "deadline": f"at {at} blocks took longer than they last",
        "refused": f"number {at} was refused: {growth.reason}",
        "memory": f"at {at} the limit of memory was reached",
        "time": f"at {at} the limit of time was reached",
        "instances": f"{at} was the limit",
        "interrupted": f"at {at} it was interrupted",
    }[growth.end]
    return f"{kept} {broke}{opened}"


def _plot(growths: Sequence[Growth]) -> Iterator[str]:
    """Times of rounds as shares of the deadline, by the number of instances; both logarithmic."""
    points = [
        (mark, math.log10(load.n_instances), math.log10(load.round_ms / one.deadline_ms))
        for mark, one in zip(_PLOT_MARKS, growths, strict=False)
        for load in one.loads
    ]
    if not points:
        return
    right = max(1.0, *(x for _, x, _ in points))
    bottom = math.floor(min(-1.0, *(y for *_, y in points)))
    top = max(0.3, *(y for *_, y in points))
    grid = [[" "] * (_PLOT_WIDTH + 1) for _ in range(_PLOT_HEIGHT + 1)]

    def row_of(y: float) -> int:
        return round((top - y) / (top - bottom) * _PLOT_HEIGHT)

    grid[row_of(0)] = ["-"] * (_PLOT_WIDTH + 1)
    for mark, x, y in points:
        column = round(x / right * _PLOT_WIDTH)
        before = grid[row_of(y)][column]
        grid[row_of(y)][column] = mark if before in (" ", "-", mark) else "*"
    names = {row_of(decade): f"{100 * 10.0**decade:g} %" for decade in range(bottom, 1)}
    for row, cells in enumerate(grid):
        yield f"{names.get(row, ''):>9} |{''.join(cells)}"
    axis = [" "] * (_PLOT_WIDTH + 8)
    for decade in range(math.floor(right) + 1):
        label = f"{10**decade}"
        start = round(decade / right * _PLOT_WIDTH)
        axis[start : start + len(label)] = label
    yield f"{'':>9} +{'-' * (_PLOT_WIDTH + 1)}"
    yield f"{'':>11}{''.join(axis)}"
    legend = ", ".join(
        f"{mark} {one.technology}" for mark, one in zip(_PLOT_MARKS, growths, strict=False)
    )
    both = ", * both" if len(growths) > 1 else ""
    yield f"{'':>11}time of a round as a share of the deadline, by instances: {legend}{both}"


def _write(stream: BlockStream, target: Path) -> int:
    """Write a recording whole or not at all; the number of samples.

    Raises:
        OutputError: it cannot be written.
    """
    import soundfile

    from whisperctl.audio import SAMPLE_RATE
    from whisperctl.storage.files import cannot_write, reason, remove_leftovers, replacing

    container, encoding = _ENCODINGS[target.suffix.lower()]
    n_samples = 0
    remove_leftovers(target.parent)
    try:
        with replacing(target) as file:
            try:
                with (
                    closing(stream.in_thread()) as blocks,
                    soundfile.SoundFile(
                        *(file.fileno(), "w", SAMPLE_RATE, 1, encoding),
                        format=container,
                        closefd=False,
                    ) as out,
                ):
                    for block in blocks:
                        n_samples += len(block)
                        if container == "WAV" and n_samples > _MOST_WAV_SAMPLES:
                            raise OutputError(f"{quoted(target)} is too long for wav: write .flac")
                        out.write(block)
            # soundfile asserts that all samples were written, as they are not on a full disk.
            except (soundfile.SoundFileError, AssertionError):
                # libsndfile does not say why it cannot write; the system does.
                file.seek(0, os.SEEK_END)
                file.write(bytes(_RETRIED_BYTES))
                file.flush()
                raise
    except (OSError, soundfile.SoundFileError, AssertionError) as error:
        raise cannot_write(target, reason(error)) from error
    return n_samples


def _print(name: str, info: FilterInfo) -> None:
    console.paragraph(f"{name}: {info.summary}", indent=4)
    for parameter in info.parameters:
        console.paragraph(f"    {_line(parameter)}", indent=8)


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
