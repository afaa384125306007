"""How segments become cues: where they break, and when they show."""

from __future__ import annotations

import io
import random
import time
from dataclasses import fields, replace
from itertools import pairwise
from unicodedata import east_asian_width

import lemony_lrc_parser
import pysubs2
import pytest
import webvtt

from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS
from whisperctl.options import SubtitleOptions
from whisperctl.subtitles.cues import Cue
from whisperctl.subtitles.layout import layout, n_characters
from whisperctl.transcript import Segment, Transcript, Word

Timed = tuple[float, float, str]

AND_SO: tuple[Timed, ...] = (
    (0.0, 0.5, " And"),
    (0.5, 0.8, " so,"),
    (0.8, 1.2, " my"),
    (1.2, 1.9, " fellow"),
    (1.9, 2.6, " Americans,"),
)
ASK_NOT: tuple[Timed, ...] = (
    (6.0, 6.4, " ask"),
    (6.4, 6.9, " not"),
    (6.9, 7.1, " what"),
    (7.3, 7.6, " your"),
    (7.6, 8.2, " country"),
    (8.2, 8.4, " can"),
    (8.4, 8.8, " do."),
)


def spoken(*words: Timed, speaker: str | None = None) -> Segment:
    text = "".join(text for _, _, text in words)
    timed = tuple(Word(start_s, end_s, text, 0.9) for start_s, end_s, text in words)
    return Segment(words[0][0], words[-1][1], text, words=timed, speaker=speaker)


def transcript(*segments: Segment, duration_s: float = 60.0) -> Transcript:
    return Transcript(segments=segments, language="en", duration_s=duration_s)


TALK = transcript(spoken(*AND_SO), spoken(*ASK_NOT))


def written(name: str, result: Transcript, options: SubtitleOptions) -> str:
    out = io.StringIO()
    FORMATS[name].write(result, out, options)
    return out.getvalue()


def cues(text: str) -> list[tuple[int, int, str]]:
    """What pysubs2 reads in SubRip."""
    events = pysubs2.SSAFile.from_string(text, format_="srt")
    return [(event.start, event.end, event.plaintext) for event in events]


def times(laid_out: list[Cue]) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in laid_out]


# Where cues and lines break.


def test_cues_and_lines_break_at_clauses_and_pauses_and_are_even() -> None:
    assert written("srt", TALK, SubtitleOptions(max_line_width=12, max_line_count=2)) == (
        "1\n00:00:00,000 --> 00:00:01,900\nAnd so,\nmy fellow\n\n"
        "2\n00:00:01,900 --> 00:00:02,600\nAmericans,\n\n"
        "3\n00:00:06,000 --> 00:00:08,200\nask not what\nyour country\n\n"
        "4\n00:00:08,200 --> 00:00:08,800\ncan do.\n\n"
    )


def test_without_a_number_of_lines_cues_have_two_where_words_fit() -> None:
    laid_out = layout(TALK, SubtitleOptions(max_line_width=12))
    assert laid_out == layout(TALK, SubtitleOptions(max_line_width=12, max_line_count=2))
    name = "Donaudampfschifffahrtsgesellschaft"
    laid_out = layout(transcript(Segment(0, 4, f" a {name} b")), SubtitleOptions(max_line_width=10))
    assert [line for cue in laid_out for line in cue.text.split("\n")] == ["a", name, "b"]


def test_cues_break_when_they_have_enough_words() -> None:
    for options in (
        SubtitleOptions(max_words_per_line=3),
        SubtitleOptions(max_words_per_line=3, max_line_width=20, max_line_count=1),
    ):
        assert [cue.text for cue in layout(TALK, options)] == [
            "And so,",
            "my fellow Americans,",
            "ask not what",
            "your country",
            "can do.",
        ]


def said(text: str, start_s: float = 0.0) -> Segment:
    """A word each 0.3 s."""
    times = [(round(start_s + n * 0.3, 2), round(start_s + (n + 1) * 0.3, 2)) for n in range(99)]
    return spoken(*((*time, f" {word}") for time, word in zip(times, text.split(), strict=False)))


