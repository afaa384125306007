"""``whisperctl subtitles``: convert, lint, shift, fix."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TextIO

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
    help="Convert, check, shift and fix subtitle files.",
)

_TEXT, _JSON = "text", "json"


@app.command("convert", cls=Command)
@with_flags
def convert_subtitles(
    limits: SubtitleOptions,
    source: Annotated[
        str, typer.Argument(metavar="IN", help='Subtitle file or URL; "-" is standard input.')
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
    from whisperctl.storage import urls
    from whisperctl.subtitles import document
    from whisperctl.subtitles.lint import not_kept

    target = urls.local(target)
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
            f"{_named(source)} {'are' if n_dropped > 1 else 'is'} left out: they are not written "
            f"in {fmt}"
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
    formats.writer(fmt)(subtitles.transcript(), _plain_stdout(), limits)


@app.command("lint", cls=Command)
def lint_subtitles(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help='Subtitle files or URLs; "-" is standard input.'),
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
    from whisperctl.storage.urls import shown
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
        name = shown(name)
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


_Source = Annotated[
    str, typer.Argument(metavar="FILE", help='Subtitle file or URL; "-" is standard input.')
]
_Target = Annotated[
    str | None, typer.Argument(metavar="[OUT]", help='File to write; "-" is standard output.')
]
_InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place",
        "-i",
        help="Replace FILE.",
        rich_help_panel=Topic.OUTPUT.value,
    ),
]
_From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help=f"Read FILE in this format: {listed(READABLE)}.",
        show_default="by its extension, else by its contents",
        rich_help_panel=Topic.INPUT.value,
    ),
]


class ShiftCommand(Command):
    """``subtitles shift``."""

    ours: ClassVar = {
        **dict.fromkeys(
            ("--fps", "--framerate", "--frame-rate"), "--rate OLD=NEW, such as --rate 25=23.976"
        ),
        **dict.fromkeys(("--offset", "--delay"), "--by TIME, such as --by -0.8"),
    }


@app.command("shift", cls=ShiftCommand)
def shift_subtitles(
    source: _Source,
    target: _Target = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Show everything later by this: seconds or HH:MM:SS.mmm; earlier with a minus.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Move the time OLD to NEW. Given twice, the times are stretched to fit both.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Fit a video that has NEW frames a second where it had OLD, such as 25=23.976.",
            rich_help_panel=Topic.SUBTITLES.value,
        ),
    ] = None,
    in_place: _InPlace = False,
    from_: _From = None,
    encoding: _Encoding = None,
) -> None:
    """Shift or stretch the times of a subtitle file.

    Everything else in the file stays as it is: styles, positions, comments, numbers. The formats
    are srt, vtt, ass, ssa and lrc.
    """
    from whisperctl.formats.reading import read, retimed
    from whisperctl.storage.files import write_text
    from whisperctl.storage.urls import shown

    scale, offset_s = _shift(by, anchor or [], rate)
    path = _target_of(source, target, in_place=in_place)
    subtitles = read(source, from_, encoding=encoding)
    _show_notes(subtitles)
    if path is not None and path.suffix.lower() not in ("", Path(shown(source)).suffix.lower()):
        raise UsageError("shift keeps the format: give OUT the extension of FILE")
    text = retimed(subtitles, lambda time_s: time_s * scale + offset_s, _named(source))
    if path is not None:
        write_text(path, text)
        return
    _plain_stdout().write(text)


@app.command("fix", cls=Command)
@with_flags
def fix_subtitles(
    limits: SubtitleOptions,
    source: _Source,
    target: _Target = None,
    in_place: _InPlace = False,
    from_: _From = None,
    encoding: _Encoding = None,
) -> None:
    """Mend what lint finds in a subtitle file.

    Always mended: cues that overlap, are out of order, empty, without duration or before the
    recording, and timing lines in a text. Lines, speed, gaps and durations are mended if their
    option or a profile is given; a cue that keeps to them stays as it is. What is left is printed,
    and the exit code is 1. The formats are srt, vtt and ass.
    """
    from dataclasses import replace

    from whisperctl import formats
    from whisperctl.formats.reading import read
    from whisperctl.storage.urls import shown
    from whisperctl.subtitles import document
    from whisperctl.subtitles.lint import ReadingLimits, laid_out, lint, mended, of_times

    path = _target_of(source, target, in_place=in_place)
    subtitles = read(source, from_, encoding=encoding, lenient=True)
    _show_notes(subtitles)
    document.check_cues(subtitles, _named(source))
    fmt = subtitles.format if path is None or in_place else formats.output_format(path)
    if fmt != subtitles.format or fmt not in ("srt", "vtt", "ass"):
        raise UsageError("fix reads and writes srt, vtt or ass, and keeps the format")
    if in_place and fmt != "srt":
        raise UsageError(f"styles and comments of {fmt} would be lost in place: name another OUT")
    checked = ReadingLimits.of(limits)
    n_before = len(lint(subtitles.segments, checked)) + subtitles.n_unreadable
    whole = replace(subtitles, segments=tuple(mended(subtitles.segments, limits)))
    times = of_times(limits)
    left = lint(laid_out(whole.transcript(), times), checked)
    if path is not None:
        document.write_file(whole, path, fmt, times)
    else:
        formats.writer(fmt)(whole.transcript(), _plain_stdout(), times)
    if n_before:
        console.note(
            f"{n_before - len(left):,} of {n_before:,} fault{'s' if n_before > 1 else ''} of "
            f"{_named(source)} mended"
        )
    for finding in left:
        console.note(_line(shown(source) if path is None else str(path), finding))
    if left:
        raise typer.Exit(1)


def _target_of(source: str, target: str | None, *, in_place: bool) -> Path | None:
    """The file to write; ``None`` is standard output."""
    from whisperctl.storage import urls
    from whisperctl.subtitles.document import check_target

    if in_place and target is not None:
        raise UsageError("give OUT or --in-place, not both")
    if not in_place and target is None:
        raise UsageError("no output is named: give OUT, or replace FILE with --in-place")
    if target is None:
        if source == STDIN:
            raise UsageError("standard input cannot be replaced: name the file to write")
        return Path(urls.local(source))
    if target == STDIN:
        return None
    target = urls.local(target)
    check_target(source, target)
    return Path(target)


def _plain_stdout() -> TextIO:
    """Standard output as files are: UTF-8 with line feeds, whatever the terminal's encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return sys.stdout


