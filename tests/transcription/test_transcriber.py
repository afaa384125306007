"""Whole recordings through a real engine, with a real detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.conftest import (
    GREEDY,
    QUICKEST,
    Events,
    MakeRecording,
    Samples,
    hum,
    music,
    pink_noise,
    run,
    silence,
    white_noise,
)
from whisperctl import audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Detector, Model, Session
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import ggml
from whisperctl.options import Clip, TranscriptionOptions, VadOptions
from whisperctl.testing.fake import write_model
from whisperctl.transcript import Segment, Transcript
from whisperctl.transcription.run import Checkpoint
from whisperctl.transcription.transcriber import Transcriber, find_vad_model

pytestmark = pytest.mark.slow

OPTIONS = TranscriptionOptions(GREEDY)
SENTENCE = "ask not what your country can do for you"


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").split()


@pytest.fixture(scope="module")
def whole(
    session: Session, detector: Detector, speech: Samples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Transcript, Events]:
    """Two speeches, transcribed in about four chunks."""
    import soundfile

    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate([speech, speech]), 16_000)
    transcriber = Transcriber(session, detector=detector, chunk_s=6.0)
    return path, *run(transcriber, path, OPTIONS)


def test_a_short_recording_gives_exactly_the_engine_s_segments(
    session: Session, detector: Detector, jfk: Path
) -> None:
    raw = session.transcribe(audio.load(jfk), GREEDY)

    transcript, events = run(Transcriber(session, detector=detector), jfk, OPTIONS)

    assert transcript.segments == raw.segments == tuple(events.segments)
    assert transcript.text == raw.text
    assert (transcript.language, transcript.duration_s) == ("en", 11.0)
    assert transcript.system_info == raw.system_info
    assert events.warnings == []


def test_a_transcript_names_and_describes_its_model(
    session: Session, recording: MakeRecording, tiny_en: Path
) -> None:
    path = recording(silence(2.0))

    known, _ = run(Transcriber(session, model=Model.inspect(tiny_en)), path, OPTIONS)
    unknown, _ = run(Transcriber(session), path, OPTIONS)

    assert (known.model, known.model_description) == (tiny_en, ggml.inspect(tiny_en).description)
    assert known.model_description is not None
    assert (unknown.model, unknown.model_description) == (None, None)


def test_chunks_make_one_transcript(whole: tuple[Path, Transcript, Events]) -> None:
    _, transcript, events = whole

    assert len(events.checkpoints) >= 4
    assert tuple(events.segments) == transcript.segments
    spoken = words(transcript.text)
    assert spoken.count("americans") + spoken.count("american") == 2
    assert spoken.count("country") == 4
    for before, after in pairwise(transcript.segments):
        assert before.start_s < before.end_s <= after.start_s
    assert transcript.segments[-1].end_s <= transcript.duration_s == 22.0
    assert transcript.timings.phases["encode"].runs >= 3
    assert transcript.timings.phases["load"].runs <= transcript.timings.phases["mel"].runs
    assert transcript.timings.wall_ms > 0
    assert transcript.timings.cpu_ms is not None
    assert transcript.timings.cpu_ms > 0
    assert transcript.timings.audio_decode_ms is not None


def test_progress_never_decreases_and_reaches_the_end(
    whole: tuple[Path, Transcript, Events],
) -> None:
    progress = whole[2].progress

    assert all(p.total_s == 22.0 for p in progress)
    assert [p.done_s for p in progress] == sorted(p.done_s for p in progress)
    assert progress[-1].done_s == 22.0


def test_a_run_resumes_from_any_checkpoint_as_if_never_stopped(
    session: Session, detector: Detector, whole: tuple[Path, Transcript, Events]
) -> None:
    path, transcript, events = whole
    transcriber = Transcriber(session, detector=detector, chunk_s=6.0)
    assert [c.done for c in events.checkpoints] == [False] * (len(events.checkpoints) - 1) + [True]
    done = events.checkpoints[0].segments
    for i, checkpoint in enumerate(
        events.checkpoints[1:-1], 1
    ):  # the first would repeat nearly all
        done += checkpoint.segments

        resumed, later = run(transcriber, path, OPTIONS, replace(checkpoint, segments=done))

        assert resumed.segments == transcript.segments
        assert resumed.language == transcript.language
        assert resumed.duration_s == transcript.duration_s
        assert tuple(later.segments) == transcript.segments[len(done) :]
        assert later.checkpoints == events.checkpoints[i + 1 :]


def test_clips_keep_the_times_of_the_recording(
    session: Session, detector: Detector, jfk: Path
) -> None:
    options = replace(OPTIONS, clips=(Clip(7.9, 11.0),))

    transcript, events = run(Transcriber(session, detector=detector), jfk, options)

    assert transcript.text.lower().startswith("ask what you can do")
    assert transcript.segments[0].start_s >= 7.9
    assert transcript.segments[-1].end_s <= 11.0
    assert transcript.duration_s == 11.0
    assert transcript.timings.phases["encode"].runs == 1
    assert events.progress[-1].done_s == pytest.approx(3.1)


def test_a_clip_beyond_the_end_is_one_clear_error(session: Session, jfk: Path) -> None:
    options = replace(OPTIONS, clips=(Clip(0, 1), Clip(60, 70)))

    with pytest.raises(UsageError, match=r'from 60 s on .*jfk\.wav", which is 11\.0 s long'):
        run(Transcriber(session), jfk, options)


def test_vad_maps_times_back(
    session: Session, detector: Detector, recording: MakeRecording, speech: Samples, jfk: Path
) -> None:
    options = replace(OPTIONS, vad=VadOptions())
    transcriber = Transcriber(session, detector=detector)
    plain, _ = run(transcriber, jfk, options)
    padded = recording(np.concatenate([silence(7.3), speech, silence(7.3), speech]))

    transcript, _ = run(transcriber, padded, options)

    assert transcript.text.lower().count(SENTENCE) == 2
    for begin_s, end_s in ((7.3, 18.3), (25.6, 36.6)):
        inside = [s for s in transcript.segments if begin_s - 0.2 <= s.start_s < end_s]
        assert inside[0].start_s - begin_s == pytest.approx(plain.segments[0].start_s, abs=0.15)
        assert inside[-1].end_s - begin_s == pytest.approx(plain.segments[-1].end_s, abs=0.15)


def test_vad_without_a_detector_is_an_error(session: Session, jfk: Path) -> None:
    with pytest.raises(BackendError, match="no voice activity detector"):
        run(Transcriber(session), jfk, replace(OPTIONS, vad=VadOptions()))


def test_a_vad_model_that_is_not_installed_is_an_error_only_if_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_MODELS", str(tmp_path))

    assert find_vad_model(OPTIONS) is None
    with pytest.raises(
        ModelError, match=r'no .* is installed: run "whisperctl models pull silero"'
    ):
        find_vad_model(replace(OPTIONS, vad=VadOptions()))


NOISES: dict[str, Callable[[float], Samples]] = {
    "silence": silence,
    "white noise": white_noise,
    "pink noise": pink_noise,
    "hum": hum,
    "music": music,
}


@pytest.mark.parametrize("kind", NOISES)
def test_no_speech_gives_no_text_and_one_warning(
    session: Session, detector: Detector, recording: MakeRecording, kind: str
) -> None:
    path = recording(NOISES[kind](20.0))

    transcript, events = run(Transcriber(session, detector=detector), path, OPTIONS)

    assert transcript.segments == ()
    assert events.warnings == [f'"{path}" contains no speech']
    assert transcript.timings.phases == {}  # nothing was decoded


@pytest.mark.parametrize("kind", ["silence", "hum", "music"])
def test_no_speech_gives_no_text_without_a_detector(
    session: Session, recording: MakeRecording, kind: str
) -> None:
    path = recording(NOISES[kind](10.0))

    transcript, events = run(Transcriber(session), path, OPTIONS)

    assert transcript.segments == ()
    assert events.warnings == [f'"{path}" contains no speech']


@pytest.mark.parametrize("kind", ["quiet", "over noise", "over music", "with pauses"])
def test_real_speech_keeps_its_text(
    session: Session, detector: Detector, recording: MakeRecording, speech: Samples, kind: str
) -> None:
    n = len(speech)
    made = {
        "quiet": speech * 10 ** (-30 / 20),
        "over noise": speech + white_noise(11, 0.03)[:n],
        "over music": speech + 0.15 * music(11)[:n],
        "with pauses": np.concatenate([speech[: n * 3 // 10], silence(5), speech[n * 3 // 10 :]]),
    }[kind]

    transcript, events = run(
        Transcriber(session, detector=detector), recording(made.astype(np.float32)), OPTIONS
    )

    assert "country can do for you" in transcript.text
    assert events.warnings == []


def test_a_repetition_loop_of_an_engine_is_detected_and_one_copy_is_kept(
    tmp_path: Path, jfk: Path
) -> None:
    # Half a second of speech twenty times over makes tiny.en write this up to whisper.cpp's limit.
    model = write_model(tmp_path / "stuck.bin", says=(0.0, b" S" + 120 * b"-S"))
    options = replace(OPTIONS, decoding=replace(GREEDY, temperature_increment=0.0))

    with registry.open_session(registry.parse("native"), model, threads=1) as session:
        assert "-S-S-S-S-S-S-S-S-S-S" in session.transcribe(audio.load(jfk), options.decoding).text
        transcript, events = run(Transcriber(session), jfk, options)

    assert len(transcript.text) < 20
    assert any("a repetition loop at 0:00" in warning for warning in events.warnings)


def test_a_repeated_recording_is_not_a_repetition_loop(
    session: Session, detector: Detector, recording: MakeRecording, speech: Samples
) -> None:
    path = recording(np.tile(speech, 4))

    transcript, events = run(Transcriber(session, detector=detector), path, OPTIONS)

    assert transcript.text.lower().count(SENTENCE) == 4
    assert len({segment.text for segment in transcript.segments}) < len(transcript.segments) / 2
    assert events.warnings == []


def test_each_channel_is_a_speaker(
    session: Session, detector: Detector, recording: MakeRecording, speech: Samples
) -> None:
    left = np.concatenate([speech, silence(11.5)])
    right = np.concatenate([silence(11.5), speech])
    path = recording(np.stack([left, right], axis=1))
    options = replace(OPTIONS, speakers_from_channels=True, speaker_names="Host")

    transcript, events = run(Transcriber(session, detector=detector), path, options)

    by_speaker = {
        name: [s for s in transcript.segments if s.speaker == name]
        for name in ("Host", "Speaker 2")
    }
    assert sum(map(len, by_speaker.values())) == len(transcript.segments)
    for segments in by_speaker.values():
        assert SENTENCE in "".join(s.text for s in segments)
    assert by_speaker["Host"][-1].end_s <= 12.0
    assert by_speaker["Speaker 2"][-1].start_s >= 11.5
    assert [s.start_s for s in events.segments] == sorted(s.start_s for s in events.segments)
    assert [p.done_s for p in events.progress] == sorted(p.done_s for p in events.progress)


def test_speakers_from_a_single_channel_are_an_error(session: Session, jfk: Path) -> None:
    options = replace(OPTIONS, speakers_from_channels=True)
    with pytest.raises(UsageError, match=r'jfk\.wav" has only one channel'):
        run(Transcriber(session), jfk, options)


def test_an_exception_in_a_callback_propagates(session: Session, jfk: Path) -> None:
    def stop(segment: Segment) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Transcriber(session).transcribe(jfk, OPTIONS, on_segment=stop)


def test_whisper_cpp_transcribes_in_chunks(tiny_en: Path, jfk: Path) -> None:
    checkpoints: list[Checkpoint] = []
    with registry.open_session(registry.parse("native"), tiny_en, threads=1) as session:
        transcript = Transcriber(session, chunk_s=7.0).transcribe(
            jfk, OPTIONS, on_checkpoint=checkpoints.append
        )

    assert len(checkpoints) == 2
    assert words(transcript.text).count("country") == 2


def test_words_are_the_text_and_keep_their_times_through_vad(
    tiny_en: Path, detector: Detector, recording: MakeRecording, speech: Samples, jfk: Path
) -> None:
    decoding = replace(GREEDY, word_timestamps=True)
    options = replace(OPTIONS, decoding=decoding, vad=VadOptions())
    path = recording(np.concatenate([silence(7.3), speech]))
    engine = registry.parse(QUICKEST)
    with registry.open_session(engine, tiny_en, threads=1, word_timestamps=True) as session:
        transcriber = Transcriber(session, detector=detector)
        plain, _ = run(transcriber, jfk, replace(options, vad=None))
        padded, _ = run(transcriber, path, options)

    for transcript in (plain, padded):
        for segment in transcript.segments:
            assert "".join(word.text for word in segment.words) == segment.text
            assert segment.start_s <= segment.words[0].start_s
            assert segment.words[-1].end_s <= segment.end_s
        spoken = [word for segment in transcript.segments for word in segment.words]
        assert all(word.start_s < word.end_s for word in spoken)
        assert all(a.end_s <= b.start_s for a, b in pairwise(spoken))
    times = [
        {
            words(w.text)[0] + str(i % 2): w.start_s
            for i, s in enumerate(t.segments)
            for w in s.words
        }
        for t in (plain, padded)
    ]
    common = times[0].keys() & times[1].keys()
    assert len(common) >= 10
    off_s = [abs(times[1][name] - 7.3 - times[0][name]) for name in common]
    assert float(np.median(off_s)) < 0.2
