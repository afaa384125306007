"""A recording's language is that of its speech, wherever the speech is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.transcription.conftest import (
    GREEDY,
    MakeRecording,
    Samples,
    run,
    silence,
    white_noise,
)
from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import (
    Detector,
    OnLanguage,
    OnProgress,
    OnSegment,
    Session,
    SessionResult,
)
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.transcript import Segment, SpokenLanguage, Token
from whisperctl.transcription.spoken_language import SpeechWindows, is_sure, vote
from whisperctl.transcription.stages.timestamps import Stretch
from whisperctl.transcription.transcriber import Transcriber

OPTIONS = TranscriptionOptions(GREEDY)


class Polyglot:
    """A session that detects the given languages, one after the other."""

    def __init__(self, *detected: SpokenLanguage, text: str = " words") -> None:
        self.detections: list[Samples] = []
        self.decoded: list[str] = []
        self._detected = list(detected)
        self._text = text

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        spoken = SpokenLanguage(options.language)
        if options.language == "auto":
            self.detections.append(audio.samples)
            spoken = self._detected.pop(0)
        if on_language is not None:
            on_language(spoken)
        self.decoded.append(spoken.code)
        tokens = tuple(Token(1, c.encode(), 1.0, 0.0, audio.duration_s) for c in self._text)
        segment = Segment(0.0, audio.duration_s, self._text, tokens)
        if on_segment is not None:
            on_segment(segment)
        return SessionResult((segment,), spoken.code)

    def close(self) -> None: ...

    def __enter__(self) -> Polyglot:
        return self

    def __exit__(self, *_: object) -> None: ...


def votes(*cast: tuple[str, float]) -> list[SpokenLanguage]:
    return [SpokenLanguage(*one) for one in cast]


def test_speech_at_the_start_is_detected_by_the_run_itself(
    detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    session = Polyglot(SpokenLanguage("en", 0.9))

    transcript, _ = run(Transcriber(session, detector=detector), recording(speech), OPTIONS)

    assert len(session.detections) == 1
    assert session.decoded == ["en"]
    assert (transcript.language, transcript.language_probability) == ("en", 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("lead", [silence(35), white_noise(35, 0.003)], ids=["silence", "hiss"])
def test_the_language_is_detected_in_the_speech_after_silence(
    lead: Samples, detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    session = Polyglot(SpokenLanguage("de", 0.98))
    path = recording(np.concatenate([lead, speech]))

    transcript, _ = run(Transcriber(session, detector=detector), path, OPTIONS)

    (window,) = session.detections
    assert 7 < len(window) / SAMPLE_RATE <= 11, "the speech alone"
    assert session.decoded == ["de"]
    assert (transcript.language, transcript.language_probability) == ("de", 0.98)


def test_digital_silence_is_left_out_without_a_detector(
    speech: Samples, recording: MakeRecording
) -> None:
    session = Polyglot(SpokenLanguage("de", 0.98))
    path = recording(np.concatenate([silence(35), speech]))

    run(Transcriber(session), path, OPTIONS)

    (window,) = session.detections
    assert len(window) / SAMPLE_RATE == pytest.approx(11, abs=0.1)


@pytest.mark.slow
def test_several_windows_vote_when_the_first_is_unsure(
    detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    cast = votes(("nn", 0.34), ("de", 0.3), ("nl", 0.2), ("de", 0.4))
    session = Polyglot(*cast)
    path = recording(np.tile(speech, 13))  # 143 s, of which some 120 are speech

    transcript, events = run(Transcriber(session, detector=detector), path, OPTIONS)

    assert len(session.detections) == 4
    assert session.decoded == ["de"], "nothing is decoded before the language is decided"
    assert (transcript.language, transcript.language_probability) == ("de", 0.4)
    assert len(events.segments) == 1


def test_an_unsure_answer_is_taken_where_there_is_no_more_speech(
    detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    session = Polyglot(SpokenLanguage("en", 0.3))

    run(Transcriber(session, detector=detector), recording(speech), OPTIONS)

    assert len(session.detections) == 1
    assert session.decoded == ["en"]


def test_a_window_that_is_sure_ends_the_vote() -> None:
    windows = [np.zeros(1, np.float32)] * 5
    answers = iter(votes(("nn", 0.34), ("de", 0.98)))

    assert vote(windows, lambda _: next(answers)) == SpokenLanguage("de", 0.98)
    assert vote([], lambda _: next(answers), votes(("nn", 0.3))) == SpokenLanguage("nn", 0.3)
    assert is_sure(SpokenLanguage("en"))  # of a model that is English-only


def test_windows_are_spread_over_all_speech() -> None:
    samples = np.arange(400 * SAMPLE_RATE, dtype=np.float32)
    speech = [Stretch(50 * SAMPLE_RATE, 400 * SAMPLE_RATE)]
    windows = SpeechWindows(samples, speech)

    assert not windows.first_holds_speech()
    assert windows.are_several()
    starts = [float(window[0]) / SAMPLE_RATE for window in windows.spread()]
    assert starts == pytest.approx([50, 110, 200, 260, 350], abs=31)
    assert len(starts) == 5
    assert all(len(window) == 30 * SAMPLE_RATE for window in windows.spread())


def test_words_are_made_in_the_detected_language(
    detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    session = Polyglot(SpokenLanguage("ja", 0.9), text="日本語")
    options = TranscriptionOptions(DecodeOptions(beam_size=1, word_timestamps=True))

    _, events = run(Transcriber(session, detector=detector), recording(speech), options)

    assert session.decoded == ["ja"]
    assert [word.text for word in events.segments[0].words] == ["日", "本", "語"]


def test_speech_without_text_is_not_called_silence(
    detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    path = recording(speech)
    session = Polyglot(SpokenLanguage("en", 0.9), text=" [Music]")

    _, events = run(Transcriber(session, detector=detector), path, OPTIONS)

    (warning,) = events.warnings
    assert warning.startswith(f'"{path}" contains speech, but the model produced no text: ')


@pytest.mark.slow
def test_speech_after_hiss_is_in_its_language_on_a_real_engine(
    base: Path, detector: Detector, speech: Samples, recording: MakeRecording
) -> None:
    path = recording(np.concatenate([white_noise(35, 0.003), speech]))

    with registry.open_session(registry.parse("faster-whisper"), base, threads=1) as session:
        checked: Session = session
        transcript, _ = run(Transcriber(checked, detector=detector), path, OPTIONS)

    assert transcript.language == "en"
    assert (transcript.language_probability or 0.0) > 0.9
    assert "country" in transcript.text
    assert transcript.segments[-1].end_s == pytest.approx(45.5, abs=1)
