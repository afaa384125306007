"""How segments become the lines of subtitles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from whisperctl.subtitles import markup
from whisperctl.subtitles.breaking import broken
from whisperctl.subtitles.cues import Cue, label, milliseconds
from whisperctl.subtitles.layout import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles.timing import TimeSpan, unhurried, untangled
from whisperctl.transcript import Transcript

_MOST_HIGHLIGHTED = 1000


def layout(
    transcript: Transcript, options: SubtitleOptions = NO_LIMITS, *, speaker_in_text: bool = True
) -> list[Cue]:
    """The cues of ``transcript``, in the order they begin in.

    Those of one speaker never overlap and each shows for a while; people who talk at once have
    cues at once. A word longer than a line is never cut. A speed that cannot be kept because the
    next cue begins is left.

    Args:
        transcript: what was said. Segments without text are left out, and the time of a segment
            whose words have no times is shared out among them by their characters.
        options: the limits.
        speaker_in_text: whether the name of who speaks counts towards the width of a line.
    """
    cues = broken(transcript.segments, options, speaker_in_text=speaker_in_text)
    limit_ms = max([milliseconds(transcript.duration_s), *(cue.end_ms for cue in cues)])
    of_speakers: dict[str | None, list[Cue]] = {}
    for cue in cues:
        of_speakers.setdefault(cue.speaker, []).append(cue)
    timed: list[Cue] = []
    for theirs in of_speakers.values():
        timed += _timed(theirs, options, limit_ms)
    return sorted(timed, key=lambda cue: cue.start_ms)


def n_characters(cue: Cue) -> int:
    """How many characters there are to read: all but line breaks and styles."""
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
        yield replace(cue, start_ms=start_ms, end_ms=end_ms, text=markup.tidied(text))
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
    return untangled(spans, cue.end_ms)


def _underlined(text: str) -> str:
    word = text.lstrip()
    space = text[: len(text) - len(word)]
    return f"{space}{markup.UNDERLINE}{word}{markup.UNDERLINE_END}"


def _timed(cues: Sequence[Cue], options: SubtitleOptions, limit_ms: int) -> list[Cue]:
    spans = [TimeSpan(cue.start_ms, cue.end_ms, n_characters(cue)) for cue in cues]
    placed: list[Cue] = []
    for cue, times in zip(cues, untangled(spans, limit_ms), strict=True):
        if times is not None:
            placed.append(replace(cue, start_ms=times[0], end_ms=times[1]))
        else:  # no time to show it by itself: it goes with the one before
            placed[-1] = replace(placed[-1], text=f"{placed[-1].text} {cue.text}", pieces=())
    times_ms = unhurried(
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
