"""Checks of subtitles, and mending: times that no player can show, lines that nobody can read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from whisperctl.errors import UsageError
from whisperctl.options import SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import labels
from whisperctl.subtitles.layout import layout, shortened
from whisperctl.text import clock, counted
from whisperctl.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Limits that cues are checked against; ``None`` is not checked.

    Seconds, characters a line, lines a cue, characters a second. ``ends_by_s`` is the
    duration of the recording.

    Raises:
        UsageError: a limit is not above zero.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_cps: float | None = None
    min_gap_s: float | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    ends_by_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("max line width", self.max_line_width),
            ("max line count", self.max_line_count),
            ("max cps", self.max_cps),
            ("min gap", self.min_gap_s),
            ("min duration", self.min_duration_s),
            ("max duration", self.max_duration_s),
            ("duration", self.ends_by_s),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be above 0, not {value:g}")

    @classmethod
    def of(cls, options: SubtitleOptions) -> ReadingLimits:
        """The limits that cues were laid out by."""
        return cls(
            options.max_line_width,
            options.max_line_count,
            options.max_cps,
            options.min_cue_gap_s or None,
            options.min_duration_s,
            options.max_duration_s,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one cue, counted from 1; ``check`` is a short name for it."""

    cue: int
    start_ms: int
    check: str
    message: str


def lint(
    segments: Sequence[Segment],
    limits: ReadingLimits | None = None,
    *,
    last_end_guessed: bool = False,
) -> list[Finding]:
    """Check cues, in the file's order.

    Always: no time at all, ended before it began, begun before the one before it or before the
    recording, overlap, no text, a timing line among the text. Two cues overlap only if they are not
    known to be of two speakers, or in two places of the picture. A name before the text, as in
    ``Anna: Yes.``, is a speaker's, who speaks until the next name. The rest is what ``limits`` ask
    for. ``last_end_guessed`` is for lyrics, whose last line says only when it begins.
    """
    limits = limits or ReadingLimits()
    findings: list[Finding] = []
    # Where the cue that ends last is, in each place of the picture: of each speaker, of nobody in
    # particular, and of all.
    last_of: dict[tuple[str, str | None], int] = {}
    last_in: dict[str, int] = {}
    before_ms = 0
    labelled: str | None = None
    for number, segment in enumerate(segments, start=1):
        start_ms, end_ms = _ms(segment.start_s), _ms(segment.end_s)
        if last_end_guessed and number == len(segments) and limits.ends_by_s is not None:
            end_ms = min(end_ms, max(start_ms + 1, _ms(limits.ends_by_s)))
        found = [*_length(start_ms, end_ms, limits)]
        if start_ms < 0:
            found.append(("early", f"begins {-start_ms / 1000:g} s before the recording"))
        elif start_ms < before_ms:
            found.append(("order", "begins before the previous cue"))
        before_ms = start_ms
        lines = _lines(segment)
        labelled = _label(segment) or labelled
        speaker = labelled if segment.speaker is None else segment.speaker
        # Somebody who is not known may be anybody.
        place = markup.place(segment.text)
        near = {last_in.get(place)}
        if speaker is not None:
            near = {last_of.get((place, speaker)), last_of.get((place, None))}
        for index in sorted(index for index in near if index is not None):
            found += _distance(_ms(segments[index].end_s), start_ms, index + 1, limits)
        known, last = last_of.get((place, speaker)), last_in.get(place)
        if known is None or _ms(segments[known].end_s) <= end_ms:
            last_of[place, speaker] = number - 1
        if last is None or _ms(segments[last].end_s) <= end_ms:
            last_in[place] = number - 1
        found += _text(segment, lines, end_ms - start_ms, limits)
        findings += [Finding(number, start_ms, check, message) for check, message in found]
    return findings


def mended(segments: Sequence[Segment], options: SubtitleOptions) -> list[Segment]:
    """Cues in order, without what ``lint`` finds wrong with one alone.

    Cues without text and timing lines in a text are left out. Those that show longer than their
    text can be said end earlier, and those with lines that are too wide or too many, or that show
    too long, are broken anew. All other cues keep their lines; distances
    and speeds are those that a writer gives them by ``of_times``.
    """
    limits = ReadingLimits.of(options)
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: segment.start_s):
        lines = segment.text.split(markup.BREAK)
        text = markup.BREAK.join(line for line in lines if not _TIMING_LINE.search(line))
        if not markup.plain(text).strip():
            continue
        start_s = max(0.0, segment.start_s)
        one = replace(segment, text=text, start_s=start_s, end_s=max(start_s, segment.end_s))
        one = shortened(one, options)
        if any(finding.check in ("width", "lines", "long") for finding in lint([one], limits)):
            for cue in layout(Transcript((one,), "", one.end_s), options):
                broken = " " + cue.text.replace("\n", markup.BREAK)
                # What is before it is not known here: only a writer may let it begin early.
                times = (max(one.start_s, cue.start_ms / 1000), cue.end_ms / 1000)
                kept.append(Segment(*times, broken, speaker=cue.speaker))
        else:
            kept.append(one)
    return kept