def _shift(by: str | None, anchors: list[str], rate: str | None) -> tuple[float, float]:
    """Factor for times, and the seconds to add after it."""
    if sum(map(bool, (by, anchors, rate))) != 1 or len(anchors) > 2:
        raise UsageError(
            "give one of --by TIME, --anchor OLD=NEW (once or twice) and --rate OLD=NEW"
        )
    if by:
        return 1.0, _typed_time("--by", by)
    if rate:
        old, new = _pair("--rate", rate, "25=23.976")
        try:
            scale = float(old) / float(new)
        except (ValueError, ZeroDivisionError) as error:
            raise _not_rates(rate) from error
        if not 0.1 <= scale <= 10 or float(new) <= 0:
            raise _not_rates(rate)
        return scale, 0.0
    pairs = [
        tuple(_typed_time("--anchor", time) for time in _pair("--anchor", one, "1:00=1:02.5"))
        for one in anchors
    ]
    (old_s, new_s), (last_old_s, last_new_s) = pairs[0], pairs[-1]
    if len(pairs) == 1:
        return 1.0, new_s - old_s
    scale = (last_new_s - new_s) / (last_old_s - old_s) if last_old_s != old_s else 0.0
    if not 0.1 <= scale <= 10:
        raise UsageError("the two --anchor must be apart, and in the same order before and after")
    return scale, new_s - old_s * scale


def _not_rates(rate: str) -> UsageError:
    return UsageError(f'--rate "{visible(rate)}" is not two frame rates: write 25=23.976')


def _pair(flag: str, text: str, example: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals:
        raise UsageError(f'{flag} "{visible(text)}" has no "=": write {example}')
    return old, new


def _typed_time(flag: str, text: str) -> float:
    from whisperctl.text import parse_time

    try:
        return parse_time(text, lenient=True)
    except ValueError as error:
        raise UsageError(f"{flag} {error}: write seconds or HH:MM:SS.mmm") from error


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
    from whisperctl.storage.urls import shown
    from whisperctl.text import quoted

    return "standard input" if source == STDIN else quoted(shown(source))


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
