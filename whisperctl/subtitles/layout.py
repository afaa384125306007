"""Layout of segments as cues: the lines and times that keep to the options.

The rules of breaking are those of openai-whisper's ``SubtitlesWriter.iterate_result``: a line is as
wide as ``max_line_width`` allows, a cue has ``max_line_count`` lines at most, and with both limits
given cues no longer follow the segments, so that a pause of three seconds begins a new one as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import (
    Cue,
    CuePart,
    estimated_words,
    label,
    sentence_begins,
    split_wide,
    timed_words,
)
from whisperctl.text import milliseconds
from whisperctl.transcript import Segment, Transcript

_LONG_PAUSE_MS = 3000
_MOST_HIGHLIGHTED = 1000

LEAST_MS = 10
"""Shortest time of a cue in any format: a hundredth of a second is the unit of ASS and LRC."""

_READING_MS_PER_CHARACTER = 50
_READING_LEAST_MS = 500


def layout(
    transcript: Transcript, options: SubtitleOptions = NO_LIMITS, *, speaker_in_text: bool = True
) -> list[Cue]:
    """Cues of ``transcript``, in the order of their starts.

    Those of one speaker never overlap and each shows for a while; people who talk at once have
    cues at once. A word longer than a line is never cut. A speed that cannot be kept because the
    next cue begins is left.

    Args:
        transcript: the transcript. Segments without text are left out, and the time of a segment
            whose words have no times is shared out among them by their characters.
        options: the limits.
        speaker_in_text: the speaker's name counts towards the width of a line.
    """
    cues = _broken(transcript.segments, options, speaker_in_text=speaker_in_text)
    limit_ms = max([milliseconds(transcript.duration_s), *(cue.end_ms for cue in cues)])
    of_speakers: dict[str | None, list[Cue]] = {}
    for cue in cues:
        of_speakers.setdefault(cue.speaker, []).append(cue)
    timed: list[Cue] = []
    for theirs in of_speakers.values():
        timed += _timed(theirs, options, limit_ms)
    return sorted(timed, key=lambda cue: cue.start_ms)


def n_characters(cue: Cue) -> int:
    """Number of characters to read: all but line breaks and styles."""
    return len(markup.unstyled(cue.text).replace("\n", ""))


def highlighted(cue: Cue) -> Iterator[Cue]:
    """``cue`` cut into one for each word, in which that word is underlined, as openai-whisper does.

    Where no word is spoken none is underlined. A cue whose words have no times stays whole, and so
    does one of more words than anyone reads at once: it would be written as often as it has words.
    """
    here_ms = cue.start_ms
    times_of_words = word_times(cue) if len(cue.pieces) <= _MOST_HIGHLIGHTED else ()
    for number, times in enumerate(times_of_words):
        if times is None:
            continue
        start_ms, end_ms = times
        if start_ms > here_ms:
            yield replace(cue, start_ms=here_ms, end_ms=start_ms)
        text = "".join(
            _underlined(piece.text) if place == number else piece.text
            for place, piece in enumerate(cue.pieces)
        )
        yield replace(cue, start_ms=start_ms, end_ms=end_ms, text=markup.balanced(text))
        here_ms = end_ms
    if here_ms < cue.end_ms:
        yield replace(cue, start_ms=here_ms)


def word_times(cue: Cue) -> list[tuple[int, int] | None]:
    """Start and end of each piece of ``cue``, in order and inside it; ``None`` is no time."""
    spans = [
        TimeSpan(
            min(max(piece.start_ms, cue.start_ms), cue.end_ms),
            min(max(piece.end_ms, cue.start_ms), cue.end_ms),
            len(piece.text),
        )
        for piece in cue.pieces
    ]
    return without_overlaps(spans, cue.end_ms)


def _underlined(text: str) -> str:
    word = text.lstrip()
    space = text[: len(text) - len(word)]
    return f"{space}{markup.UNDERLINE}{word}{markup.UNDERLINE_END}"


def _timed(cues: Sequence[Cue], options: SubtitleOptions, limit_ms: int) -> list[Cue]:
    spans = [TimeSpan(cue.start_ms, cue.end_ms, n_characters(cue)) for cue in cues]
    placed: list[Cue] = []
    for cue, times in zip(cues, without_overlaps(spans, limit_ms), strict=True):
        if times is not None:
            placed.append(replace(cue, start_ms=times[0], end_ms=times[1]))
        else:  # no time to show it by itself: it goes with the one before
            placed[-1] = replace(placed[-1], text=f"{placed[-1].text} {cue.text}", pieces=())
    times_ms = long_enough(
        [(cue.start_ms, cue.end_ms) for cue in placed],
        [n_characters(cue) + len(label(cue.speaker)) for cue in placed],
        max_cps=options.max_cps,
        min_gap_ms=milliseconds(options.min_cue_gap_s),
        limit_ms=limit_ms,
    )
    return [
        replace(cue, start_ms=start_ms, end_ms=end_ms)
        for cue, (start_ms, end_ms) in zip(placed, times_ms, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A wanted time, and the number of characters that it is for."""

    start_ms: int
    end_ms: int
    n_characters: int

    @property
    def reading_ms(self) -> int:
        """Time to show a text that has no time of its own: 20 characters a second."""
        return max(_READING_LEAST_MS, self.n_characters * _READING_MS_PER_CHARACTER)