HE = transcript(
    said(
        "Had he married a more amiable woman he might have been made still more respectable "
        "than he was. He"
    ),
    said("might even have been made amiable himself.", 6.0),
)


def test_a_cue_does_not_end_with_the_first_word_of_a_sentence() -> None:
    options = SubtitleOptions(max_line_width=42, max_line_count=2)
    assert [cue.text.split("\n") for cue in layout(HE, options)] == [
        ["Had he married a more amiable woman"],
        ["he might have been made still", "more respectable than he was."],
        ["He might even have been", "made amiable himself."],
    ]


def test_a_cue_ends_with_the_speech_and_at_a_pause() -> None:
    words = [(0.0, 0.5, " Well"), (0.5, 0.9, " I"), (0.9, 1.6, " wonder")]
    later = [(2.8, 3.2, " about"), (3.2, 3.5, " that"), (3.5, 4.0, " man.")]
    laid_out = layout(transcript(spoken(*words, *later)), SubtitleOptions(max_line_width=42))
    assert [(c.start_ms, c.end_ms, c.text) for c in laid_out] == [
        (0, 1600, "Well I wonder"),
        (2800, 4000, "about that man."),
    ]


def test_a_cue_of_a_word_goes_with_its_neighbour_unless_a_pause_is_between() -> None:
    options = SubtitleOptions(max_line_width=42)
    for start_s, expected in (
        (0.4, ["No. I do not know him."]),
        (3.0, ["No.", "I do not know him."]),
    ):
        talk = transcript(spoken((0.0, 0.4, " No.")), said("I do not know him.", start_s))
        assert [cue.text for cue in layout(talk, options)] == expected


def test_no_cue_shows_longer_or_if_there_is_room_shorter_than_asked() -> None:
    options = SubtitleOptions(max_duration_s=2, min_duration_s=1, min_cue_gap_s=0.1)
    laid_out = layout(HE, options)
    assert all(cue.end_ms - cue.start_ms <= 2000 for cue in laid_out)
    assert all(after.start_ms - before.end_ms >= 100 for before, after in pairwise(laid_out))
    slow = transcript(spoken((0.0, 5.0, " Ohhh!")), spoken((9.0, 9.2, " Hm.")))
    assert times(layout(slow, options)) == [(0, 2000), (9000, 10_000)]


def test_words_without_times_are_not_spread_over_a_mistyped_end() -> None:
    text = " A line that goes on and on, and on, and on and on."
    talk = transcript(Segment(1, 3600, text), Segment(3600, 3612, " Hello there."))
    options = SubtitleOptions(profile="netflix")
    texts = [cue.text for cue in layout(replace(talk, duration_s=4000), options)]
    assert texts == ["A line that goes on and on,", "and on, and on and on.", "Hello there."]
    assert layout(talk, options)[-1].end_ms == 3_607_000  # what is allowed, as it is in the file
    assert layout(talk)[0].end_ms == 3_600_000


def test_lines_of_a_dialogue_stay_apart() -> None:
    talk = transcript(Segment(0, 3, " - Who is it?\ufdd0- Me."), Segment(3, 6, " One\ufdd0line."))
    laid_out = layout(talk, SubtitleOptions(max_line_width=42, max_line_count=2))
    assert [cue.text for cue in laid_out] == ["- Who is it?\n- Me.", "One line."]


def test_words_are_underlined_while_they_are_spoken() -> None:
    talk = transcript(spoken(*AND_SO[:2]), spoken(*ASK_NOT[2:4]))
    assert written("srt", talk, SubtitleOptions(highlight_words=True)) == (
        "1\n00:00:00,000 --> 00:00:00,500\n<u>And</u> so,\n\n"
        "2\n00:00:00,500 --> 00:00:00,800\nAnd <u>so,</u>\n\n"
        "3\n00:00:06,900 --> 00:00:07,100\n<u>what</u> your\n\n"
        "4\n00:00:07,100 --> 00:00:07,300\nwhat your\n\n"
        "5\n00:00:07,300 --> 00:00:07,600\nwhat <u>your</u>\n\n"
    )


