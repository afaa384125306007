"""What lint finds, and what it leaves alone."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS
from whisperctl.formats.reading import parse
from whisperctl.options import PROFILES, SubtitleOptions
from whisperctl.subtitles.lint import ReadingLimits, lint, not_kept
from whisperctl.transcript import Segment, Transcript, Word


def checks(*segments: Segment, limits: ReadingLimits | None = None) -> list[tuple[int, str]]:
    return [(finding.cue, finding.check) for finding in lint(segments, limits)]


CLEAN = (Segment(0, 1, " a"), Segment(1, 2, " b"))


@pytest.mark.parametrize(
    ("segment", "check"),
    [
        (Segment(2, 2, " c"), "zero"),
        (Segment(3, 2.5, " c"), "negative"),
        (Segment(1.5, 3, " c"), "overlap"),
        (Segment(2, 3, "  "), "empty"),
        (Segment(2, 3, " c\ufdd000:00:03,000 --> 00:00:04,000"), "damaged"),
    ],
)
def test_what_no_player_can_show_is_always_found(segment: Segment, check: str) -> None:
    assert checks(*CLEAN) == []
    assert checks(*CLEAN, segment) == [(3, check)]


def test_cues_out_of_order_are_found() -> None:
    assert checks(Segment(5, 6, " a"), Segment(1, 2, " b")) == [(2, "order"), (2, "overlap")]


def test_an_overlap_with_any_earlier_cue_is_found() -> None:
    assert checks(Segment(0, 9, " a"), Segment(9, 9.5, " b"), Segment(9.2, 10, " c")) == [
        (3, "overlap")
    ]
    assert checks(Segment(0, 9, " a"), Segment(1, 2, " b"), Segment(8, 10, " c")) == [
        (2, "overlap"),
        (3, "overlap"),
    ]


def test_two_speakers_may_overlap() -> None:
    assert checks(Segment(0, 2, " a", speaker="1"), Segment(1, 3, " b", speaker="2")) == []
    assert checks(Segment(0, 2, " Speaker 1: a"), Segment(1, 3, " Speaker 2: b")) == []
    assert checks(Segment(0, 2, " a", speaker="1"), Segment(1, 3, " b")) == [(2, "overlap")]


def test_names_before_the_text_are_speakers_who_speak_until_the_next_name() -> None:
    host = Segment(0, 4, " Host: Good evening.")
    assert checks(host, Segment(3, 5, " Dr. van Laar: Hi.")) == []
    assert checks(host, Segment(5, 8, " Well then."), Segment(6, 9, " Guest: Yes.")) == []
    assert checks(host, Segment(3, 5, " Well then.")) == [(2, "overlap")]
    assert checks(host, Segment(3, 5, " What he says is: no.")) == [(2, "overlap")]
    assert checks(Segment(0, 4, " Hello."), Segment(3, 5, " Guest: Hi.")) == [(2, "overlap")]


@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_named_people_who_talk_at_once_are_no_fault_of_what_is_written(name: str) -> None:
    said = (
        Segment(0, 4, " Good evening everybody.", speaker="anna"),
        Segment(3, 5, " Good evening.", speaker="van Laar"),
        Segment(5, 8, " Well then.", speaker="van Laar"),
        Segment(6, 9, " Yes.", speaker="anna"),
    )
    out = io.StringIO()
    FORMATS[name].write(Transcript(said, "en", 9.0), out, SubtitleOptions())
    assert checks(*parse(out.getvalue().encode(), name).segments) == []


def test_a_sign_at_the_top_may_show_while_somebody_speaks() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:09,000\n{\\an8}A sign\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\n{\\an2}Hello.\n\n"
        "3\n00:00:03,000 --> 00:00:04,000\n{\\pos(1,2)\\an5}Another\n\n"
    )
    segments = parse(text.encode(), "srt").segments
    assert checks(*segments) == []
    assert checks(*segments, Segment(2.5, 4, " Hi.")) == [(4, "order"), (4, "overlap")]
    out = io.StringIO()
    FORMATS["srt"].write(Transcript(segments, "en", 9.0), out, SubtitleOptions())
    assert out.getvalue() == text


@pytest.mark.parametrize(
    ("limits", "segment", "check"),
    [
        (ReadingLimits(max_line_width=10), Segment(3, 4, " " + "x" * 11), "width"),
        (ReadingLimits(max_line_count=1), Segment(3, 4, " a\ufdd0b"), "lines"),
        (ReadingLimits(max_cps=10), Segment(3, 4, " " + "x" * 11), "speed"),
        (ReadingLimits(min_gap_s=0.1), Segment(2.05, 4, " x"), "gap"),
        (ReadingLimits(min_duration_s=0.5), Segment(3, 3.4, " x"), "short"),
        (ReadingLimits(max_duration_s=1.0), Segment(3, 5, " x"), "long"),
        (ReadingLimits(ends_by_s=4.0), Segment(3, 4.01, " x"), "beyond"),
    ],
)
def test_limits_are_checked_when_they_are_asked_for(
    limits: ReadingLimits, segment: Segment, check: str
) -> None:
    before = (Segment(0, 1, " a"), Segment(1.2, 2, " b"))
    kept = Segment(3, 4, " " + "x" * 10)
    assert checks(*before, segment) == []
    assert checks(*before, kept, limits=limits) == []
    assert checks(*before, segment, limits=limits) == [(3, check)]


def test_styles_and_line_breaks_are_not_characters() -> None:
    styled = Segment(0, 1, " \ufdd1" + "x" * 10 + "\ufdd2\ufdd0" + "y" * 10)
    assert checks(styled, limits=ReadingLimits(max_line_width=10, max_cps=20)) == []


def test_messages_name_the_value_and_the_limit() -> None:
    [finding] = lint([Segment(62, 63, " " + "x" * 31)], ReadingLimits(max_cps=21))
    assert (finding.start_ms, finding.message) == (62_000, "reading speed 31.0 > 21 cps")


def test_limits_must_be_above_zero() -> None:
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="must be above 0"):
            ReadingLimits(max_cps=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_an_hour_of_speech_laid_out_is_clean(name: str) -> None:
    # What tiny.en says of the eleven seconds of samples/jfk.wav, again and again.
    sentences = (
        (0.0, 8.0, " And so my fellow Americans ask not what your country can do for you,"),
        (8.0, 11.0, " ask what you can do for your country."),
    )
    hour = Transcript(
        tuple(
            Segment(11 * turn + start, 11 * turn + end, text)
            for turn in range(327)
            for start, end, text in sentences
        ),
        "en",
        3600.0,
    )
    for options in (SubtitleOptions(), PROFILES["netflix"]):
        checked = replace(ReadingLimits.of(options), ends_by_s=3600)
        out = io.StringIO()
        FORMATS[name].write(hour, out, options)
        subtitles = parse(out.getvalue().encode(), name)
        assert len(subtitles.segments) >= 327
        assert lint(subtitles.segments, checked) == []


def spoken(words: str, start_s: float, word_s: float) -> Segment:
    timed = [Word(start_s + n * word_s, start_s + (n + 1) * word_s, f" {word}", 1.0)
             for n, word in enumerate(words.split())]  # fmt: skip
    return Segment(start_s, timed[-1].end_s, f" {words}", words=tuple(timed))


def test_what_a_profile_writes_passes_its_lint_or_a_note_says_what_does_not() -> None:
    text = "It was a bright cold day in April, and the clocks were striking thirteen. Ah. Winston"
    calm = [spoken(text, 7 * n + 0.003, 0.35) for n in range(20)]
    hasty = [spoken("Internationalisation notwithstanding", 200, 0.4), spoken("is hard.", 201, 0.1)]
    for profile in PROFILES:
        options = SubtitleOptions(profile=profile)
        for segments, kept in ((calm, True), (hasty, profile == "karaoke")):
            talk = Transcript(tuple(segments), "en", 201.5)
            note = not_kept(talk, options)
            assert (note is None) is kept
            for name in ("srt", "vtt", "ass"):
                out = io.StringIO()
                FORMATS[name].write(talk, out, replace(options, highlight_words=False))
                found = parse(out.getvalue().encode(), name).segments
                assert (lint(found, ReadingLimits.of(options)) == []) is kept
    assert not_kept(talk, SubtitleOptions(max_cps=1)) is None
    assert not_kept(talk, PROFILES["netflix"]) == (
        "1 of 1 cue does not keep to netflix: 1 too fast, as the speech is (first at "
        "00:03:19,800: reading speed 25.9 > 20 cps)"
    )


def test_the_end_of_the_last_lyric_is_a_guess() -> None:
    segments = parse(b"[00:01.00] a\n[00:09.50] b\n", "lrc").segments
    for ends_by_s, expected in ((10.0, []), (9.0, ["beyond", "beyond"])):
        found = lint(segments, ReadingLimits(ends_by_s=ends_by_s), last_end_guessed=True)
        assert [finding.check for finding in found] == expected
