"""The soak test of the Dask executor, small, and the table of costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cluster, soak

PAGE = """
### long.wav (68.5 s), tiny, 2 threads

| format | engine | load | encode | decode/run | total | real-time | MiB |
|---|---|---:|---:|---:|---:|---:|---:|
| f16 | native | 78.9 | 1566 | 10.4 | 1917 | 0.175 | 188 |

### short.wav (11.0 s), tiny, 2 threads

| format | engine | load | encode | decode/run | total | real-time | MiB |
|---|---|---:|---:|---:|---:|---:|---:|
| f16 | native | 78.9 | 1566 | 10.4 | 1917 | 0.9 | 188 |

### long.wav (68.5 s), base, 1 thread

| format | engine | load | encode | decode/run | total | real-time | MiB |
|---|---|---:|---:|---:|---:|---:|---:|
| f16 | native | 78.9 | 1566 | 10.4 | 1917 | 0.9 | 188 |
"""


def test_machine_hours_are_those_of_the_longest_recording_on_two_threads() -> None:
    _, _, *rows = cluster.costs(PAGE)
    assert rows == ["| tiny | long.wav (68.5 s) | f16 | native | 175 |"]
    with pytest.raises(ValueError, match="no tables"):
        list(cluster.costs("# Performance"))


@pytest.mark.slow
def test_each_result_is_there_once_after_workers_and_the_scheduler_were_lost(
    tmp_path: Path,
) -> None:
    found = soak.soak(tmp_path, 60, 2, kill_every_s=1.0, measures=False)
    assert sum(found.n_finished) == 60
    assert found.n_killed > 0
