"""Chunks of a recording: every sample once, cut where it is quiet, always in the same places."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile

from tests.transcription.conftest import MakeRecording, Samples, silence, white_noise
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.protocol import Detection
from whisperctl.errors import UsageError
from whisperctl.options import Clip, TranscriptionOptions, VadOptions
from whisperctl.transcription.chunking import Chunk, Chunks, ReadAhead, quietest


def chunks_of(path: Path, *clips: Clip, start: int = 0, chunk_s: float = 4.0) -> list[Chunk]:
    with audio.open_stream(path, block_s=1.5) as blocks:
        return list(Chunks(blocks, clips, start=start, chunk_s=chunk_s))


@pytest.fixture
def talk(recording: MakeRecording, speech: Samples) -> Path:
    return recording(np.concatenate([speech, speech]))


def test_chunks_add_up_to_the_whole_recording(talk: Path, speech: Samples) -> None:
    chunks = chunks_of(talk)

    assert chunks[0].start == 0
    for before, after in pairwise(chunks):
        assert before.end == after.start
    assert all(2 * SAMPLE_RATE <= len(p.samples) <= 4 * SAMPLE_RATE for p in chunks[:-1])
    assert len(chunks[-1].samples) <= 8 * SAMPLE_RATE
    joined = np.concatenate([chunk.samples for chunk in chunks])
    np.testing.assert_array_equal(joined, audio.load(talk).samples)


def test_twice_the_length_of_a_chunk_is_one_chunk(talk: Path) -> None:
    assert len(chunks_of(talk, chunk_s=11.0)) == 1
    assert len(chunks_of(talk, chunk_s=10.9)) > 1


def test_a_cut_is_where_it_is_quiet(recording: MakeRecording) -> None:
    noise = white_noise(30)
    for at_s in (2.0, 3.1, 9.0):
        noise[round(at_s * SAMPLE_RATE) : round((at_s + 0.4) * SAMPLE_RATE)] *= 0.01

    first, *_ = chunks_of(recording(noise))

    assert 3.15 <= first.end / SAMPLE_RATE <= 3.45  # not at 2.0: as quiet, but a window later fits


@pytest.mark.slow
def test_resuming_at_any_cut_cuts_in_the_same_places(talk: Path) -> None:
    whole = chunks_of(talk)

    for i, chunk in enumerate(whole):
        rest = chunks_of(talk, start=chunk.start)
        assert [(p.start, p.end) for p in rest] == [(p.start, p.end) for p in whole[i:]]
        np.testing.assert_array_equal(rest[0].samples, chunk.samples)


def test_clips_are_cut_to_the_sample(talk: Path) -> None:
    whole = audio.load(talk).samples

    chunks = chunks_of(talk, Clip(1.5, 3.25), Clip(3.25, 4.0), Clip(20.0, 99.0))

    assert [(p.start, p.end) for p in chunks] == [
        (24_000, 52_000),
        (52_000, 64_000),
        (320_000, 352_000),
    ]
    for chunk in chunks:
        np.testing.assert_array_equal(chunk.samples, whole[chunk.start : chunk.end])


def test_a_long_clip_is_cut_into_chunks(talk: Path) -> None:
    chunks = chunks_of(talk, Clip(1.0, 17.0))

    assert len(chunks) > 2
    assert (chunks[0].start, chunks[-1].end) == (16_000, 17 * 16_000)


@pytest.mark.parametrize("start_s", [22.0, 5000.0])
def test_a_clip_beyond_the_end_names_the_recording_and_its_length(
    talk: Path, start_s: float
) -> None:
    with pytest.raises(UsageError, match=rf"from {start_s:g} s on .*made\.wav.* 22\.0 s long"):
        chunks_of(talk, Clip(0.0, 1.0), Clip(start_s))


@pytest.mark.parametrize("start_s", [21.999, 22.0, 22.5, 40.0])
def test_a_last_clip_that_begins_after_the_end_is_refused_before_the_first_chunk(
    talk: Path, start_s: float
) -> None:
    with audio.open_stream(talk, block_s=1.5) as blocks:
        chunks = iter(Chunks(blocks, (Clip(0.0, 1.0), Clip(2.0, 3.0), Clip(start_s, 60.0))))

        with pytest.raises(UsageError, match=rf"from {start_s:g} s on .* 22\.0 s long"):
            next(chunks)


@pytest.mark.slow
@pytest.mark.parametrize("start_s", [13.0, 20.5])
def test_a_clip_beyond_the_length_in_the_header_is_found_if_the_sound_continues(
    talk: Path, tmp_path: Path, start_s: float
) -> None:
    wav = bytearray(talk.read_bytes())
    data = wav.index(b"data")
    wav[data + 4 : data + 8] = (0).to_bytes(4, "little")
    short = tmp_path / "short.wav"
    short.write_bytes(wav)
    joined = tmp_path / "joined.mp3"
    speech = audio.load(talk).samples[: 11 * SAMPLE_RATE]
    soundfile.write(tmp_path / "one.mp3", speech, SAMPLE_RATE)
    joined.write_bytes((tmp_path / "one.mp3").read_bytes() * 2)

    for path in (short, joined):
        for clips in ([Clip(start_s, start_s + 1)], [Clip(0, 1), Clip(start_s, 22.0)]):
            chunks = chunks_of(path, *clips, chunk_s=10.0)
            assert chunks[-1].start == round(start_s * SAMPLE_RATE)


def test_total_and_done_seconds_count_the_clips(talk: Path) -> None:
    with audio.open_stream(talk) as blocks:
        chunks = Chunks(blocks, (Clip(1.0, 3.0), Clip(10.0)))
        list(chunks)
        assert chunks.total_s == 14.0
        assert [chunks.done_s(s * SAMPLE_RATE) for s in (0, 2, 3, 5, 11, 22)] == [0, 1, 2, 2, 3, 14]
        assert chunks.duration_s() == 22.0


def test_the_quietest_place_in_silence_is_the_first() -> None:
    assert quietest(silence(1.0), 100) == 50


class Counting:
    """A detector that counts its calls; the one that is to last does so until it is stopped."""

    def __init__(self, lasts: int | None = None) -> None:
        self.lasts = lasts
        self.calls = 0
        self.called = threading.Semaphore(0)

    def detect(self, samples: Samples, options: VadOptions) -> Detection:
        self.calls += 1
        self.called.release()
        while self.calls - 1 == self.lasts:
            time.sleep(0.01)
        return Detection((), np.zeros(1, np.float32))

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_the_next_chunk_is_read_and_detected_while_this_one_is_used(jfk: Path) -> None:
    with closing(ReadAhead(jfk, TranscriptionOptions(), chunk_s=2.0)) as reading:
        assert reading.take(0.3) is None  # which detector is to be used is not known yet
        reading.detect_with(detector := Counting())
        assert reading.take(10) is not None
        for _ in range(2):
            assert detector.called.acquire(timeout=10)
        assert not detector.called.acquire(timeout=0.2)
        rest = list(reading)
        assert detector.calls == 1 + len(rest) > 3
        assert reading.ended
        assert reading.take(0) is None
        assert reading.duration_s() == pytest.approx(11.0)
        assert all(len(chunk.detections) == 1 for chunk in rest)


@pytest.mark.parametrize("lasts", [0, None])
def test_reading_that_is_closed_stops_at_once(jfk: Path, lasts: int | None) -> None:
    reading = ReadAhead(jfk, TranscriptionOptions(), chunk_s=2.0)
    if lasts is not None:
        reading.detect_with(detector := Counting(lasts))
        assert detector.called.acquire(timeout=10)
    reading.close()
    reading.close()
    assert not [one for one in threading.enumerate() if one.name == "whisperctl-read"]
    assert list(reading) == []


def test_what_reading_fails_with_is_raised_where_chunks_are_taken(jfk: Path) -> None:
    options = TranscriptionOptions(clips=(Clip(0.0, 1.0), Clip(50.0)))
    with closing(ReadAhead(jfk, options)) as reading:
        reading.detect_with(None)
        with pytest.raises(UsageError, match="begins after the end"):
            list(reading)
        assert reading.ended