# Other formats' ways to mark a word.


def test_vtt_underlines_words_as_well() -> None:
    captions = webvtt.from_string(
        written("vtt", TALK, SubtitleOptions(highlight_words=True, max_line_width=12))
    ).captions
    assert len(captions) == 13
    assert captions[1].raw_text == "And <u>so,</u>\nmy fellow"
    assert captions[3].raw_text == "And so,\nmy <u>fellow</u>"


def test_ass_words_are_karaoke_and_last_as_long_as_their_cue() -> None:
    text = written("ass", TALK, SubtitleOptions(highlight_words=True))
    events = pysubs2.SSAFile.from_string(text, format_="ass").events
    assert events[1].text == (
        r"{\k40}ask{\k50} not{\k20} what{\k20}{\k30} your{\k60} country{\k20} can{\k40} do."
    )
    assert [event.plaintext for event in events] == [
        "And so, my fellow Americans,",
        "ask not what your country can do.",
    ]
    assert (events[1].start, events[1].end) == (6000, 8800)


def test_lrc_words_have_times_of_their_own() -> None:
    text = written("lrc", TALK, SubtitleOptions(highlight_words=True))
    assert text.startswith("[00:00.00] <00:00.00>And <00:00.50>so, <00:00.80>my ")
    lines = list(lemony_lrc_parser.loads(text))
    assert [(line.start, line.end) for line in lines] == [(0, 2600), (6000, 8800)]
    assert [line.text.strip() for line in lines] == [
        "And so, my fellow Americans,",
        "ask not what your country can do.",
    ]
    tokens = [(token.start, token.content.strip()) for token in lines[1].content]
    assert [token for token in tokens if token[1]][:3] == [
        (6000, "ask"),
        (6400, "not"),
        (6900, "what"),
    ]


def test_lrc_has_one_line_at_a_time() -> None:
    for count in (None, 2):
        options = SubtitleOptions(max_line_width=12, max_line_count=count)
        assert written("lrc", TALK, options) == (
            "[00:00.00] And so,\n[00:00.80] my fellow\n[00:01.90] Americans,\n"
            "[00:06.00] ask not what\n[00:07.30] your country\n[00:08.20] can do.\n"
        )


# Where no times of words are known.


def test_time_is_shared_out_by_characters_where_words_have_none() -> None:
    talk = transcript(Segment(10.0, 14.0, " aaa bbb ccc ddd"))
    options = SubtitleOptions(max_line_width=7, max_line_count=1)
    assert cues(written("srt", talk, options)) == [
        (10_000, 12_000, "aaa bbb"),
        (12_000, 14_000, "ccc ddd"),
    ]


def test_words_that_are_not_those_of_the_text_are_not_trusted() -> None:
    wrong = Segment(0.0, 4.0, " aaa bbb", words=(Word(3.0, 3.5, " else", 0.5),))
    assert times(layout(transcript(wrong))) == [(0, 4000)]
    assert written("srt", transcript(wrong), SubtitleOptions(highlight_words=True)) == (
        "1\n00:00:00,000 --> 00:00:04,000\naaa bbb\n\n"
    )


def test_words_without_their_spaces_are_found_in_the_text() -> None:
    # WhisperX writes them so.
    segment = Segment(
        0.0, 2.0, " And so", words=(Word(0.1, 0.5, "And", 1.0), Word(0.6, 1.5, "so", 1.0))
    )
    assert [cue.text for cue in layout(transcript(segment))] == ["And so"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我们不知道、他们在哪里。好", "我们不知道、\n他们在哪里。\n好"),
        ("「はい」と言った。ニュース", "「はい」\nと言った。\nニュース"),
        ("ไม่รู้จักกันมาก่อนเลย", "ไม่รู้จักกั\nนมาก่อนเลย"),
        ("OK好的 yes no", "OK好的\nyes no"),
        ("a😀😀😀😀😀😀", "a😀😀😀😀😀😀"),
    ],
)
def test_lines_break_between_characters_where_words_have_no_spaces(
    text: str, expected: str
) -> None:
    # A closing mark, a small letter or a combining one never begins a line. Full-width characters
    # count twice.
    laid_out = layout(transcript(Segment(0, 9, text)), SubtitleOptions(max_line_width=12))
    assert "\n".join(cue.text for cue in laid_out) == expected


