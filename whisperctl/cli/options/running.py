"""Options of a run over recordings: input and its parts, output, limits, messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from whisperctl.cli.options import Flags
from whisperctl.errors import UsageError
from whisperctl.formats import ALL, FORMATS
from whisperctl.options import Clip, Topic, option
from whisperctl.text import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFlags(Flags):
    """Sources of recordings."""

    recursive: bool = option(
        False, "Search subdirectories of the given directories too.", Topic.INPUT, short="r"
    )
    files_from: list[str] | None = option(
        None,
        'Read names of recordings from this file, one per line; "-" is standard input.',
        Topic.INPUT,
        metavar="LIST",
    )
    null: bool = option(
        False,
        "Names read by --files-from are separated by NUL, as written by find -print0.",
        Topic.INPUT,
        short="0",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFlags(Flags):
    """Files to write."""

    output_format: list[str] | None = option(
        None,
        f"Write files in these formats: {', '.join(FORMATS)}, or {ALL}; separate several by "
        "commas.",
        Topic.OUTPUT,
        short="f",
        metavar="FORMAT",
        default="no file",
        completes="formats",
        openai="--output_format -f",
        whisper_cli="-otxt=txt -ovtt=vtt -osrt=srt -olrc=lrc -ocsv=csv -oj=json-full "
        "-ojf=json-full --output-txt=txt --output-vtt=vtt --output-srt=srt --output-lrc=lrc "
        "--output-csv=csv --output-json=json-full --output-json-full=json-full",
        remark="no file by default, where OpenAI's writes all",
    )
    output_dir: str | None = option(
        None,
        "Write files to this directory, which is created if it is missing, or below this URL "
        "(s3, gs).",
        Topic.OUTPUT,
        short="o",
        metavar="DIRECTORY",
        default="the current directory",
        openai="--output_dir -o",
    )
    output: str | None = option(
        None,
        "Name files by this template, with {stem}, {name}, {lang} and {ext} filled in; "
        '"-" writes one format to standard output instead of the segments.',
        Topic.OUTPUT,
        metavar="NAME",
        default="{stem}.{ext}",
        whisper_cli="-of --output-file",
        remark="a template; `-of NAME` is `--output NAME.{ext}`",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags(Flags):
    """Processing of a list of recordings."""

    skip_existing: bool = option(
        False,
        "Do not overwrite existing outputs; skip recordings whose outputs all exist.",
        Topic.MANY,
    )
    resume: bool = option(
        False,
        "Continue an interrupted run where it stopped, even within a recording.",
        Topic.MANY,
    )
    jobs: int | None = option(
        None,
        "Transcribe this many recordings at once, or chunks of a single long one, each in a "
        "process that loads the model.",
        Topic.MANY,
        short="j",
        metavar="N",
        minimum=1,
        default="1, or all workers of a cluster",
    )
    executor: str | None = option(
        None,
        "Transcribe with this executor: in this process, in worker processes, or by a plugin; "
        "an address may follow, as in dask://host:8786.",
        Topic.MANY,
        metavar="NAME[:ADDRESS]",
        default="the preferred one that supports the other options",
        completes="executors",
    )
    timeout: float | None = option(
        None,
        "Fail a recording that takes longer than this.",
        Topic.MANY,
        metavar="SECONDS",
        default="no limit",
        minimum=0,
        exclusive=True,
        unit="seconds",
    )
    stall_timeout: float | None = option(
        None,
        "Fail a recording if the engine makes no progress for this long; 0 is no limit.",
        Topic.MANY,
        metavar="SECONDS",
        default="1800",
    )
    max_memory: str | None = option(
        None,
        "Fail a recording that uses more memory than this, such as 2G or 500M.",
        Topic.MANY,
        metavar="SIZE",
        default="no limit",
    )
    dry_run: bool = option(
        False, "Print what would be read and written, and stop there.", Topic.MANY
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFlags(Flags):
    """Messages of a run besides its result."""

    quiet: bool = option(
        False,
        "Print only segments and errors.",
        Topic.MESSAGES,
        short="q",
        whisper_cli="-np --no-prints",
    )
    verbose: bool = option(
        False,
        "Print the engine's messages, where the time goes, and the resulting options.",
        Topic.MESSAGES,
        short="v",
        openai="--verbose",
        remark="ours shows what the engine says as well",
    )
    log_file: Path | None = option(
        None,
        "Append all messages, including those of --verbose, to this file, with timestamps.",
        Topic.MESSAGES,
        metavar="FILE",
    )
    timestamps: bool = option(
        True,
        "Print each segment's start and end before its text.",
        Topic.MESSAGES,
        negatable=True,
        whisper_cli="-nt",
        remark="`-nt` is `--no-timestamps`",
    )
    print_colors: bool = option(
        False,
        "Color printed text by the model's confidence, from red to green.",
        Topic.MESSAGES,
        negatable=True,
        openai="--print_colors",
        whisper_cli="-pc --print-colors",
    )

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose cannot be used together: give one")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFlags(Flags):
    """Parts of a recording to transcribe."""

    offset: str | None = option(
        None,
        "Start at this time: seconds, MM:SS or HH:MM:SS.mmm.",
        Topic.PARTS,
        metavar="TIME",
        whisper_cli="-ot --offset-t",
        remark="whisper-cli's are milliseconds",
    )
    duration: str | None = option(
        None,
        "Transcribe only this much audio, starting at --offset.",
        Topic.PARTS,
        metavar="TIME",
        whisper_cli="-d",
        remark="whisper-cli's `-d` is milliseconds",
    )
    clip: list[str] | None = option(
        None,
        "Transcribe only this part, such as 1:30-2:00; may be repeated, or hold several parts "
        "separated by commas.",
        Topic.PARTS,
        metavar="START-END",
        openai="--clip_timestamps",
        remark="OpenAI's `0,10,20,30` is `0-10,20-30`",
    )

    def clips(self) -> tuple[Clip, ...]:
        """Return the parts to transcribe; none is the whole recording.

        Raises:
            UsageError: a time cannot be read, or the options contradict each other.
        """
        if not self.clip:
            return _window(self.offset, self.duration)
        if self.offset is not None or self.duration is not None:
            raise UsageError("give --clip, or --offset and --duration, not both")
        return _clips(self.clip)


def seconds(text: str, what: str) -> float:
    """Read ``HH:MM:SS.mmm``, ``MM:SS`` or seconds.

    Args:
        text: what was typed.
        what: its name in an error, such as ``--offset``.

    Raises:
        UsageError: it is not a time.
    """
    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"{what} {error}: write seconds, MM:SS or HH:MM:SS.mmm") from error


def _clips(texts: list[str]) -> tuple[Clip, ...]:
    """Read parts ``START-END``, several with commas; a missing end is the recording's."""
    found = []
    for text in (part for several in texts for part in several.split(",")):
        start, dash, end = (part.strip() for part in text.partition("-"))
        if not dash or not (start or end):
            raise UsageError(
                f'--clip "{text}" is not a part of a recording: write START-END or START-'
            )
        found.append(
            Clip(
                seconds(start, "--clip") if start else 0.0,
                seconds(end, "--clip") if end else None,
            )
        )
    return tuple(found)


def _window(offset: str | None, duration: str | None) -> tuple[Clip, ...]:
    """Return the clip that ``--offset`` and ``--duration`` stand for, or none."""
    start_s = 0.0 if offset is None else seconds(offset, "--offset")
    if duration is None:
        return (Clip(start_s),) if start_s else ()
    length_s = seconds(duration, "--duration")
    if length_s == 0:
        raise UsageError("--duration must be above 0")
    return (Clip(start_s, start_s + length_s),)
