"""Promise 3. Text.

`transcribe(audio, options, on_segment=, on_progress=, on_language=)` takes `audio.samples`
(float32, shape `(n_samples,)`, mono, 16 kHz) and gives what is said in it, with times in seconds:
segments in order, from their start to their end, beginning within the recording. A segment's text
is text, without a character that is cut in two: `whisperctl.engine.toolkit.words.Utf8Joiner` joins
those. U+FFFD stands for nothing but bytes that the model itself never makes a character of. Where a
segment has tokens, their bytes joined are its text. Control characters need no care: whisperctl
makes them visible in texts, language codes, `system_info`, logs and errors. Nothing is written to
standard output.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from whisperctl.audio import Audio
from whisperctl.options import DecodeOptions
from whisperctl.testing import speech
from whisperctl.testing.subject import MULTILINGUAL, Outcome, Shared, Subject, replaced
from whisperctl.transcript import Segment

_WRONG_WORDS = 0.05
_BENGALI = "এবং তাই আমার সহ আমেরিকানরা"
_LATE_S = 1.0
"""whisper.cpp's last segment may end a little after the recording does."""


def check_segments(segments: tuple[Segment, ...], duration_s: float) -> None:
    last_s = 0.0
    for segment in segments:
        assert 0 <= segment.start_s <= segment.end_s, f"a segment ends before it starts: {segment}"
        assert segment.start_s >= last_s, f"segments overlap at {segment.start_s} s"
        assert segment.start_s <= duration_s, f"a segment begins after the recording: {segment}"
        last_s = segment.end_s
        assert isinstance(segment.text, str)
        assert "\ufffd" not in segment.text, f"a character was cut in two: {segment.text!r}"
        if segment.tokens:
            joined = b"".join(token.data for token in segment.tokens)
            assert joined.decode() == segment.text, "the tokens' bytes are the segment's text"
            assert all(0 <= token.probability <= 1 for token in segment.tokens)


def test_it_hears_what_is_said(heard: Outcome) -> None:
    wrong = speech.word_error_rate(speech.reference(), heard.transcript.text)
    assert wrong <= _WRONG_WORDS, f"{wrong:.0%} of the words are wrong: {heard.transcript.text}"


def test_segments_are_in_order_and_in_the_recording(heard: Outcome, recording: Audio) -> None:
    segments = heard.transcript.segments
    check_segments(segments, recording.duration_s)
    assert segments[-1].end_s <= recording.duration_s + _LATE_S, "times are in seconds"
    assert segments[-1].end_s > recording.duration_s / 2, "times are in seconds"


def test_the_transcript_says_what_it_is_of(
    heard: Outcome, recording: Audio, subject: Subject
) -> None:
    transcript = heard.transcript
    assert transcript.language == "en", "language is the code of what is spoken"
    assert transcript.duration_s == pytest.approx(recording.duration_s)
    assert transcript.task == "transcribe"
    assert transcript.model in (None, subject.model), "model is the file given to open()"


def test_it_detects_the_language(shared: Shared, clip: Audio) -> None:
    transcript = shared.transcribe(clip, replaced(language="auto"))
    assert transcript.language == "en", 'language="auto" gives the detected language\'s code'
    probability = transcript.language_probability
    assert probability is None or 0 <= probability <= 1


@pytest.fixture(scope="module")
def multilingual(subject: Subject, shared: Shared) -> Iterator[Shared]:
    """A session with a model that writes other scripts than ours."""
    if not subject.english_only:
        yield shared
        return
    model = subject.multilingual()
    if model is None:
        pytest.skip(f"no multilingual model is here: run: whisperctl models pull {MULTILINGUAL}")
    with subject.open(model) as session:
        yield Shared(session)


@pytest.mark.parametrize(
    ("language", "scripts"),
    [("ru", ("CYRILLIC",)), ("ja", ("HIRAGANA", "KATAKANA", "CJK"))],
)
def test_other_scripts_are_whole_characters(
    multilingual: Shared, clip: Audio, language: str, scripts: tuple[str, ...]
) -> None:
    # Told that English is another language, the model writes that.
    heard = multilingual.hear(clip, replaced(language=language, temperature_increment=0.0))

    assert tuple(heard.streamed) == heard.transcript.segments
    check_segments(heard.transcript.segments, clip.duration_s)
    letters = [c for c in heard.transcript.text if c.isalpha()]
    written = [c for c in letters if unicodedata.name(c).startswith(scripts)]
    assert len(written) > len(letters) / 2, heard.transcript.text


def test_text_that_ends_within_a_character_is_whole_characters(
    multilingual: Shared, clip: Audio
) -> None:
    # A Bengali letter is three bytes and up to three tokens, and what the model has to say of this
    # is so much that it is cut off wherever it happens to be.
    options = replaced(language="bn", temperature_increment=0.0, initial_prompt=_BENGALI)
    transcript = multilingual.transcribe(clip, options)

    check_segments(transcript.segments, clip.duration_s)
    assert any(unicodedata.name(c, "").startswith("BENGALI") for c in transcript.text)


def test_nothing_is_written_to_standard_output(
    subject: Subject, clip: Audio, capfd: pytest.CaptureFixture[str]
) -> None:
    with subject.open() as session:
        session.transcribe(speech.beginning(clip, 0.01), DecodeOptions(language="en"))
    assert capfd.readouterr().out == "", "standard output is for whisperctl's results"