def without_overlaps(spans: Sequence[TimeSpan], limit_ms: int) -> list[tuple[int, int] | None]:
    """Times for ``spans`` such that none overlaps, goes back, or is shorter than ``LEAST_MS``.

    Spans that already are so keep their times. One that runs into the next ends where that begins.
    One that begins before the one before it begins with it, and what begins together shares the
    time by its characters. One of no length takes as long as it is read in, if there is room; none
    of this goes past ``limit_ms``.

    Returns:
        Start and end for each span, or ``None`` where there is no room: it goes with the one
        before it. The first is never ``None``.
    """
    result: list[tuple[int, int] | None] = []
    starts: list[int] = []
    for span in spans:
        starts.append(max(span.start_ms, starts[-1] if starts else 0))
    begin = 0
    while begin < len(spans):
        end = begin + 1
        while end < len(spans) and starts[end] - starts[begin] < LEAST_MS:
            end += 1
        room_ms = starts[end] if end < len(spans) else limit_ms
        result += _shared(spans[begin:end], starts[begin], room_ms, first=not result)
        begin = end
    return result


def _shared(
    group: Sequence[TimeSpan], start_ms: int, room_ms: int, *, first: bool
) -> list[tuple[int, int] | None]:
    """Times for spans that begin together, from ``start_ms`` to at most ``room_ms``."""
    end_ms = min(max(span.end_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS * len(group):
        end_ms = min(start_ms + sum(span.reading_ms for span in group), room_ms)
    if end_ms - start_ms < LEAST_MS:
        if not first:
            return [None] * len(group)
        start_ms, end_ms = max(0, end_ms - LEAST_MS), max(end_ms, LEAST_MS)
    if len(group) == 1 or end_ms - start_ms < LEAST_MS * len(group):
        return [(start_ms, end_ms), *[None] * (len(group) - 1)]
    times: list[tuple[int, int] | None] = []
    total = sum(span.n_characters + 1 for span in group)
    passed, here_ms = 0, start_ms
    for number, span in enumerate(group, start=1):
        passed += span.n_characters + 1
        left = len(group) - number
        next_ms = start_ms + (end_ms - start_ms) * passed // total // 10 * 10
        next_ms = min(max(next_ms, here_ms + LEAST_MS), end_ms - left * LEAST_MS)
        times.append((here_ms, next_ms if left else end_ms))
        here_ms = next_ms
    return times


def long_enough(
    times: Sequence[tuple[int, int]],
    n_characters: Sequence[int],
    *,
    max_cps: float | None,
    min_gap_ms: int,
    limit_ms: int,
) -> list[tuple[int, int]]:
    """Cues that show long enough to be read, where silence follows, and that leave a gap.

    A gap takes at most half of a cue; ``times`` are in order and apart, and stay so.
    """
    result = []
    for number, (start_ms, end_ms) in enumerate(times):
        last = number + 1 == len(times)
        room_ms = max(limit_ms, end_ms) if last else times[number + 1][0] - min_gap_ms
        if max_cps is not None:
            needed_ms = -int(-n_characters[number] * 1000 // max_cps)
            end_ms = max(end_ms, min(start_ms + needed_ms, room_ms))
        if end_ms > room_ms:
            shortest_ms = max(LEAST_MS, (end_ms - start_ms) // 2)
            end_ms = min(end_ms, max(room_ms, start_ms + shortest_ms))
        result.append((start_ms, end_ms))
    return result


def _broken(
    segments: Sequence[Segment], options: SubtitleOptions, *, speaker_in_text: bool
) -> list[Cue]:
    """Cues with lines; their times are still those of their words.

    Args:
        segments: the segments.
        options: the limits.
        speaker_in_text: the speaker's name takes room in the first line.
    """
    cues = list(_Breaker(options, speaker_in_text=speaker_in_text).run(segments))
    texts = markup.closed(cue.text for cue in cues)
    return [
        Cue(cue.start_ms, cue.end_ms, text, cue.pieces, cue.speaker)
        for cue, text in zip(cues, texts, strict=True)
    ]


class _Breaker:
    """One pass over the words of all segments."""

    def __init__(self, options: SubtitleOptions, *, speaker_in_text: bool) -> None:
        self._options = options
        self._speaker_in_text = speaker_in_text
        self._follow_segments = options.max_line_width is None or options.max_line_count is None
        self._pieces: list[CuePart] = []
        self._timed = True
        self._speaker: str | None = None

    def run(self, segments: Sequence[Segment]) -> Iterator[Cue]:
        options = self._options
        max_width = options.max_line_width or math.inf
        line_width, n_lines = 0, 1
        last_ms = 0
        before = ""
        for segment in segments:
            known = timed_words(segment)
            timed = bool(known)
            pieces: Iterable[CuePart] = known or estimated_words(segment)
            if options.max_line_width is not None:
                pieces = split_wide(pieces, options.max_line_width)
            for number, piece in enumerate(pieces):
                begins = bool(self._pieces) and (
                    self._begins_cue(number)
                    or segment.speaker != self._speaker
                    or (options.split_sentences and sentence_begins(before, piece.text))
                )
                long_pause = not self._follow_segments and piece.start_ms - last_ms > _LONG_PAUSE_MS
                text = self._spaced(piece.text)
                kept_break = text.startswith("\n")
                has_room = line_width + markup.width(text) <= max_width
                if line_width and has_room and not (long_pause or begins or kept_break):
                    line_width += markup.width(text)
                else:
                    text = text.strip()
                    full = options.max_line_count is not None and (
                        long_pause or n_lines >= options.max_line_count
                    )
                    if self._pieces and (begins or full):
                        yield self._taken()
                        n_lines = 1
                        line_width = 0
                    if line_width:
                        n_lines += 1
                        line_width = markup.width(text)
                        text = "\n" + text
                    else:
                        line_width = markup.width(text) + self._label_width(segment.speaker)
                self._pieces.append(CuePart(piece.start_ms, piece.end_ms, text))
                self._timed = self._timed and timed
                self._speaker = segment.speaker
                last_ms = piece.start_ms
                before = piece.text
        if self._pieces:
            yield self._taken()

    def _begins_cue(self, number: int) -> bool:
        """True if a word begins a cue by its position in the segment alone."""
        if not self._follow_segments:
            return False
        limit = self._options.max_words_per_line
        if limit is None or self._options.max_line_width is not None:
            return number == 0
        return number % limit == 0

    def _spaced(self, text: str) -> str:
        """``text`` with a file's line breaks, which are spaces if there is a limit of the width."""
        if markup.BREAK not in text:
            return text
        if self._options.max_line_width is not None:
            return " " + text.replace(markup.BREAK, " ").lstrip()
        return "\n" + text.replace(markup.BREAK, " ").lstrip()

    def _label_width(self, speaker: str | None) -> int:
        return markup.width(label(speaker)) if self._speaker_in_text else 0

    def _taken(self) -> Cue:
        pieces = tuple(self._pieces)
        text = "".join(piece.text for piece in pieces).strip()
        cue = Cue(
            pieces[0].start_ms,
            pieces[-1].end_ms,
            text,
            pieces if self._timed else (),
            self._speaker,
        )
        self._pieces = []
        self._timed = True
        return cue