def of_times(options: SubtitleOptions) -> SubtitleOptions:
    """The options that move the ends of cues, and break no line."""
    return SubtitleOptions(
        max_cps=options.max_cps,
        min_cue_gap_s=options.min_cue_gap_s,
        min_duration_s=options.min_duration_s,
    )


def laid_out(transcript: Transcript, options: SubtitleOptions) -> list[Segment]:
    """The cues that formats with lines are written with, as a reader finds them."""
    cues = layout(transcript.visible(), options)
    return [
        Segment(cue.start_ms / 1000, cue.end_ms / 1000, before + cue.text, speaker=cue.speaker)
        for cue, before in zip(cues, labels(cues), strict=True)
    ]


_WHY = {
    "width": "too wide, as a word is wider than a line",
    "lines": "of too many lines",
    "speed": "too fast, as the speech is",
    "gap": "too close, as the cue before is short",
    "short": "too short, as the next begins",
}


def not_kept(transcript: Transcript, options: SubtitleOptions) -> str | None:
    """Say which cues of a transcript cannot keep to the profile it is laid out by, and why.

    Returns:
        One line, or ``None`` where there is no profile, or all cues keep to it.
    """
    if options.profile is None:
        return None
    segments = laid_out(transcript, options)
    found: dict[str, list[Finding]] = {}
    for finding in lint(segments, ReadingLimits.of(options)):
        found.setdefault(finding.check, []).append(finding)
    if not found:
        return None
    n_cues = len({finding.cue for findings in found.values() for finding in findings})
    parts = (
        f"{len(findings)} {_WHY.get(check, check)} (first at "
        f"{clock(findings[0].start_ms, ',')}: {findings[0].message})"
        for check, findings in found.items()
    )
    share = f"{n_cues} of {counted(len(segments), 'cue')} {'does' if n_cues == 1 else 'do'}"
    return f"{share} not keep to {options.profile}: {'; '.join(parts)}"


_Found = tuple[str, str]
_TIMING_LINE = re.compile(r"\d\s*-->\s*\d")


def _length(start_ms: int, end_ms: int, limits: ReadingLimits) -> Iterator[_Found]:
    length_s = (end_ms - start_ms) / 1000
    if end_ms < start_ms:
        yield "negative", f"ends {-length_s:g} s before it begins"
    elif end_ms == start_ms:
        yield "zero", "takes no time"
    else:
        if limits.min_duration_s is not None and length_s < limits.min_duration_s - 0.0005:
            yield "short", f"takes {length_s:g} s < {limits.min_duration_s:.3g} s"
        if limits.max_duration_s is not None and length_s > limits.max_duration_s + 0.0005:
            yield "long", f"takes {length_s:g} s > {limits.max_duration_s:.3g} s"
    if limits.ends_by_s is not None and end_ms > _ms(limits.ends_by_s):
        over_s = (end_ms - _ms(limits.ends_by_s)) / 1000
        yield "beyond", f"ends {over_s:g} s after the recording"


def _distance(ended_ms: int, start_ms: int, number: int, limits: ReadingLimits) -> Iterator[_Found]:
    gap_s = (start_ms - ended_ms) / 1000
    if gap_s < 0:
        yield "overlap", f"begins {-gap_s:g} s before cue {number} ends"
    # A millisecond less is the rounding of times.
    elif limits.min_gap_s is not None and gap_s < limits.min_gap_s - 0.001:
        yield "gap", f"{gap_s:g} s after cue {number} < {limits.min_gap_s:.3g} s"


def _text(
    segment: Segment, lines: Sequence[str], length_ms: int, limits: ReadingLimits
) -> Iterator[_Found]:
    if not lines:
        yield "empty", "has no text"
    if any(_TIMING_LINE.search(line) for line in lines):
        yield "damaged", "has a timing line in its text"
    if limits.max_line_count is not None and len(lines) > limits.max_line_count:
        yield "lines", f"{len(lines)} lines > {limits.max_line_count}"
    if limits.max_line_width is not None:
        widest = max(map(markup.width, lines), default=0)
        if widest > limits.max_line_width:
            yield "width", f"line of {widest} characters > {limits.max_line_width}"
    if limits.max_cps is not None and length_ms > 0:
        cps = sum(map(len, lines)) * 1000 / length_ms
        if cps > limits.max_cps + 0.05:
            yield "speed", f"reading speed {cps:.1f} > {limits.max_cps:g} cps"


def _lines(segment: Segment) -> list[str]:
    text = markup.unstyled(segment.text).replace("\n", markup.BREAK)
    lines = [line.strip() for line in text.split(markup.BREAK)]
    return [line for line in lines if line]


# A name and no sentence: at most three words.
_LABEL = re.compile(r"\s*([^\s:]+(?: [^\s:]+){0,2}): ")
_MAX_NAME = 40


def _label(segment: Segment) -> str | None:
    """Name before the text, as ``labels`` writes it in formats without a field for the speaker."""
    match = _LABEL.match(markup.unstyled(segment.text))
    return match[1] if match and len(match[1]) <= _MAX_NAME else None


def _ms(time_s: float) -> int:
    return round(time_s * 1000)