@pytest.mark.parametrize(
    "text",
    [
        "我们不知道他们在哪里、也不知道他们什么时候回来。" * 3,
        "今日はとてもいい天気ですね。インターネットのニュースを見ましょう。" * 3,
        "안녕하세요 여러분 오늘은날씨가정말좋네요그렇죠 " * 3,
        "ไม่รู้จักกันมาก่อนเลยจริงๆนะครับ" * 3,
        "mixed 中文 and English 日本語 words 한국어 " * 3,
    ],
)
@pytest.mark.parametrize("with_words", [False, True])
def test_no_line_is_wider_than_asked_in_scripts_without_spaces(text: str, with_words: bool) -> None:
    words = tuple(Word(i, i + 1, f" {part}", 1.0) for i, part in enumerate(text.split()))
    segment = Segment(0, 30, f" {text.strip()}", words=words if with_words else ())
    for width in (8, 16, 42):
        for count in (None, 2):
            options = SubtitleOptions(max_line_width=width, max_line_count=count)
            cues = layout(transcript(segment), options)
            lines = [line for cue in cues for line in cue.text.split("\n")]
            widths = [sum(1 + (east_asian_width(c) in "WF") for c in line) for line in lines]
            assert max(widths) <= width
            assert "".join("".join(lines).split()) == "".join(text.split())
            if with_words:
                assert all(cue.pieces for cue in cues)


def test_each_sentence_begins_a_cue() -> None:
    text = "Hello there. I met Dr. Smith at 3.5 p.m. today. Did you? Yes... and no."
    words = text.split()
    timed = [(float(n), n + 0.5, f" {word}") for n, word in enumerate(words)]
    laid_out = layout(transcript(spoken(*timed)), SubtitleOptions(split_sentences=True))
    assert [cue.text for cue in laid_out] == [
        "Hello there.",
        "I met Dr. Smith at 3.5 p.m. today.",
        "Did you?",
        "Yes... and no.",
    ]


def test_a_chinese_sentence_begins_a_cue() -> None:
    laid_out = layout(
        transcript(Segment(0, 9, "我们不知道。他们在哪里。好")),
        SubtitleOptions(split_sentences=True),
    )
    assert [cue.text for cue in laid_out] == ["我们不知道。", "他们在哪里。", "好"]


def test_a_speaker_begins_a_cue_and_the_name_counts() -> None:
    talk = transcript(
        spoken((0.0, 0.5, " Hello"), (0.5, 1.0, " there."), speaker="Ann"),
        spoken((1.0, 1.5, " Hi."), speaker="Bob"),
    )
    options = SubtitleOptions(max_line_width=12, max_line_count=2)
    assert written("srt", talk, options) == (
        "1\n00:00:00,000 --> 00:00:01,000\nAnn: Hello\nthere.\n\n"
        "2\n00:00:01,000 --> 00:00:01,500\nBob: Hi.\n\n"
    )
    assert "<v Ann>Hello there.\n" in written("vtt", talk, options)
    pair = (Segment(0, 2, " Hello there."), Segment(2.5, 4, " I am fine."))
    for speaker, second in (("Ann", "I am fine."), ("Speaker 1", "Speaker 1: I\nam fine.")):
        talk = transcript(*(replace(one, speaker=speaker) for one in pair))
        assert f"\n{second}\n" in written("srt", talk, SubtitleOptions(max_line_width=15))
    over = transcript(
        *(replace(one, speaker="Ann") for one in pair), Segment(3, 5, " Hi.", speaker="Bob")
    )
    assert "\nI\nam fine.\n" in written("srt", over, SubtitleOptions(max_line_width=12))


# When cues show.


