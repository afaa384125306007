"""Segments pass the stages in order, and what a stage holds passes those after it."""

from __future__ import annotations

from dataclasses import replace

from whisperctl.transcript import Segment, Token, Word
from whisperctl.transcription.stages import (
    Blanks,
    ControlCharacters,
    Pipeline,
    Speaker,
    Stage,
    Words,
)


class Renamed(Stage):
    """Appends a letter to the text of each segment."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def add(self, segment: Segment) -> list[Segment]:
        return [replace(segment, text=segment.text + self.letter)]


class Pairs(Stage):
    """Holds segments until there are two."""

    def __init__(self) -> None:
        self.held: list[Segment] = []

    def add(self, segment: Segment) -> list[Segment]:
        self.held.append(segment)
        return self.flush() if len(self.held) == 2 else []

    def flush(self) -> list[Segment]:
        held, self.held = self.held, []
        return held


def test_segments_pass_all_stages_in_order() -> None:
    given: list[Segment] = []
    pipeline = Pipeline([Renamed("a"), Pairs(), Renamed("b"), Pairs()], given.append)

    for i in range(3):
        pipeline.add(Segment(i, i + 1, str(i)))
    assert [segment.text for segment in given] == ["0ab", "1ab"]
    assert pipeline.n_segments == 2

    pipeline.flush()
    assert [segment.text for segment in given] == ["0ab", "1ab", "2ab"]
    assert pipeline.n_segments == 3


def test_without_stages_segments_come_out_as_they_are() -> None:
    given: list[Segment] = []
    segment = Segment(0, 1, " Yes.")

    Pipeline([], given.append).add(segment)

    assert given == [segment]


def test_words_are_made_in_the_language_known_when_the_segment_comes() -> None:
    languages = iter(["en", "ja"])
    stage = Words(lambda: next(languages))
    tokens = tuple(Token(1, c.encode(), 1.0, 0.0, 1.0) for c in "日本")
    segment = Segment(0, 1, "日本", tokens)

    ((english,), (japanese,)) = stage.add(segment), stage.add(segment)

    assert [word.text for word in english.words] == ["日本"]
    assert [word.text for word in japanese.words] == ["日", "本"]


def test_segments_without_text_are_dropped() -> None:
    assert list(Blanks().add(Segment(0, 1, " \n"))) == []
    assert len(list(Blanks().add(Segment(0, 1, " a")))) == 1


def test_what_an_engine_says_holds_no_mark_of_a_tag() -> None:
    text = " \ufdd7{\\pos(1,1)}\ufdd8hi"
    (found,) = ControlCharacters().add(Segment(0, 1, text, words=(Word(0, 1, text, 1.0),)))

    assert found.text == found.words[0].text == " {\\pos(1,1)}hi"


def test_control_characters_become_visible_and_speakers_are_named() -> None:
    given: list[Segment] = []
    pipeline = Pipeline([ControlCharacters(), Speaker("Speaker 1")], given.append)

    pipeline.add(Segment(0, 1, "\x1b[31m"))

    assert given == [Segment(0, 1, r"\x1b[31m", speaker="Speaker 1")]
