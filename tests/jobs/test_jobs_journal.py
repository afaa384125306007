"""Going on where a run stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.engine.registry import Engine
from whisperctl.jobs import journal, runner
from whisperctl.jobs.events import Event, Failed, Finished, OnEvent, SegmentDecoded, WarningIssued
from whisperctl.jobs.executors import ExecutorOptions, in_process
from whisperctl.jobs.executors.in_process import InProcessExecution, InProcessExecutor, TaskRunner
from whisperctl.jobs.job import Job, Results
from whisperctl.jobs.journal import Journal
from whisperctl.jobs.sources import Recording
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.storage import state as state_files
from whisperctl.testing.fake import FakeBackend
from whisperctl.transcript import Segment
from whisperctl.transcription.chunking import ReadAhead
from whisperctl.transcription.run import Checkpoint
from whisperctl.transcription.transcriber import Transcriber, read_ahead

if TYPE_CHECKING:
    from tests.conftest import MakePlugin
    from tests.jobs.conftest import Cut

FIRST = Checkpoint(4.0, (Segment(0.0, 2.0, " one"),), "en", 0.9, " one")
SECOND = Checkpoint(8.0, (Segment(4.0, 6.0, " two"),), "en", 0.9, " one two")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(state_files.DIRECTORY_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts recordings into chunks so short that the sample has several."""
    monkeypatch.setattr(in_process, "read_ahead", partial(read_ahead, chunk_s=2.5))


@pytest.fixture(scope="module")
def transcriber(model: Path) -> Iterator[Transcriber]:
    checked = Model.inspect(model)
    with FakeBackend().open(checked, OpenOptions(1)) as session:
        yield Transcriber(session, model=checked)


@pytest.fixture
def job(model: Path, tmp_path: Path) -> Job:
    options = TranscriptionOptions(DecodeOptions(beam_size=1), speech_check=False)
    return Job(Engine("fake"), model, 2, options, Results(("srt", "txt"), tmp_path), resume=True)


class Given(InProcessExecutor):
    """Works with a transcriber that is open already, or with none."""

    def __init__(self, transcriber: Transcriber | None) -> None:
        self.transcriber = transcriber

    def open(self, job: Job, options: ExecutorOptions) -> InProcessExecution:
        return InProcessExecution(GivenRunner(job, self.transcriber))


class GivenRunner(TaskRunner):
    def __init__(self, job: Job, transcriber: Transcriber | None) -> None:
        super().__init__(job)
        self._given = transcriber

    def _load(self, reading: ReadAhead | None) -> Transcriber:
        assert self._given is not None, "no model is needed"
        return self._given


def process(
    job: Job, recording: Recording, transcriber: Transcriber | None, on_event: OnEvent
) -> None:
    runner.run(job, [recording], on_event, executor=Given(transcriber))


@pytest.fixture
def recording(tmp_path: Path, cut: Cut) -> Recording:
    return Recording(str(cut(tmp_path / "talk.wav", 0, 11)))


def said(heard: list[Event]) -> list[Segment]:
    return [event.segment for event in heard if isinstance(event, SegmentDecoded)]


def files(state: Path) -> list[Path]:
    return sorted(state.iterdir()) if state.exists() else []


def test_a_run_goes_on_within_a_recording_and_ends_the_same(
    job: Job, recording: Recording, transcriber: Transcriber, tmp_path: Path, state: Path
) -> None:
    whole: list[Event] = []
    process(replace(job, journal=False), recording, transcriber, lambda _, one: whole.append(one))
    expected = (tmp_path / "talk.srt").read_bytes()
    n_segments = sum(isinstance(event, SegmentDecoded) for event in whole)
    assert n_segments > 5 and files(state) == []
    (tmp_path / "talk.srt").unlink()

    seen: list[Event] = []

    def until_fifth(index: int, event: Event) -> None:
        seen.append(event)
        if sum(isinstance(one, SegmentDecoded) for one in seen) == 5:
            raise Killed

    with pytest.raises(Killed):
        process(job, recording, transcriber, until_fifth)
    assert not (tmp_path / "talk.srt").exists()
    assert len(files(state)) == 1 and journal.kept(job, recording)

    again: list[Event] = []
    process(job, recording, transcriber, lambda _, one: again.append(one))

    assert (tmp_path / "talk.srt").read_bytes() == expected
    assert said(again) == said(whole)
    end = again[-1]
    assert isinstance(end, Finished) and 0 < end.computed_s < end.duration_s
    assert any(isinstance(one, WarningIssued) and "goes on at 00:00:0" in one.text for one in again)
    assert journal.finished(job, recording)