def test_a_cue_ends_where_the_next_begins() -> None:
    talk = transcript(Segment(0, 5, " a"), Segment(4, 8, " b"))
    assert times(layout(talk)) == [(0, 4000), (4000, 8000)]


def test_people_who_talk_at_once_have_cues_at_once() -> None:
    talk = transcript(
        Segment(0, 5, " a", speaker="1"), Segment(2, 3, " b", speaker="2"), Segment(4, 6, " c")
    )
    assert times(layout(talk)) == [(0, 5000), (2000, 3000), (4000, 6000)]


def test_a_cue_of_no_length_is_shown_if_there_is_room() -> None:
    talk = transcript(Segment(1, 1, " a short one"), Segment(3, 2, " b"), Segment(3.2, 4, " c"))
    assert times(layout(talk)) == [(1000, 1550), (3000, 3200), (3200, 4000)]


def test_what_begins_together_shares_the_time() -> None:
    talk = transcript(Segment(1, 1, " aaaa"), Segment(1, 1, " bbbb"), Segment(1, 3, " cccc"))
    laid_out = layout(talk)
    assert times(laid_out) == [(1000, 1660), (1660, 2330), (2330, 3000)]


def test_what_has_no_room_goes_with_what_is_before_it() -> None:
    talk = transcript(Segment(0, 5, " a"), Segment(5, 5, " b"), Segment(5, 5, " c"), duration_s=5.0)
    laid_out = layout(talk)
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in laid_out] == [(0, 5000, "a b c")]


def test_time_never_goes_back() -> None:
    talk = transcript(Segment(5, 6, " a"), Segment(3, 8, " b"), Segment(9, 10, " c"))
    assert times(layout(talk)) == [(5000, 6500), (6500, 8000), (9000, 10_000)]


def test_a_cue_stays_until_it_can_be_read_if_silence_follows() -> None:
    talk = transcript(
        Segment(0, 1, " " + "a" * 40), Segment(5, 6, " " + "b" * 40), Segment(6.5, 7, " " + "c" * 9)
    )
    assert times(layout(talk, SubtitleOptions(max_cps=20, min_cue_gap_s=0.1))) == [
        (0, 2000),
        (4800, 6400),  # too fast still: the next cue begins, and speech is not shown much earlier
        (6500, 7000),
    ]


def test_a_cue_begins_a_little_early_if_no_silence_follows_and_it_is_too_fast() -> None:
    sentence = " " + "a" * 22 + "."
    talk = transcript(
        Segment(0, 2.0, sentence), Segment(2.2, 3.2, sentence), Segment(3.2, 6, sentence)
    )
    limits = SubtitleOptions(max_cps=20, min_cue_gap_s=0.1)
    assert times(layout(talk, limits)) == [(0, 2000), (2100, 3100), (3200, 6000)]

    talk = transcript(Segment(2.2, 3.3, sentence), Segment(3.3, 6, sentence), duration_s=6)
    assert times(layout(talk, limits)) == [(2050, 3200), (3300, 6000)]  # no earlier than needed


def test_a_last_cue_that_nobody_could_read_is_joined_with_the_one_before() -> None:
    talk = transcript(Segment(0, 4, " He was amiable himself."), Segment(4, 4.2, " Was he so?"))
    options = SubtitleOptions(max_line_width=42)

    assert len(layout(talk, options)) == 2  # a minute of silence follows
    [joined] = layout(replace(talk, duration_s=4.2), options)
    assert joined.text == "He was amiable himself. Was he so?"


def test_new_cues_leave_out_what_a_model_writes_for_silence() -> None:
    talk = transcript(
        Segment(0, 2, " He was."), Segment(8, 9, " >> [BLANK_AUDIO]"), Segment(9, 10, " [laughs]")
    )
    texts = [cue.text for cue in layout(talk, SubtitleOptions(max_line_width=42))]
    assert texts == ["He was.", "[laughs]"]
    assert len(layout(talk)) == 3  # those of segments are as they are
    alone = transcript(talk.segments[1])
    [kept] = layout(alone, SubtitleOptions(max_line_width=42))  # or a file would become empty
    assert "BLANK" in kept.text


