"""Stages: the steps that segments take one after the other, from the engine to the transcript.

To add one, write a class with ``add`` here or in a module beside, and name it in the list in
``RecordingRun._stages``. The repetition filter is not a stage, as it has audio decoded again: it is
part of ``chunk_decoder``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from whisperctl.engine.protocol import OnSegment
from whisperctl.engine.toolkit.words import words_of
from whisperctl.subtitles.markup import unmarked
from whisperctl.transcript import Segment


class Stage(ABC):
    """One step over the segments of a chunk, which come in order."""

    @abstractmethod
    def add(self, segment: Segment) -> Iterable[Segment]:
        """Take the next segment, and return those that are final: any number of them."""

    def flush(self) -> Iterable[Segment]:
        """Return the segments still held at the end of the chunk."""
        return ()


class Pipeline:
    """Stages in a row. ``n_segments`` is the number of segments that came out of the last one."""

    def __init__(self, stages: Sequence[Stage], on_segment: OnSegment) -> None:
        self.n_segments = 0
        self._stages = stages
        self._on_segment = on_segment

    def add(self, segment: Segment) -> None:
        """Send a segment through all stages."""
        self._send(segment, 0)

    def flush(self) -> None:
        """Send what the stages still hold through those after them."""
        for i, stage in enumerate(self._stages, 1):
            for segment in stage.flush():
                self._send(segment, i)

    def _send(self, segment: Segment, first: int) -> None:
        if first == len(self._stages):
            self.n_segments += 1
            self._on_segment(segment)
            return
        for result in self._stages[first].add(segment):
            self._send(result, first + 1)


class Words(Stage):
    """Make words of tokens.

    Args:
        language: returns the code of the language spoken, which is not known before the first
            segment.
    """

    def __init__(self, language: Callable[[], str]) -> None:
        self._language = language

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment with its words."""
        yield replace(segment, words=words_of(segment, self._language()))


class ControlCharacters(Stage):
    """Make control characters visible, and leave out the marks of styles and tags.

    No engine has a use for those, and writers would make tags of them.
    """

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment with visible text and words."""
        segment = segment.visible()
        text = unmarked(segment.text)
        if text != segment.text:
            words = tuple(replace(word, text=unmarked(word.text)) for word in segment.words)
            segment = replace(segment, text=text, words=words)
        yield segment


class Blanks(Stage):
    """Drop segments without text."""

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment if it has text."""
        if segment.text.strip():
            yield segment


class Speaker(Stage):
    """Name the speaker; ``None`` if the speaker is not known."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def add(self, segment: Segment) -> Iterable[Segment]:
        """Return the segment with its speaker."""
        yield replace(segment, speaker=self._name)