def test_what_was_transcribed_is_written_without_transcribing_again(
    job: Job, recording: Recording, transcriber: Transcriber, tmp_path: Path, state: Path
) -> None:
    (tmp_path / "talk.txt").mkdir()  # the second result cannot be written
    seen: list[Event] = []
    process(job, recording, transcriber, lambda _, one: seen.append(one))
    assert isinstance(seen[-1], Failed) and 'talk.txt" cannot be written' in seen[-1].reason
    assert (tmp_path / "talk.srt").exists()
    assert not journal.finished(job, recording)
    (tmp_path / "talk.txt").rmdir()
    whole = (tmp_path / "talk.srt").read_bytes()
    (tmp_path / "talk.srt").unlink()

    process(job, recording, None, lambda _, one: seen.append(one))

    assert (tmp_path / "talk.srt").read_bytes() == whole
    assert (tmp_path / "talk.txt").read_text("utf-8").count("\n") == whole.count(b" --> ") > 1
    (only,) = files(state)
    assert only.read_bytes().count(b"\n") == 1


def test_a_recording_is_finished_while_all_is_as_it_was(
    job: Job, recording: Recording, tmp_path: Path
) -> None:
    written = [tmp_path / "talk.srt", tmp_path / "talk.txt"]
    for path in written:
        path.write_text("text")
    with Journal(job, recording) as kept:
        kept.written(written)
    assert journal.finished(job, recording)

    other = replace(job, options=TranscriptionOptions(DecodeOptions(beam_size=2)))
    assert not journal.finished(other, recording)
    assert not journal.finished(replace(job, engine=Engine("wasi")), recording)
    formats = replace(job.results, formats=("srt",))
    assert not journal.finished(replace(job, results=formats), recording)
    assert journal.finished(replace(job, threads=1), recording)

    written[1].write_text("other")
    assert not journal.finished(job, recording)
    written[1].unlink()
    assert not journal.finished(job, recording)


def test_a_recording_that_changed_is_another_one(job: Job, recording: Recording) -> None:
    with Journal(job, recording) as kept:
        kept.add(FIRST)
    os.utime(recording.name, ns=(1, 1))
    with Journal(job, recording) as kept:
        assert kept.checkpoint is None


def test_checkpoints_come_back_as_one(job: Job, recording: Recording) -> None:
    with Journal(job, recording) as kept:
        kept.add(FIRST)
        kept.add(SECOND)
    with Journal(job, recording) as kept:
        assert kept.checkpoint == replace(SECOND, segments=FIRST.segments + SECOND.segments)


DECODER = """
from whisperctl.audio.decoders import DecoderInfo

class Acme:
    name, contract, preference = "acme", 1, 99

    def describe(self):
        return DecoderInfo("acme", "9.9", "libacme 1")
"""