def test_new_cues_can_be_read_without_a_limit_if_silence_follows() -> None:
    talk = transcript(Segment(0, 1, " " + "a" * 40), Segment(5, 6, " " + "b" * 40))

    assert times(layout(talk, SubtitleOptions(max_line_width=42))) == [(0, 2000), (5000, 7000)]
    assert times(layout(talk)) == [(0, 1000), (5000, 6000)]  # those of segments keep their times


def test_a_gap_is_kept_but_takes_at_most_half_of_a_cue() -> None:
    talk = transcript(Segment(0, 2, " a"), Segment(2, 2.1, " b"), Segment(2.1, 4, " c"))
    assert times(layout(talk, SubtitleOptions(min_cue_gap_s=0.2))) == [
        (0, 1800),
        (2000, 2050),
        (2100, 4000),
    ]


@pytest.mark.slow
def test_any_cues_are_in_order_apart_and_within_their_limits() -> None:
    rng = random.Random(4)
    for turn in range(100):
        segments: list[Segment] = []
        orderly = rng.random() < 0.5
        for number in range(rng.randrange(1, 12)):
            start_s = round(3.0 * number if orderly else rng.uniform(0, 30), 2)
            words = [" " + "x" * rng.randrange(1, 14) for _ in range(rng.randrange(1, 30))]
            length_s = rng.uniform(1, 3) if orderly else rng.uniform(-1, 9)
            segments.append(Segment(start_s, start_s + length_s, "".join(words)))
        talk = transcript(*segments, duration_s=40)
        options = SubtitleOptions(
            max_line_width=rng.choice([None, 15, 42]),
            max_line_count=rng.choice([None, 1, 2]),
            max_cps=rng.choice([None, 17.0]),
            max_words_per_line=rng.choice([None, None, 4]),
            min_cue_gap_s=rng.choice([None, 0.08]),
            min_duration_s=rng.choice([None, 0.8]),
            max_duration_s=rng.choice([None, 3.0]),
            split_sentences=rng.random() < 0.5,
        )
        laid_out = layout(talk, options)
        assert "".join(s.text for s in segments).split() == [
            word for cue in laid_out for word in cue.text.split()
        ]
        for cue in laid_out:
            assert 10 <= cue.end_ms - cue.start_ms <= 1000 * (options.max_duration_s or 100)
            assert cue.end_ms <= 40_000
            lines = cue.text.split("\n") if orderly else []  # else some go with others
            assert len(lines) <= (options.max_line_count or 100)
            assert max(map(len, lines), default=0) <= (options.max_line_width or 1000)
        for before, after in pairwise(laid_out):
            assert before.end_ms <= after.start_ms
        for name in ("srt", "vtt", "ass", "lrc") if turn % 5 == 0 else ():
            assert written(name, talk, options)


@pytest.mark.parametrize("word", [" a", "\u6f22"])
def test_words_without_a_pause_take_no_longer_however_short_they_are(word: str) -> None:
    n = 250
    segment = Segment(0.0, n / 10, word * n)
    began_s = time.process_time()
    found = layout(transcript(segment), SubtitleOptions(max_line_width=42))

    assert "".join("".join(cue.text.split()) for cue in found) == (word * n).replace(" ", "")
    assert time.process_time() - began_s < 3, "half a minute before"


def test_styles_and_breaks_have_no_width() -> None:
    assert n_characters(Cue(0, 1, "\ufdd1ab\ufdd2\ncd")) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_line_width": 0},
        {"max_line_count": 0},
        {"max_words_per_line": -1},
        {"max_cps": 0.5},
        {"min_cue_gap_s": -1.0},
        {"min_cue_gap_s": float("nan")},
        {"min_duration_s": 0.0},
        {"max_duration_s": 0.01},
    ],
)
def test_limits_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be"):
        SubtitleOptions(**wrong)  # type: ignore[arg-type]  # a mistake is the point


