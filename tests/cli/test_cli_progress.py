"""What is said of the workers of a cluster at the end of a run."""

from __future__ import annotations

from whisperctl.cli.support.progress import Places
from whisperctl.jobs.events import Finished


def finished(audio_s: float, wall_s: float) -> Finished:
    return Finished(audio_s, audio_s, 1, "en", wall_s=wall_s)


def test_a_table_has_what_each_worker_did_and_which_recordings_it_lost() -> None:
    places = Places()
    assert places.table() == []
    for index, worker in enumerate(("10", "9", "9")):
        places.begin(index, worker)
    places.begin(0, "9")  # again
    places.finish(0, finished(3600, 900))
    places.finish(1, finished(1800, 450))
    assert places.table() == [
        "worker  recordings  hours of audio  real-time factor  lost",
        "9                2            1.50             0.250     0",
        "10               0            0.00                 -     1",
    ]


def test_recordings_of_a_local_run_are_no_worker_s() -> None:
    places = Places()
    places.finish(0, finished(3600, 900))
    assert places.table() == []