def test_what_another_decoder_read_is_not_gone_on_from(
    job: Job, recording: Recording, plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(job, recording) as journal:
        journal.add(FIRST)
    for options in (job.options, replace(job.options, decoder="ffmpeg")):
        with monkeypatch.context() as patch:
            if options == job.options:  # the decoder is chosen otherwise, by what is installed
                patch.syspath_prepend(plugin("acme", DECODER, "decoder")["PYTHONPATH"])
            with Journal(replace(job, options=options), recording) as other:
                assert other.checkpoint is None
    with Journal(job, recording) as journal:
        assert journal.checkpoint == FIRST


def test_a_transcript_says_which_decoder_read_the_recording(
    job: Job, recording: Recording, transcriber: Transcriber
) -> None:
    options = replace(job.options, decoder="ffmpeg")

    assert transcriber.transcribe(recording.name, options).decoders == ("ffmpeg",)


def test_a_torn_line_is_as_if_it_were_not_there(
    job: Job, recording: Recording, state: Path
) -> None:
    with Journal(job, recording) as kept:
        kept.add(FIRST)
        kept.add(SECOND)
    (path,) = files(state)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for n_bytes in (first, first + 1, len(whole) // 2 + first // 2, len(whole) - 1):
        path.write_bytes(whole[:n_bytes])
        with Journal(job, recording) as kept:
            assert kept.checkpoint == FIRST
            kept.add(SECOND)
        assert path.read_bytes() == whole
    path.write_bytes(b"\0\n{}\n" + whole)
    with Journal(job, recording) as kept:
        assert kept.checkpoint is None


@pytest.mark.parametrize(
    "rubbish",
    [
        b"[" * 200_000,
        b'{"checkpoint":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"checkpoint": {"end_s": NaN}}',
        b'{"results": ' + b"9" * 5000 + b"}",
        b'{"unknown": 1}',
        b"12",
        bytes(range(128, 256)),
    ],
    ids=["deep", "deep value", "wrong types", "digits", "unknown field", "no record", "no text"],
)
def test_rubbish_is_as_if_it_were_not_there(
    job: Job, recording: Recording, state: Path, rubbish: bytes
) -> None:
    with Journal(job, recording) as kept:
        kept.add(FIRST)
    (path,) = files(state)
    whole = path.read_bytes()
    path.write_bytes(rubbish + b"\n" + whole)
    assert not journal.finished(job, recording)
    with Journal(job, recording) as kept:
        assert (kept.checkpoint, kept.transcript, kept.problem) == (None, None, "")
        kept.add(FIRST)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["a\\u0000b", "\\ud800"])
def test_results_whose_names_cannot_be_are_not_there(
    job: Job, recording: Recording, state: Path, tmp_path: Path, name: str
) -> None:
    result = tmp_path / "talk.srt"
    result.touch()
    with Journal(job, recording) as kept:
        kept.written([result])
    (path,) = files(state)
    assert journal.finished(job, recording)
    path.write_text(path.read_text().replace("talk.srt", name))
    assert not journal.finished(job, recording)


@pytest.mark.parametrize(
    "line",
    [
        b'{"checkpoint": {"position_s": NaN, "segments": []}}',
        b'{"checkpoint": {"position_s": 1e300, "segments": []}}',
        b'{"checkpoint": {"position_s": -5, "segments": []}}',
        b'{"checkpoint": {"position_s": 5, "segments": [], "language": "xx"}}',
        b'{"checkpoint": {"position_s": 5, "segments": '
        b'[{"start_s": 1e999, "end_s": 2, "text": "x"}]}}',
        b'{"transcript": {"segments": [], "language": "en", "duration_s": NaN}}',
        b"[" * 100_000,
    ],
    ids=range(7),
)
def test_a_line_that_cannot_be_is_as_if_it_were_not_there(
    line: bytes, job: Job, recording: Recording, state: Path
) -> None:
    with Journal(job, recording) as first:
        first.add(FIRST)
    (path,) = state.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(line + b"\n")
    with Journal(job, recording) as second:
        assert second.checkpoint == FIRST
        assert second.transcript is None


def test_a_run_that_begins_anew_drops_what_was_kept(job: Job, recording: Recording) -> None:
    anew = replace(job, resume=False)
    with Journal(job, recording) as kept:
        kept.add(FIRST)
    with Journal(anew, recording) as kept:
        assert kept.checkpoint is None
        kept.add(SECOND)
    with Journal(job, recording) as kept:
        assert kept.checkpoint == SECOND
    journal.forget(anew, [recording])
    with Journal(job, recording) as kept:
        assert kept.checkpoint is None


def test_two_runs_never_share_a_journal(
    job: Job, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_files, "_WAIT_S", 0.0)
    with Journal(job, recording) as first:
        first.add(FIRST)
        with Journal(job, recording) as second:
            assert "another run is transcribing this recording" in second.problem
            second.add(SECOND)
            second.written([Path(recording.name)])
        first.add(SECOND)
    with Journal(job, recording) as kept:
        assert kept.checkpoint is not None and len(kept.checkpoint.segments) == 2


def test_a_journal_that_cannot_be_written_is_done_without(
    job: Job, recording: Recording, state: Path
) -> None:
    state.write_text("a file where the directory should be")
    with Journal(job, recording) as kept:
        kept.add(FIRST)
        kept.written([Path(recording.name)])
    assert "cannot be written" in kept.problem and "--resume" in kept.problem
    state.unlink()

    with Journal(job, recording) as kept:
        file = kept._file
        file._file, full = open("/dev/full", "r+b", buffering=0), file._file  # noqa: PTH123, SIM115
        assert full is not None
        full.close()
        kept.add(FIRST)
    assert "No space left on device" in kept.problem


def test_journals_nobody_needs_go_in_time(job: Job, recording: Recording, state: Path) -> None:
    with Journal(job, recording) as kept:
        kept.add(FIRST)
    (path,) = files(state)
    state_files.prune()
    assert path.exists()
    os.utime(path, (1, 1))
    state_files.prune()
    assert not path.exists()


def test_standard_input_and_pipes_have_none(job: Job, state: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("-", str(tmp_path / "pipe"), str(tmp_path / "missing.wav")):
        with Journal(job, Recording(name)) as kept:
            kept.add(FIRST)
        assert not journal.finished(job, Recording(name))
    assert files(state) == []