def test_ass_has_the_font_and_colors_asked_for() -> None:
    options = SubtitleOptions(
        ass_font="Open Sans", ass_font_size=60, ass_color="#ffcc00", ass_outline_color="#112233"
    )
    text = written("ass", TALK, options)
    assert "\nStyle: Default,Open Sans,60,&H0000CCFF,&H00A0A0A0,&H00332211,&H80000000," in text
    style = pysubs2.SSAFile.from_string(text, format_="ass").styles["Default"]
    assert (style.fontname, style.fontsize, style.primarycolor) == (
        "Open Sans",
        60,
        pysubs2.Color(255, 204, 0),
    )
    assert [cue.text for cue in layout(TALK, options)] == [cue.text for cue in layout(TALK)]
    for wrong in (
        {"ass_font": "a,b"},
        {"ass_font": ""},
        {"ass_color": "red"},
        {"ass_color": "#12"},
    ):
        with pytest.raises(UsageError, match=r"is not a (font's name|color)"):
            SubtitleOptions(**wrong)  # type: ignore[arg-type]  # a mistake is the point


def test_a_profile_sets_what_is_not_set_and_is_named_once() -> None:
    options = SubtitleOptions(profile="Netflix", max_line_width=40)
    assert (options.max_line_width, options.max_line_count, options.max_cps) == (40, 2, 20)
    assert options.given == ("profile", "max_line_width")
    assert FORMATS["txt"].ignores(SubtitleOptions(profile="ebu")) == ("profile",)
    with pytest.raises(UsageError, match='unknown profile "netflicks": did you mean "netflix"'):
        SubtitleOptions(profile="netflicks")
    with pytest.raises(UsageError, match="profile must be a string, not 5"):
        SubtitleOptions(profile=5)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises(UsageError, match="min duration 3 is above max duration 2"):
        SubtitleOptions(min_duration_s=3, max_duration_s=2)


# Two sentences in the first segment; the gap between the cues is too short for either limit.
TWO_SENTENCES = transcript(
    spoken((0.0, 0.5, " One"), (0.5, 0.8, " two."), (0.8, 1.2, " Three"), (1.2, 1.9, " four")),
    spoken((2.0, 2.1, " five"), (2.1, 2.2, " thousand"), (2.2, 2.3, " and"), (2.3, 2.4, " six")),
)
GIVEN = {
    "profile": SubtitleOptions(profile="youtube"),
    "max_line_width": SubtitleOptions(max_line_width=10),
    "max_line_count": SubtitleOptions(max_line_width=10, max_line_count=1),
    "max_words_per_line": SubtitleOptions(max_words_per_line=2),
    "max_cps": SubtitleOptions(max_cps=5),
    "min_cue_gap_s": SubtitleOptions(min_cue_gap_s=0.5),
    "min_duration_s": SubtitleOptions(min_duration_s=3),
    "max_duration_s": SubtitleOptions(max_duration_s=0.5),
    "highlight_words": SubtitleOptions(highlight_words=True),
    "split_sentences": SubtitleOptions(split_sentences=True),
    "ass_font": SubtitleOptions(ass_font="Open Sans"),
    "ass_font_size": SubtitleOptions(ass_font_size=60),
    "ass_color": SubtitleOptions(ass_color="#FFCC00"),
    "ass_outline_color": SubtitleOptions(ass_outline_color="#112233"),
}


@pytest.mark.parametrize("highlighted", [False, True])
@pytest.mark.parametrize("option", [field.name for field in fields(SubtitleOptions)])
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_ignores_exactly_the_options_that_it_says_it_does(
    name: str, option: str, highlighted: bool
) -> None:
    options = replace(GIVEN[option], highlight_words=highlighted or option == "highlight_words")
    default = getattr(SubtitleOptions(), option)
    without = replace(options, **{option: default})
    if option == "profile":  # whose values are set
        without = SubtitleOptions(highlight_words=highlighted)

    changes = written(name, TWO_SENTENCES, options) != written(name, TWO_SENTENCES, without)

    assert (option in FORMATS[name].ignores(options)) is not changes
    assert option not in FORMATS[name].ignores(without)
