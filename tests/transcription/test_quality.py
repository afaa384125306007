"""One line about a transcript that looks incomplete or wrong, and none otherwise."""

from __future__ import annotations

from whisperctl.options import Clip
from whisperctl.transcript import Segment, Token, Transcript
from whisperctl.transcription.quality import assess


def transcript(*spans: tuple[float, float], duration_s: float, text: str = "") -> Transcript:
    segments = tuple(
        Segment(start_s, end_s, text or f" Sentence {i}.", (Token(1, b"x", 0.9),))
        for i, (start_s, end_s) in enumerate(spans)
    )
    return Transcript(segments, "en", duration_s)


def test_a_complete_transcript_gets_no_warning() -> None:
    quality = assess(transcript((0, 30), (30, 55), (56, 60), duration_s=60))

    assert quality.covered == 59 / 60
    assert (quality.gap_s, quality.gap_start_s) == (1, 55)
    assert quality.warning() is None


def test_little_text_and_long_gaps_get_a_warning() -> None:
    quality = assess(transcript((0, 10), (3700, 3710), duration_s=3720))

    assert quality.warning() == (
        "check the result: text covers 1% of the audio; the longest gap is 3690 s, from 0:10 on"
    )


def test_a_gap_at_the_end_counts() -> None:
    assert assess(transcript((0, 100), duration_s=170)).warning() == (
        "check the result: the longest gap is 70 s, from 1:40 on"
    )


def test_repeated_segments_get_a_warning() -> None:
    spans = [(float(i), i + 1.0) for i in range(10)]

    quality = assess(transcript(*spans, duration_s=10, text=" Same."))

    assert quality.n_repeated == 9
    assert quality.warning() == "check the result: 9 of 10 segments repeat the one before"


def test_doubtful_segments_get_a_warning() -> None:
    doubtful = tuple(
        Segment(i, i + 1, f" {i}", (Token(1, b"x", 0.3 if i < 3 else 0.9),)) for i in range(10)
    )

    quality = assess(Transcript(doubtful, "en", 10.0))

    assert quality.warning() == "check the result: the model has low confidence in 3 of 10 segments"


def test_audio_outside_the_clips_is_not_a_gap() -> None:
    part = transcript((10, 20), (500, 520), duration_s=3600)

    quality = assess(part, (Clip(10, 20), Clip(500, 520)))

    assert quality.covered == 1
    assert quality.gap_s == 0
    assert quality.warning() is None


def test_overlapping_speakers_count_once() -> None:
    assert assess(transcript((0, 8), (4, 10), duration_s=10)).covered == 1


def test_no_text_gets_no_second_warning() -> None:
    assert assess(Transcript((), "", 60.0)).warning() is None
