"""Layout of segments as cues: the lines and times that keep to the options.

Where an option asks for other lines or lengths, cues no longer follow the segments. Of all ways to
part the words of a speaker, the one of the lowest cost is taken: a cue or line costs least if it
ends with a sentence, more with a clause, more still at a pause, and most between two words that
belong together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import (
    LEAST_MS,
    Cue,
    CuePart,
    TimeSpan,
    estimated_words,
    is_numbered,
    label,
    sentence_begins,
    split_wide,
    timed_words,
    without_overlaps,
)
from whisperctl.text import milliseconds
from whisperctl.transcript import Segment, Transcript

_MOST_HIGHLIGHTED = 1000
_ENDLESS_MS = 10**15

# Costs of a break inside a sentence, by what it parts; the end of a sentence costs nothing.
_CLAUSE, _OWN_CUE, _SEGMENT, _PHRASE, _WORDS, _SHORT_WORD = 1.2, 1.6, 2.5, 2.6, 3.0, 4.0
_SHORT_LETTERS = 3
_PAUSE_DISCOUNT, _FULL_DISCOUNT_MS = 0.65, 1000
# Costs of a cue: as such, for each sentence after its first, if it ends in the middle of that one,
# if it begins in the middle of the first, and for a piece of a sentence that is short.
_CUE, _TWO_SENTENCES, _SENTENCE_CUT, _TAIL, _FRAGMENT = 0.8, 1.0, 3.0, 1.0, 1.0
_PAUSE, _PAUSE_PER_S = 1.0, 3.0
_TOO_MUCH, _EXTRA_LINE = 2.0, 2.0
_TOO_SHORT, _TOO_FAST, _TOO_LONG_PER_S, _BROKEN_LIMIT = 1.5, 3.0, 0.5, 2.0
# Costs of lines: a share of the break's, for uneven widths, and for a word by itself.
_LINE, _UNEVEN, _LONE_WORD = 0.6, 2.0, 1.5

_PAUSE_MS = 500
"""Shortest silence that makes a cue around it dearer."""
_SLOW_MS, _SLOW_MS_PER_LETTER = 400, 80
"""Longest time of a word; what it takes beyond that counts as a pause before it."""
_SLOWEST_MS = 150
"""Longest time of a letter in speech, pauses included."""
_LONG_PAUSE_MS = 2000
"""No cue shows across a silence as long as this."""
_LEAD_MS = 200
"""Longest time that a cue shows before it is spoken; Aegisub's lead-in is as long."""

# What is aimed at where there is no limit: Netflix's numbers.
_AIM_LINES, _AIM_CHARACTERS, _AIM_CPS, _AIM_LEAST_MS, _AIM_MOST_MS = 2, 84, 20.0, 840, 7000
_MOST_EXTRA_LINES = 4
_ROUNDING = 1e-9
_MOST_PARTS = 200
"""Most words of a cue: more would make the search slow, and nobody reads them."""

_CLAUSE_END = re.compile(
    "[,;:\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b-]"
    "[\"'\u201d\u2019\u00bb)\\]}\u300d\u300f\uff09]*$"
)
_SILENCE = "BLANK_AUDIO"
"""What English models of Whisper write where they hear nothing, in brackets."""
_CLAUSE_BEGINS = frozenset("([\u2013\u2014\u300c\u300e\uff08")
_DASHES = frozenset("-\u2010\u2013\u2014")


def layout(
    transcript: Transcript, options: SubtitleOptions = NO_LIMITS, *, speaker_in_text: bool = True
) -> list[Cue]:
    """Cues of ``transcript``, in the order of their starts.

    Those of one speaker in one place never overlap and each shows for a while; people who talk at
    once have cues at once. A word longer than a line is never cut. A speed that cannot be kept
    because the next cue begins is left.

    Args:
        transcript: the transcript. Segments without text are left out, and the time of a segment
            whose words have no times is shared out among them by their characters.
        options: the limits.
        speaker_in_text: the speaker's name counts towards the width of a line.
    """
    ends_s = [transcript.duration_s, *(segment.end_s for segment in transcript.segments)]
    limit_ms = milliseconds(max(ends_s))
    cues = _broken(transcript.segments, options, limit_ms, speaker_in_text=speaker_in_text)
    limit_ms = max([limit_ms, *(cue.end_ms for cue in cues)])
    together: dict[tuple[str | None, str], list[Cue]] = {}
    for cue in cues:
        together.setdefault((cue.speaker, markup.place(cue.text)), []).append(cue)
    timed: list[Cue] = []
    for theirs in together.values():
        timed += _timed(theirs, options, limit_ms)
    return sorted(timed, key=lambda cue: cue.start_ms)


