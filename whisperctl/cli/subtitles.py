"""``whisperctl subtitles``: convert, lint."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.audio.source import STDIN
from whisperctl.cli import completion
from whisperctl.cli.options import with_flags
from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, Group
from whisperctl.errors import SubtitleError, UsageError
from whisperctl.formats import FORMATS, READABLE, listed
from whisperctl.options import SubtitleOptions, Topic
from whisperctl.text import visible

if TYPE_CHECKING:
    from whisperctl.subtitles.document import Subtitles
    from whisperctl.subtitles.lint import Finding, ReadingLimits

_Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Read the input in this character encoding, such as utf-8, cp1251 or shift_jis.",
        show_default="detected",
        rich_help_panel=Topic.INPUT.value,
    ),
]

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Convert subtitle files, and check them.",
)

_TEXT, _JSON = "text", "json"


@app.command("convert", cls=Command)
@with_flags
def convert_subtitles(
    limits: SubtitleOptions,
    source: Annotated[
        str, typer.Argument(metavar="IN", help='Subtitle file; "-" is standard input.')
    ],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help='File to write; "-" is standard output.')
    ],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"Read IN in this format: {listed(READABLE)}.",
            show_default="by the extension of IN, else by its contents",
            rich_help_panel=Topic.INPUT.value,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"Write OUT in this format: {listed(FORMATS)}.",
            show_default="by the extension of OUT",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = None,
    encoding: _Encoding = None,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient",
            help="Skip unreadable lines and report their number, instead of failing.",
            rich_help_panel=Topic.INPUT.value,
        ),
    ] = False,
) -> None:
    """Convert a subtitle file, or break its lines differently.

    Italics, bold, underline, speakers and times of words are kept if both formats have them.
    Positions, colors and fonts are kept from srt to srt and from ass to ass, and counted where they
    are left out.
    """
    from whisperctl import formats
    from whisperctl.cli.options.transcription import ignored
    from whisperctl.formats.reading import read
    from whisperctl.subtitles import document
    from whisperctl.subtitles.lint import not_kept

    if to is not None:
        [fmt] = formats.parse([to]) if "," not in to and to != formats.ALL else [""]
        if not fmt:
            raise UsageError("--to takes one format")
    elif target == STDIN:
        raise UsageError("standard output has no extension: name the format with --to")
    else:
        fmt = formats.output_format(target)
    document.check_target(source, target)
    subtitles = read(source, from_, encoding=encoding, lenient=lenient)
    _show_notes(subtitles)
    document.check_cues(subtitles, _named(source))
    if subtitles.n_unreadable:
        console.note(_skipped(source, subtitles))
    if not subtitles.say_something:
        console.note(f"{_named(source)} contains no text")
    subtitles, n_dropped = subtitles.for_format(fmt)
    if n_dropped:
        console.note(
            f"{n_dropped:,} tag{'s' if n_dropped > 1 else ''} for positions, colors and fonts of "
            f"{_named(source)} {'are' if n_dropped > 1 else 'is'} left out: {fmt} has no place for "
            "them here"
        )
    if warning := ignored([fmt], limits):
        console.note(warning)
    if "max_line_count" in FORMATS[fmt].honours and (
        warning := not_kept(subtitles.transcript(), limits)
    ):
        console.note(f"warning: {warning}")
    if target != STDIN:
        document.write_file(subtitles, Path(target), fmt, limits)
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As in a file: UTF-8 with line feeds, whatever the terminal's encoding.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    formats.writer(fmt)(subtitles.transcript(), sys.stdout, limits)


@app.command("lint", cls=Command)
def lint_subtitles(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help='Subtitle files; "-" is standard input.'),
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Check the limits of a guideline: netflix, bbc, ebu, youtube or karaoke. Options "
            "below override single ones.",
            autocompletion=completion.profiles,
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    max_line_width: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Allow at most this many characters per line; full-width ones count twice.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    max_line_count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Allow at most this many lines per cue.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    max_cps: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Allow at most this many characters per second.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    min_cue_gap: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Require at least this gap between cues.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    min_duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Require cues to last at least this long.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    max_duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Require cues to last at most this long.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Require cues to end by this time, the recording's length: seconds or "
            "HH:MM:SS.mmm.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"Read files in this format: {listed(READABLE)}.",
            show_default="by their extensions, else by their contents",
            rich_help_panel=Topic.INPUT.value,
        ),
    ] = None,
    encoding: _Encoding = None,
    output: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="text|json",
            help="Print faults in this format.",
            rich_help_panel=Topic.OUTPUT.value,
        ),
    ] = _TEXT,
) -> None:
    """Check subtitle files, and print a line for each fault.

    Always checked: unreadable lines; cues that overlap, have no duration, end before they
    begin or begin before the recording, are out of order or empty, or contain a timing line. Line
    length, number of lines, reading speed, gaps and durations are checked if their option or a
    profile is given. The exit code is 1 if there are faults.
    """
    from whisperctl.formats.reading import read
    from whisperctl.subtitles.lint import lint

    if output not in (_TEXT, _JSON):
        raise UsageError(f'--format must be "{_TEXT}" or "{_JSON}", not "{output}"')
    if files.count(STDIN) > 1:
        raise UsageError('"-" is given twice: standard input can be read only once')
    limits = _limits(
        profile,
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_cps=max_cps,
        min_gap_s=min_cue_gap,
        min_duration_s=min_duration,
        max_duration_s=max_duration,
        ends_by_s=_duration(duration),
    )
    reports: list[dict[str, object]] = []
    wrong = 0
    for name in files:
        try:
            subtitles = read(name, from_, encoding=encoding, lenient=True)
        except SubtitleError as error:
            console.error(str(error))
            wrong += 1
            continue
        _show_notes(subtitles)
        lyrics = subtitles.format == "lrc"
        findings = lint(subtitles.segments, limits, last_end_guessed=lyrics)
        wrong += bool(findings or subtitles.n_unreadable)
        if output == _TEXT:
            for unreadable in subtitles.unreadable:
                console.result(f"{visible(name)}:{unreadable.place}: {unreadable.problem}")
            for finding in findings:
                console.result(_line(name, finding))
        reports.append(_report(name, subtitles, findings))
    if output == _JSON:
        import json

        console.result(json.dumps(reports, indent=2))
    if wrong:
        raise typer.Exit(1)


def _limits(profile: str | None, **single: float | None) -> ReadingLimits:
    from dataclasses import replace

    from whisperctl.subtitles.lint import ReadingLimits

    base = ReadingLimits.of(SubtitleOptions(profile=profile))
    given = {name: value for name, value in single.items() if value is not None}
    return replace(base, **given)  # type: ignore[arg-type]  # typer saw to which are whole numbers


def _duration(text: str | None) -> float | None:
    from whisperctl.text import parse_time

    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"--duration {error}: write seconds or HH:MM:SS.mmm") from error


def _line(name: str, finding: Finding) -> str:
    from whisperctl.text import clock

    start = clock(max(0, finding.start_ms), ",")
    return f"{visible(name)}:cue {finding.cue} ({start}): {finding.message}"


def _named(source: str) -> str:
    from whisperctl.text import quoted

    return "standard input" if source == STDIN else quoted(source)


def _skipped(source: str, subtitles: Subtitles) -> str:
    places = [unreadable.place for unreadable in subtitles.unreadable]
    count = f"{subtitles.n_unreadable:,} line{'s' if subtitles.n_unreadable > 1 else ''}"
    shown = ", ".join(places[:5]) + (", ..." if subtitles.n_unreadable > 5 else "")
    return f"{_named(source)}: skipped {count} that cannot be read: {shown}"


def _report(name: str, subtitles: Subtitles, findings: list[Finding]) -> dict[str, object]:
    return {
        "file": name,
        "format": subtitles.format,
        "cues": len(subtitles.segments),
        "findings": [
            {"place": unreadable.place, "check": "unreadable", "message": unreadable.problem}
            for unreadable in subtitles.unreadable
        ]
        + [
            {
                "cue": finding.cue,
                "start_ms": finding.start_ms,
                "check": finding.check,
                "message": finding.message,
            }
            for finding in findings
        ],
    }


def _show_notes(subtitles: Subtitles) -> None:
    for note in subtitles.notes:
        console.note(note)
