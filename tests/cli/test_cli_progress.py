"""What is said of recordings and workers during a run, and at its end."""

from __future__ import annotations

import pytest

from whisperctl.cli.support.progress import Bars, Places, Reporter
from whisperctl.jobs.events import Ended, Event, Failed, SegmentDecoded, Started
from whisperctl.jobs.sources import Recording
from whisperctl.transcript import Segment


def test_a_table_has_what_each_worker_did_and_which_recordings_it_lost() -> None:
    places = Places()
    assert places.table() == []
    for index, worker in enumerate(("10", "9", "9")):
        places.begin(index, worker)
    places.begin(0, "9")  # again
    places.finish(0, 3600, 900)
    places.finish(1, 1800, 450)
    assert places.table() == [
        "worker  recordings  hours of audio  real-time factor  lost",
        "9                2            1.50             0.250     0",
        "10               0            0.00                 -     1",
    ]


def test_a_table_of_one_recording_counts_its_chunks() -> None:
    places = Places()
    for chunk, worker in enumerate(("a", "b", "a"), 1):
        places.begin(0, worker, chunk)
    places.begin(0, "a", 2)  # again
    for chunk in (3, 1, 2):
        places.finish(0, 1200, 300, chunk)
    places.finish(0, 3600, 900)  # the whole recording, which is no worker's
    assert places.table() == [
        "worker  chunks  hours of audio  real-time factor  lost",
        "a            3            1.00             0.250     0",
        "b            0            0.00                 -     1",
    ]


def test_recordings_of_a_local_run_are_no_worker_s() -> None:
    places = Places()
    places.finish(0, 3600, 900)
    assert places.table() == []


def test_a_failure_is_told_when_it_happens_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    recordings = [Recording(name) for name in ("a.wav", "b.wav", "c.wav")]
    with Bars(recordings, wanted=False) as bars:
        reporter = Reporter(
            recordings,
            bars,
            lambda segment: segment.text,
            several=True,
            quiet=False,
            shows_segments=True,
            writes_files=False,
        )
        happened: list[tuple[int, Event]] = [
            (0, Started()),
            (1, Ended("no speech")),
            (2, Ended('"c.wav" is no recording')),
            (0, SegmentDecoded(Segment(0.0, 1.0, "one"))),
            (0, Ended("no memory")),
            (0, Failed("no memory")),
            (1, Started()),
            (1, Failed("no speech")),
        ]
        for index, event in happened:
            reporter.event(index, event)
    captured = capsys.readouterr()
    assert captured.out == "one\n"
    assert [line for line in captured.err.splitlines() if line] == [
        "==> a.wav <==",
        'whisperctl: error: "b.wav": no speech',
        'whisperctl: error: "c.wav" is no recording',
        "whisperctl: error: no memory",
        "==> b.wav <==",
    ]
    assert [reason for _, reason in reporter.failures] == ["no memory", "no speech"]
