"""How far, how fast, and how long still."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.jobs.events import Advanced, Failed, Finished, Opened, Workload
from whisperctl.jobs.sources import Recording


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    sizes = {"a.wav": 1000, "b.wav": 3000, "c.mp3": 500, "-": 0}
    for name, size in sizes.items():
        if size:
            (tmp_path / name).write_bytes(bytes(size))
    return [Recording(name if name == "-" else str(tmp_path / name)) for name in sizes]


def test_nothing_is_known_before_the_first_recording(recordings: list[Recording]) -> None:
    work = Workload(recordings)

    assert (work.n_ended, work.speed, work.fraction, work.eta_s) == (0, None, None, None)


def test_lengths_are_guessed_by_what_is_known_of_the_same_kind(recordings: list[Recording]) -> None:
    clock = Clock()
    work = Workload(recordings[:2], clock)
    work.event(0, Opened())
    work.event(0, Advanced(0.0, 10.0))
    clock.now_s += 2
    work.event(0, Advanced(5.0, 10.0))

    assert work.speed == pytest.approx(2.5)
    assert work.fraction == pytest.approx(5 / 40)
    assert work.eta_s == pytest.approx(35 / 2.5)

    work.event(0, Finished(10.0, 10.0, 1, "en"))
    assert work.fraction == pytest.approx(10 / 40)
    work.event(1, Failed("no"))
    assert (work.n_ended, work.fraction, work.eta_s) == (2, 1.0, 0.0)


def test_what_an_earlier_run_did_is_no_speed_of_this_one(recordings: list[Recording]) -> None:
    clock = Clock()
    work = Workload(recordings[:1], clock)
    work.event(0, Opened())
    work.event(0, Advanced(3000.0, 3600.0))
    clock.now_s += 10
    work.event(0, Advanced(3100.0, 3600.0))

    assert work.speed == pytest.approx(10.0)
    assert work.eta_s == pytest.approx(50.0)
