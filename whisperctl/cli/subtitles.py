"""``whisperctl subtitles``: convert, lint."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.audio.source import STDIN
from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, Group
from whisperctl.errors import SubtitleError, UsageError
from whisperctl.formats import FORMATS, READABLE, listed
from whisperctl.text import unknown, visible

if TYPE_CHECKING:
    from whisperctl.subtitles.document import Subtitles
    from whisperctl.subtitles.lint import Finding, ReadingLimits

_Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Character encoding of the input, such as utf-8, cp1251 or shift_jis.",
        show_default="detected",
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
def convert_subtitles(
    source: Annotated[
        str, typer.Argument(metavar="IN", help='A subtitle file; "-" is standard input.')
    ],
    target: Annotated[
        str, typer.Argument(metavar="OUT", help='The file to write; "-" is standard output.')
    ],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"Format of IN: {listed(READABLE)}.",
            show_default="by the name of IN, else by its contents",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"Format of OUT: {listed(FORMATS)}.",
            show_default="by the name of OUT",
        ),
    ] = None,
    encoding: _Encoding = None,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient",
            help="Skip lines that cannot be read, and say how many, instead of failing.",
        ),
    ] = False,
    max_line_width: Annotated[
        int | None,
        typer.Option(
            help="Characters a line; full-width ones count twice.", show_default="lines as they are"
        ),
    ] = None,
    max_line_count: Annotated[
        int | None,
        typer.Option(help="Lines a cue; needs --max-line-width.", show_default="no limit"),
    ] = None,
    max_words_per_line: Annotated[
        int | None, typer.Option(help="Words a cue.", show_default="no limit")
    ] = None,
    max_cps: Annotated[
        float | None,
        typer.Option(
            help="Characters a second: cues stay longer where silence follows.",
            show_default="no limit",
        ),
    ] = None,
    min_cue_gap: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time to keep free between cues.")
    ] = 0.0,
    split_sentences: Annotated[
        bool, typer.Option("--split-sentences", help="Begin a cue with each sentence.")
    ] = False,
    highlight_words: Annotated[
        bool,
        typer.Option(
            "--highlight-words", help="Mark each word as it is spoken, where IN has their times."
        ),
    ] = False,
) -> None:
    """Write a subtitle file in another format, or with other lines.

    Italics, bold and underline are kept where both formats have them, as are who speaks and times
    of words. Positions, colours and fonts are not.
    """
    from whisperctl import formats
    from whisperctl.cli.options.transcription import ignored
    from whisperctl.formats.reading import read
    from whisperctl.subtitles import document
    from whisperctl.subtitles.layout import SubtitleOptions

    options = SubtitleOptions(
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_words_per_line=max_words_per_line,
        max_cps=max_cps,
        min_cue_gap_s=min_cue_gap,
        highlight_words=highlight_words,
        split_sentences=split_sentences,
    )
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
        console.note(f"{_named(source)} holds no text")
    if warning := ignored([fmt], options):
        console.note(warning)
    if target != STDIN:
        document.write_file(subtitles, Path(target), fmt, options)
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As in a file: UTF-8 with line feeds, whatever the terminal's encoding.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    formats.writer(fmt)(subtitles.transcript(), sys.stdout, options)


@app.command("lint", cls=Command)
def lint_subtitles(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help='Subtitle files; "-" is standard input.'),
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            help="Limits that others have set: netflix (42 characters, 2 lines, 20 cps, a gap of "
            "2 frames, 5/6 to 7 s). Options below change single ones."
        ),
    ] = None,
    max_line_width: Annotated[
        int | None, typer.Option(help="Characters a line; full-width ones count twice.")
    ] = None,
    max_line_count: Annotated[int | None, typer.Option(help="Lines a cue.")] = None,
    max_cps: Annotated[float | None, typer.Option(help="Characters a second.")] = None,
    min_cue_gap: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time between cues.")
    ] = None,
    min_duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time a cue takes at least.")
    ] = None,
    max_duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time a cue takes at most.")
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long the recording is: seconds or HH:MM:SS.mmm; none ends later.",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"Format of the files: {listed(READABLE)}.",
            show_default="by their names, else by their contents",
        ),
    ] = None,
    encoding: _Encoding = None,
    output: Annotated[
        str, typer.Option("--format", metavar="text|json", help="How to show what is found.")
    ] = _TEXT,
) -> None:
    """Check subtitle files, a line for each thing that is wrong.

    Always looked for: lines that cannot be read; cues that overlap, take no time, end before they
    begin or begin before the recording, are out of order or empty, or hold a timing line. Line
    length, number of lines, reading speed, gaps and durations are checked when their option or a
    profile asks for it.
    Exits with 1 if anything is found.
    """
    from whisperctl.formats.reading import read
    from whisperctl.subtitles.lint import lint

    if output not in (_TEXT, _JSON):
        raise UsageError(f'--format must be "{_TEXT}" or "{_JSON}", not "{output}"')
    if files.count(STDIN) > 1:
        raise UsageError('standard input can be read once: give "-" once')
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

    from whisperctl.subtitles.lint import PROFILES, ReadingLimits

    if profile is not None and profile.lower() not in PROFILES:
        raise UsageError(unknown("profile", profile, PROFILES))
    base = ReadingLimits() if profile is None else PROFILES[profile.lower()]
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
