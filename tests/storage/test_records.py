"""What goes into journals and pipes comes out the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from whisperctl.compare.result import CellDrift
from whisperctl.engine.registry import Engine
from whisperctl.jobs.job import Job, Results
from whisperctl.jobs.sources import Recording
from whisperctl.options import (
    Clip,
    DecodeOptions,
    SubtitleOptions,
    TranscriptionOptions,
    VadOptions,
)
from whisperctl.storage import records
from whisperctl.transcript import Phase, Segment, Timings, Token, Transcript, Word
from whisperctl.transcription.run import Checkpoint

SEGMENT = Segment(
    0.1,
    2.0,
    " Grüße\u2028日本 \ud800",
    tokens=(Token(7, b"\xff\x00", 0.5, 0.1, None), Token(8, b"", 1.0)),
    words=(Word(0.1, 0.3, " Grüße", 0.25),),
    speaker="left",
    temperature=0.0,
)


@pytest.mark.parametrize(
    "record",
    [
        Checkpoint(1 / 3, (SEGMENT, Segment(3.0, 4.0, "x")), "de", 0.9, "before", done=True),
        Transcript(
            (SEGMENT,),
            "de",
            4.0,
            Timings({"encode": Phase(12.5, 2)}, wall_ms=3.0, peak_memory_bytes=1),
            model=Path("/models/x.bin"),
        ),
        Recording("\udcff.wav", "a/b"),
        Job(
            Engine("wasi", "wasmer"),
            Path("model.bin"),
            2,
            TranscriptionOptions(
                DecodeOptions(language="de", temperature=0.25),
                clips=(Clip(1.5, None),),
                vad=VadOptions(max_speech_duration_s=math.inf),
            ),
            Results(("srt", "vtt"), Path("out"), subtitles=SubtitleOptions(max_line_width=40)),
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_survives_the_way_there_and_back(record: object) -> None:
    line = records.line(record)

    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert records.parse(type(record), line) == record


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"{}", b'{"name": 1}', b'{"name": "a", "more": 2}'],
)
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        records.parse(Recording, text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"position_s": 1' + b"0" * 400 + b', "segments": []}',
        b'{"position_s": true, "segments": []}',
        b'{"position_s": 1, "segments": [], "done": 1}',
    ],
    ids=["nested", "huge", "true", "one"],
)
def test_numbers_and_depths_that_cannot_be_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        records.parse(Checkpoint, text)


def test_a_word_that_is_none_of_those_allowed_is_refused() -> None:
    with pytest.raises(ValueError, match="'most' is not one of 'same', 'different', 'none'"):
        records.restore(CellDrift, {"cell": 0, "text": "most", "difference": None, "ratios": {}})