def shortened(segment: Segment, options: SubtitleOptions) -> Segment:
    """A segment of a file without times of words, which ends before it shows longer than is said.

    Its words would share a time in which nobody says them, as where an end was mistyped. What is
    allowed as the duration of a cue stays.
    """
    if options.max_duration_s is None:
        return segment
    n = markup.length(segment.text)
    longest_s = max(options.max_duration_s, n * _SLOWEST_MS / 1000)
    return replace(segment, end_s=min(segment.end_s, segment.start_s + longest_s))


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
    times_ms = _long_enough(placed, options, limit_ms)
    return [
        replace(cue, start_ms=start_ms, end_ms=end_ms)
        for cue, (start_ms, end_ms) in zip(placed, times_ms, strict=True)
    ]


def _long_enough(
    cues: Sequence[Cue], options: SubtitleOptions, limit_ms: int
) -> Iterator[tuple[int, int]]:
    """Times of cues that show long enough, not too long, and leave a gap.

    They take the silence that follows, and where that is too short a little of the silence before.
    A gap takes at most half of a cue; cues are in order and apart, and stay so. Without a limit,
    new cues take silence to be readable, as the search for them assumes.
    """
    gap_ms, most_ms = _at_least(options.min_cue_gap_s), _at_most(options.max_duration_s)
    max_cps = options.max_cps or (_AIM_CPS if options.breaks_lines else None)
    free_ms = 0
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        start_ms, end_ms = cue.start_ms, cue.end_ms
        room_ms = max(limit_ms, end_ms) if following is None else following.start_ms - gap_ms
        needed_ms = _at_least(options.min_duration_s)
        if max_cps is not None:
            n = n_characters(cue) + len(label(cue.speaker))
            needed_ms = max(needed_ms, math.ceil(n * 100 / max_cps) * 10)
        needed_ms = min(needed_ms, most_ms)
        end_ms = max(end_ms, min(start_ms + needed_ms, room_ms))
        if end_ms > room_ms:
            shortest_ms = max(LEAST_MS, (end_ms - start_ms) // 2)
            end_ms = min(end_ms, max(room_ms, start_ms + shortest_ms))
        end_ms = min(end_ms, start_ms + most_ms)
        start_ms = min(start_ms, max(end_ms - needed_ms, start_ms - _LEAD_MS, free_ms))
        yield start_ms, end_ms
        free_ms = end_ms + gap_ms


def _at_least(seconds: float | None) -> int:
    """Milliseconds of a lower limit, as whole hundredths of a second: some formats have no less."""
    return 0 if seconds is None else math.ceil(round(seconds * 100, 6)) * 10


def _at_most(seconds: float | None) -> int:
    """Milliseconds of an upper limit, as whole hundredths; without one more than any time."""
    if seconds is None:
        return _ENDLESS_MS
    return min(_ENDLESS_MS, max(LEAST_MS, math.floor(round(seconds * 100, 6)) * 10))


def _broken(
    segments: Sequence[Segment], options: SubtitleOptions, limit_ms: int, *, speaker_in_text: bool
) -> list[Cue]:
    """Cues with lines; their times are still those of their words.

    Args:
        segments: the segments.
        options: the limits.
        limit_ms: end of the recording.
        speaker_in_text: the speaker's name takes room in the first line.
    """
    if options.breaks_lines:
        runs = _runs(segments, options, limit_ms, speaker_in_text=speaker_in_text)
        cues = [cue for run in runs for cue in run.cues()]
    else:
        cues = list(_of_segments(segments))
    texts = markup.closed(cue.text for cue in cues)
    return [replace(cue, text=text) for cue, text in zip(cues, texts, strict=True)]


def _of_segments(segments: Sequence[Segment]) -> Iterator[Cue]:
    """A cue for each segment that has words, with the line breaks of the file it was read from."""
    for segment in segments:
        known = timed_words(segment)
        parts: list[CuePart] = []
        for piece in known or estimated_words(segment):
            text = piece.text
            if markup.BREAK in text:
                text = "\n" + text.replace(markup.BREAK, " ").lstrip()
            parts.append(replace(piece, text=text if parts else text.strip()))
        if parts:
            yield _cue(parts, timed=bool(known), speaker=segment.speaker)


def _cue(parts: Sequence[CuePart], *, timed: bool, speaker: str | None) -> Cue:
    text = "".join(part.text for part in parts).strip()
    return Cue(parts[0].start_ms, parts[-1].end_ms, text, tuple(parts) if timed else (), speaker)


def _runs(
    segments: Sequence[Segment], options: SubtitleOptions, limit_ms: int, *, speaker_in_text: bool
) -> Iterator[_Run]:
    """The words of all segments, cut where the speaker or the place changes and at long pauses.

    Segments that are only a model's word for silence are left out, unless there are no others.
    """
    run: _Run | None = None
    latest_ms = 0
    said = [one for one in segments if markup.plain(one.text).strip(" >-[]") != _SILENCE]
    for segment in said or segments:
        known = timed_words(segment)
        parts = known or estimated_words(shortened(segment, options))
        place = markup.place(segment.text)
        if options.max_line_width is not None:
            parts = list(split_wide(parts, options.max_line_width))
        for number, part in enumerate(parts):
            # Whole hundredths, so that limits hold in formats that have nothing finer.
            start_ms, end_ms = part.start_ms // 10 * 10, part.end_ms // 10 * 10
            of_another = run is None or (run.speaker, run.place) != (segment.speaker, place)
            if run is None or of_another or run.is_far(start_ms):
                if run is not None:
                    if not of_another:
                        run.until_ms = start_ms - run.gap_ms
                    # Later segments begin no earlier, though their first words may.
                    begin_ms = min(start_ms, milliseconds(segment.start_s))
                    run.alone = run.alone and latest_ms <= begin_ms
                    yield run
                in_text = label(segment.speaker) if speaker_in_text else ""
                run = _Run(options, segment.speaker, place, markup.width(in_text), limit_ms)
                run.alone = latest_ms <= start_ms
            latest_ms = max(latest_ms, end_ms)
            run.add(
                CuePart(start_ms, end_ms, part.text), timed=bool(known), begins_segment=number == 0
            )
    if run is not None:
        yield run


@dataclass(slots=True)
class _Run:
    """Consecutive words of one speaker in one place, and the best way to part them.

    The lists have an item a word: its text with the space before it, whether its times are known,
    its width and that of the space, the cost of a break before it, and how many sentences have
    begun and what the pauses cost up to it. ``widths_before`` has one more. The last cue can show
    until ``until_ms``. Nobody else speaks meanwhile if the speaker is ``alone``: see ``labels``.
    """

    options: SubtitleOptions
    speaker: str | None
    place: str
    label_width: int
    until_ms: int
    alone: bool = True
    parts: list[CuePart] = field(default_factory=list)
    timed: list[bool] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    spaces: list[int] = field(default_factory=list)
    widths_before: list[int] = field(default_factory=lambda: [0])
    costs: list[float] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    forced: set[int] = field(default_factory=set)
    max_width: float = math.inf
    max_words: float = math.inf
    most_lines: int = 1
    aim_lines: int = 1
    room: int = _AIM_CHARACTERS
    gap_ms: int = 0
    least_ms: int = _AIM_LEAST_MS
    most_ms: int = _ENDLESS_MS
    reading_ms: float = 1000 / _AIM_CPS

    def __post_init__(self) -> None:
        options = self.options
        self.gap_ms = _at_least(options.min_cue_gap_s)
        self.least_ms = _at_least(options.min_duration_s) or _AIM_LEAST_MS
        self.most_ms = _at_most(options.max_duration_s)
        self.reading_ms = 1000 / (options.max_cps or _AIM_CPS)
        self.max_width = options.max_line_width or math.inf
        self.max_words = options.max_words_per_line or math.inf
        if options.max_line_width is not None:
            self.aim_lines = options.max_line_count or _AIM_LINES
            self.room = options.max_line_width * self.aim_lines
        elif options.max_words_per_line is not None:
            self.aim_lines = options.max_line_count or 1
            self.room = min(_AIM_CHARACTERS, 6 * options.max_words_per_line * self.aim_lines)
        self.most_lines = options.max_line_count or (
            1
            if options.max_words_per_line and not options.max_line_width
            else self.aim_lines + _MOST_EXTRA_LINES
        )

    def is_far(self, start_ms: int) -> bool:
        """True if a word is so long after the last one that no cue holds both."""
        return start_ms - self.parts[-1].end_ms >= _LONG_PAUSE_MS

    def add(self, part: CuePart, *, timed: bool, begins_segment: bool) -> None:
        """Add a word, and note what a break before it costs."""
        at = len(self.parts)
        word = part.text.lstrip(f" \t\n{markup.BREAK}")
        plain = markup.unstyled(word)
        spaced = len(word) < len(part.text)
        breaks = markup.BREAK in part.text
        # A dash after a line break is another person's in a dialogue.
        if at and breaks and (plain[:1] in _DASHES or self.max_width == math.inf):
            self.forced.add(at)
        cost, n_sentences, pauses = 0.0, 0, 0.0
        if at:
            before = self.parts[-1]
            n_sentences, pauses = self.sentences[-1], self.pauses[-1]
            pause_ms = part.start_ms - before.end_ms
            if timed:  # engines give a pause to the word behind it
                spoken_ms = _SLOW_MS + _SLOW_MS_PER_LETTER * _n_letters(plain)
                pause_ms += max(0, part.end_ms - part.start_ms - spoken_ms)
            if at in self.forced:
                pass
            elif sentence_begins(markup.unstyled(before.text), plain):
                n_sentences += 1
            else:
                cost = _break_cost(before.text, plain, begins_segment=begins_segment, timed=timed)
                cost *= 1 - _PAUSE_DISCOUNT * min(1.0, max(0, pause_ms) / _FULL_DISCOUNT_MS)
            if pause_ms >= _PAUSE_MS:
                pauses += _PAUSE + _PAUSE_PER_S * (pause_ms - _PAUSE_MS) / 1000
        self.parts.append(replace(part, text=f" {word}" if spaced else word))
        self.timed.append(timed)
        self.widths.append(markup.width(word))
        self.spaces.append(int(spaced))
        self.widths_before.append(self.widths_before[-1] + self.widths[-1] + self.spaces[-1])
        self.costs.append(cost)
        self.sentences.append(n_sentences)
        self.pauses.append(pauses)

    def cues(self) -> Iterator[Cue]:
        """The cues, with lines; their times are those of their words."""
        n = len(self.parts)
        best = 0.0
        came_from = [0] * (n + 1)
        # Costs without those of lines, which take most of the time and only make a cue dearer, by
        # their least at least.
        open_: dict[int, list[tuple[float, int, int, float]]] = {}
        for at in range(n + 1):
            if at:
                best = math.inf
                for cost, begin, n_lines, least in sorted(open_.pop(at)):
                    if cost >= best:
                        break
                    if cost + least >= best + _ROUNDING:
                        continue
                    total = cost
                    if n_lines == 2 and not self.forced:
                        total += self._halved(begin, at, self._label_width(begin))[0]
                    elif n_lines > 1:
                        total += self._lines(begin, at)[0]
                    if total < best:
                        best, came_from[at] = total, begin
            for end, cost, n_lines, least in self._candidates(at):
                open_.setdefault(end, []).append((best + cost, at, n_lines, least))
        ends = [n]
        while came_from[ends[-1]]:
            ends.append(came_from[ends[-1]])
        begin = 0
        for end in reversed(ends):
            breaks = self._lines(begin, end)[1]
            parts = list(self.parts[begin:end])
            text = markup.placed(parts[0].text.lstrip(), self.place)
            parts[0] = replace(parts[0], text=text)
            for at in breaks:
                text = parts[at - begin].text
                parts[at - begin] = replace(parts[at - begin], text="\n" + text.lstrip())
            yield _cue(parts, timed=all(self.timed[begin:end]), speaker=self.speaker)
            begin = end

    def _candidates(self, begin: int) -> Iterator[tuple[int, float, int, float]]:
        """Ends of cues from a word on that keep to the limits.

        A word by itself is a cue whatever the limits.

        Yields:
            The end, the cost without that of lines, the number of lines, and their least cost.
        """
        last = min(len(self.parts), begin + _MOST_PARTS)
        end_ms = self.parts[begin].start_ms + self.most_ms if begin < last else 0
        n_lines, width, n_words = 1, self._label_width(begin), 0
        cheapest = math.inf
        for at in range(begin, last):
            if at > begin:
                cheapest = min(cheapest, self.costs[at])
            if n_words and not self._goes_on(at, width, n_words):
                n_lines, width, n_words = n_lines + 1, 0, 0
            width += self.widths[at] + (self.spaces[at] if n_words else 0)
            n_words += 1
            characters = self._width(begin, at + 1)
            if at > begin and (
                n_lines > self.most_lines
                or characters > 3 * self.room
                or self.parts[at].end_ms > end_ms
                or (self.options.split_sentences and self.sentences[at] > self.sentences[begin])
            ):
                return
            least = _LINE * (n_lines - 1) * cheapest if n_lines > 1 else 0.0
            yield at + 1, self._cost(begin, at + 1, n_lines, characters), n_lines, least

    def _goes_on(self, at: int, width: int, n_words: int) -> bool:
        """True if a line that is not empty goes on with a word."""
        return (
            at not in self.forced
            and n_words < self.max_words
            and width + self.spaces[at] + self.widths[at] <= self.max_width
        )

    def _label_width(self, begin: int) -> int:
        """Width of the speaker's name in a cue that begins with a word."""
        first = begin == 0 or not self.alone or is_numbered(self.speaker)
        return self.label_width if first else 0

    def _width(self, begin: int, end: int) -> int:
        """Width of words on one line."""
        return self.widths_before[end] - self.widths_before[begin] - self.spaces[begin]

    def _cost(self, begin: int, end: int, n_lines: int, characters: int) -> float:
        sentences = self.sentences
        n_more = sentences[end - 1] - sentences[begin]
        begins = begin == 0 or sentences[begin] > sentences[begin - 1]
        ends = end == len(self.parts) or sentences[end] > sentences[end - 1]
        cost = _CUE + self.pauses[end - 1] - self.pauses[begin] + n_more * _TWO_SENTENCES
        if not ends:
            cost += self.costs[end] + (_SENTENCE_CUT if n_more else 0)
        elif n_more and not begins:
            cost += _TAIL
        share = characters / self.room
        if 3 * share < 1 and not (begins and ends):
            cost += _FRAGMENT * (1 - 3 * share)
        elif share > 1:
            cost += _TOO_MUCH * (share - 1)
        if n_lines > self.aim_lines:
            cost += _EXTRA_LINE * (n_lines - self.aim_lines)
        return cost + self._time_cost(begin, end, characters)

    def _time_cost(self, begin: int, end: int, characters: int) -> float:
        start_ms = self.parts[begin].start_ms
        spoken_ms = self.parts[end - 1].end_ms - start_ms
        last_ms = self.until_ms
        if end < len(self.parts):
            last_ms = self.parts[end].start_ms - self.gap_ms
        room_ms = max(LEAST_MS, last_ms - start_ms)
        needed_ms = (self._label_width(begin) + characters) * self.reading_ms
        shown_ms = min(max(spoken_ms, self.least_ms, needed_ms), room_ms)
        cost = 0.0
        if shown_ms < self.least_ms:
            short = _TOO_SHORT * (1 - shown_ms / self.least_ms)
            cost += short if self.options.min_duration_s is None else _BROKEN_LIMIT + short
        if shown_ms < needed_ms:
            fast = min(_TOO_FAST, _TOO_FAST * (needed_ms / shown_ms - 1))
            cost += fast if self.options.max_cps is None else _BROKEN_LIMIT + fast
        if spoken_ms > _AIM_MOST_MS:
            cost += _TOO_LONG_PER_S * (spoken_ms - _AIM_MOST_MS) / 1000
        return cost

    def _lines(self, begin: int, end: int) -> tuple[float, list[int]]:
        """The best lines of a cue, as few as possible: their cost, and where all but one begin."""
        label_width = self._label_width(begin)
        if (
            not self.forced
            and self._width(begin, end) + label_width <= self.max_width
            and (end - begin <= self.max_words)
        ):
            return 0.0, []
        cost, breaks = 0.0, []
        block = begin
        for at in range(begin + 1, end + 1):
            if at == end or at in self.forced:
                if block > begin:
                    breaks.append(block)
                of_block, within = self._even(block, at, label_width if block == begin else 0)
                cost += of_block
                breaks += within
                block = at
        return cost, breaks

    def _even(self, begin: int, end: int, before: int) -> tuple[float, list[int]]:
        """The best lines of words without a forced break; ``before`` is taken in the first line."""
        n_lines, width, n_words = 1, before, 0
        for at in range(begin, end):
            if n_words and not self._goes_on(at, width, n_words):
                n_lines, width, n_words = n_lines + 1, 0, 0
            width += self.widths[at] + (self.spaces[at] if n_words else 0)
            n_words += 1
        if n_lines == 1:
            return 0.0, []
        if n_lines == 2:
            return self._halved(begin, end, before)
        mean = max(1.0, (self._width(begin, end) + before) / n_lines)
        earliest = self._earliest_ends(begin, end, n_lines)
        # Of so many lines that end at a place: the lowest cost, and where all but one begin.
        best: dict[int, tuple[float, list[int]]] = {begin: (0.0, [])}
        for number in range(n_lines):
            following: dict[int, tuple[float, list[int]]] = {}
            for first, (cost, breaks) in best.items():
                taken = before if first == begin else 0
                if first > begin:
                    cost += _LINE * self.costs[first]
                    breaks = [*breaks, first]
                for last in range(max(first + 1, earliest[number]), end + 1):
                    width = taken + self._width(first, last)
                    if last > first + 1 and (
                        width > self.max_width or last - first > self.max_words
                    ):
                        break
                    if (last == end) != (number == n_lines - 1):
                        continue
                    total = cost + _UNEVEN * abs(width - mean) / (n_lines * mean)
                    if last == first + 1 and self.spaces[first] and end - begin > n_lines:
                        total += _LONE_WORD
                    if last not in following or total < following[last][0]:
                        following[last] = (total, breaks)
            best = following
        return best[end]

    def _earliest_ends(self, begin: int, end: int, n_lines: int) -> list[int]:
        """Earliest end of each line that leaves room for what follows in the other lines."""
        ends = [end]
        while len(ends) < n_lines:
            first = ends[-1] - 1
            while first > begin and (
                self._width(first - 1, ends[-1]) <= self.max_width
                and ends[-1] - first < self.max_words
            ):
                first -= 1
            ends.append(first)
        return ends[::-1]

    def _halved(self, begin: int, end: int, before: int) -> tuple[float, list[int]]:
        """The same as ``_even`` for two lines, which nearly all cues have, in less time."""
        total = self._width(begin, end) + before
        best, place = math.inf, begin + 1
        spaces, widths_before, last = self.spaces, self.widths_before, self.widths_before[end]
        start = widths_before[begin] + spaces[begin] - before
        for at in range(begin + 1, end):
            first, second = widths_before[at] - start, last - widths_before[at] - spaces[at]
            if at > begin + 1 and (first > self.max_width or at - begin > self.max_words):
                break
            if at + 1 < end and (second > self.max_width or end - at > self.max_words):
                continue
            cost = _LINE * self.costs[at] + _UNEVEN * abs(first - second) / total
            if end - begin > 2:
                if at == begin + 1 and self.spaces[at]:
                    cost += _LONE_WORD
                if at + 1 == end and self.spaces[at]:
                    cost += _LONE_WORD
            if cost < best:
                best, place = cost, at
        return best, [place]


def _break_cost(before: str, word: str, *, begins_segment: bool, timed: bool) -> float:
    """Cost of a break between two words inside a sentence.

    Articles and prepositions are short in most languages that have them, and belong to what
    follows.
    """
    before = markup.unstyled(before).strip()
    if _CLAUSE_END.search(before) or word[:1] in _CLAUSE_BEGINS:
        return _CLAUSE
    if begins_segment:  # the engine's, or somebody's own cue in the file that it was read from
        return _SEGMENT if timed else _OWN_CUE
    if _n_letters(before) <= _SHORT_LETTERS:
        return _SHORT_WORD
    return _PHRASE if _n_letters(word) <= _SHORT_LETTERS else _WORDS


def _n_letters(word: str) -> int:
    return sum(character.isalnum() for character in word)
