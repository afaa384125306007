"""Breaking of text into lines and cues.

The rules are those of openai-whisper's ``SubtitlesWriter.iterate_result``: a line is as wide as
``max_line_width`` allows, a cue has ``max_line_count`` lines at most, and with both limits given
cues no longer follow the segments, so that a pause of three seconds begins a new one as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

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
from whisperctl.transcript import Segment

if TYPE_CHECKING:
    from whisperctl.options import SubtitleOptions

_LONG_PAUSE_MS = 3000


def broken(
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
