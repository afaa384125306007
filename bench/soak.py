"""A soak test of the Dask executor: real processes, the fake engine, and losses on the way.

Thousands of recordings are transcribed by a cluster on this machine. A worker is killed every few
seconds, and the scheduler once, halfway; a second run resumes. Then each result must be there, once
and whole. Another part measures what is lost from one worker to many with an engine that only
waits, and how much of the coordinator's time and memory a recording takes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from whisperctl.testing.fake import install, write_model
from whisperctl_dask.cluster import DEFAULTS

_RATE = 16_000
_SHORT_S = 0.4
_SLOW_S = 20.0
_N_EACH = 12
"""Recordings for each worker where efficiency is measured, a second each."""

_ROUNDS = 4
"""Recordings for each worker, at least, from one kill of a worker to the next."""

_START_S = 120.0
_SAMPLED_EVERY_S = 0.25
_OPTIONS = ("--decoder", "soundfile", "--no-speech-check")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a soak test found. Seconds of processor time, and MiB of resident memory."""

    n_recordings: int
    n_finished: tuple[int, int]
    n_killed: int
    wall_s: float
    cpu_each_s: float
    memory_mib: tuple[float, float]
    efficiency: float


@dataclass(slots=True)
class Cluster:
    """A scheduler and workers on this machine, found by ``file``."""

    folder: Path
    n_workers: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The scheduler file."""
        return self.folder / "scheduler.json"

    def start(self) -> None:
        """Start all processes; workers join when they are ready."""
        self.file.unlink(missing_ok=True)
        self._dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until = time.monotonic() + _START_S
        while not self.file.exists():
            if time.monotonic() > until:
                raise TimeoutError("the scheduler does not start")
            time.sleep(0.05)
        for name in range(self.n_workers):
            self.add(str(name))

    def add(self, name: str, *options: str, n_threads: int = 1) -> None:
        """Start another worker, which joins when it is ready."""
        self._dask(
            *("worker", "--nthreads", str(n_threads), "--name", name),
            *("--no-dashboard", "--memory-limit", "0", *options),
        )

    def kill_worker(self) -> bool:
        """Kill the process of some worker; its nanny starts another."""
        found = [worker for nanny in self.processes[1:] for worker in workers(nanny.pid)]
        with suppress(psutil.Error):
            if found:
                random.choice(found).kill()  # noqa: S311 - no secret
                return True
        return False

    def kill(self) -> None:
        """Kill everything, the scheduler first."""
        while self.processes:
            self.remove(0)

    def remove(self, place: int) -> None:
        """Kill the scheduler, which is at place 0, or a worker."""
        process = self.processes.pop(place)
        with suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in children:
                with suppress(psutil.Error):
                    child.kill()
        process.wait()

    def _dask(self, *arguments: str) -> None:
        with (self.folder / "dask.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(  # noqa: S603 - our own
                    [
                        *(sys.executable, "-m", "dask", *arguments),
                        *("--scheduler-file", str(self.file)),
                    ],
                    cwd=self.folder,
                    env=_environment(self.folder),
                    stdout=log,
                    stderr=log,
                )
            )


def soak(
    folder: Path,
    n_recordings: int,
    n_workers: int,
    kill_every_s: float,
    *,
    measures: bool = True,
) -> Figures:
    """Run the test in an empty directory.

    Args:
        folder: the directory.
        n_recordings: number of recordings that go through losses.
        n_workers: number of workers.
        kill_every_s: time from one kill of a worker to the next, at least.
        measures: measure efficiency too, which is 1 otherwise.

    Returns:
        The figures, of a test that was passed.

    Raises:
        AssertionError: a result is missing, torn or wrong, or a run ended otherwise than it should.
    """
    install(folder)
    write_model(folder / "ggml-fake.bin")
    _write(folder / "short", n_recordings, _SHORT_S)
    cluster = Cluster(folder, n_workers)
    began = time.monotonic()
    try:
        cluster.start()
        n_written, n_killed = _first_run(cluster, n_recordings, kill_every_s)
        cluster.kill()
        cluster.start()
        last = _Run(cluster, "short", "fake/fake", "--resume")
        with _killing(cluster, last, kill_every_s) as killed:
            code = last.wait()
        assert code == 0, last.errors
        wall_s = time.monotonic() - began
        n_before = last.n_finished_before
        assert n_before >= n_written - n_workers
        _check(folder, n_recordings)
        efficiency = _efficiency(cluster, n_workers) if measures else 1.0
    finally:
        cluster.kill()
    return Figures(
        n_recordings,
        (n_before, n_recordings - n_before),
        n_killed + len(killed),
        wall_s,
        last.cpu_each_s,
        last.memory_mib,
        efficiency,
    )


class _Run:
    """A coordinator, started as a command; ``errors`` is what it wrote to standard error."""

    def __init__(self, cluster: Cluster, names: str, engine: str, *options: str) -> None:
        self._folder = cluster.folder
        self._out = cluster.folder / f"text-{names}"
        self._log = cluster.folder / "errors.txt"
        with self._log.open("wb") as log:
            self._process = psutil.Popen(
                [
                    *(sys.executable, "-m", "whisperctl", "transcribe", names, "-b", engine),
                    *("-m", "ggml-fake.bin", "-f", "srt", "-o", str(self._out)),
                    *(*_OPTIONS, *options, "--executor", f"dask:{cluster.file}"),
                ],
                cwd=cluster.folder,
                env=_environment(cluster.folder),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._samples: list[tuple[int, float, float]] = []
        self._n_at_start = self.n_written

    @property
    def n_written(self) -> int:
        """Number of results so far."""
        return sum(1 for _ in self._out.glob("*.srt"))

    def has_first(self, number: int) -> bool:
        """True if the results of so many recordings are there, in the order of their names."""
        return all((self._out / f"{place:05}.srt").exists() for place in range(number))

    @property
    def written_s(self) -> list[float]:
        """Times at which results were written, in order."""
        return sorted(path.stat().st_mtime for path in self._out.glob("*.srt"))

    @property
    def errors(self) -> str:
        """Messages so far, without names of recordings."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if line and not line.startswith("==>"))

    @property
    def n_finished_before(self) -> int:
        """Number of recordings that an earlier run finished, as the command said."""
        for line in self.errors.splitlines():
            if "were finished by an earlier run" in line:
                return int(line.partition(" of ")[0].split()[-1])
        return 0

    @property
    def memory_mib(self) -> tuple[float, float]:
        """Resident memory after a quarter of the run, and at its end."""
        memory = [mib for _, _, mib in self._samples]
        return (memory[len(memory) // 4], memory[-1])

    @property
    def cpu_each_s(self) -> float:
        """Processor time of a recording, without the start."""
        n_last, last_s, _ = self._samples[-1]
        for n_first, first_s, _ in self._samples:
            if self._n_at_start < n_first < n_last:
                return (last_s - first_s) / (n_last - n_first)
        return 0.0

    def wait(self, until_written: int | None = None) -> int | None:
        """Wait for its end, or for a number of results; gives the exit code once it has ended."""
        while (code := self._process.poll()) is None:
            n_written = self.n_written
            with suppress(psutil.Error):
                times = self._process.cpu_times()
                memory = self._process.memory_info().rss / 2**20
                if memory:  # 0 once it has ended
                    self._samples.append((n_written, times.user + times.system, memory))
            if until_written is not None and n_written >= until_written:
                return None
            time.sleep(_SAMPLED_EVERY_S)
        return int(code)


def _first_run(cluster: Cluster, n_recordings: int, kill_every_s: float) -> tuple[int, int]:
    """A run that loses its scheduler halfway: numbers of results, and of workers killed."""
    run = _Run(cluster, "short", "fake/fake")
    with _killing(cluster, run, kill_every_s) as killed:
        run.wait(n_recordings // 2)
    cluster.processes[0].kill()
    assert run.wait() == 1, run.errors
    (last,) = [line for line in run.errors.splitlines() if "error:" in line]
    assert last.endswith("--resume"), last
    return run.n_written, len(killed)


@contextmanager
def _killing(cluster: Cluster, run: _Run, every_s: float) -> Iterator[list[float]]:
    """Kill workers meanwhile; gives the times.

    Not before the recordings that the last one was lost with are finished: on a busy machine
    workers take longer to start than ``every_s``, and what loses two of them is set aside.
    """
    ended, killed = threading.Event(), list[float]()

    def kill() -> None:
        n_before = run.n_written
        while not ended.wait(every_s):
            if run.has_first(n_before + _ROUNDS * cluster.n_workers) and cluster.kill_worker():
                killed.append(time.monotonic())
                n_before = run.n_written

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def _check(folder: Path, n_recordings: int) -> None:
    """Check all results against those of a local run."""
    found = folder / "text-short"
    local = folder / "local"
    subprocess.run(  # noqa: S603 - our own
        [
            *(sys.executable, "-m", "whisperctl", "transcribe", "short", "-b", "fake/fake"),
            *("-m", "ggml-fake.bin", "-f", "srt", "-o", str(local), *_OPTIONS, "-q"),
        ],
        cwd=folder,
        env=_environment(folder, journals="local-state"),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    names = sorted(path.name for path in found.iterdir())
    assert names == sorted(path.name for path in local.iterdir())
    assert len(names) == n_recordings
    assert not [
        name for name in names if (found / name).read_bytes() != (local / name).read_bytes()
    ]
    assert len({(found / name).read_bytes() for name in names}) == n_recordings


def _efficiency(cluster: Cluster, n_workers: int) -> float:
    """Speed with all workers, over the number of workers times the speed with one of them.

    It is that of a long run: each worker has loaded the model before, and the first and the last
    round are not counted.
    """
    _write(cluster.folder / "first", n_workers, _SLOW_S)
    first = _Run(cluster, "first", "fake/slow")
    assert first.wait() == 0, first.errors
    speeds = []
    for jobs in (1, n_workers):
        names = f"slow-{jobs}"
        _write(cluster.folder / names, _N_EACH * jobs, _SLOW_S)
        run = _Run(cluster, names, "fake/slow", "--jobs", str(jobs))
        assert run.wait() == 0, run.errors
        written_s = run.written_s
        speeds.append((_N_EACH - 2) * jobs / (written_s[-jobs - 1] - written_s[jobs - 1]))
    return speeds[1] / (n_workers * speeds[0])


def _write(folder: Path, n_recordings: int, duration_s: float) -> None:
    """Write recordings of different noise."""
    folder.mkdir()
    for number in range(n_recordings):
        noise = np.random.default_rng(number).integers(-9000, 9000, round(duration_s * _RATE))
        with wave.open(str(folder / f"{number:05}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(_RATE)
            out.writeframes(noise.astype("<i2").tobytes())


def workers(nanny: int) -> list[psutil.Process]:
    """Processes of workers that a nanny looks after."""
    with suppress(psutil.Error):
        children = psutil.Process(nanny).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def _environment(folder: Path, journals: str = "state") -> dict[str, str]:
    """Environment of all processes, with the settings of Dask that the executor's own cluster has.

    ``docs/cluster.md`` advises them for others.
    """
    return {
        **os.environ,
        **dict(_variables(DEFAULTS, "DASK")),
        "PYTHONPATH": str(folder),
        "WHISPERCTL_STATE": str(folder / journals),
        "WHISPERCTL_CACHE": str(folder / "cache"),
    }


def _variables(settings: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Environment variables of Dask's settings, such as ``DASK_DISTRIBUTED__ADMIN``."""
    mark = "_" if name == "DASK" else "__"
    for key, value in settings.items():
        inner = f"{name}{mark}{key.replace('-', '_').upper()}"
        if isinstance(value, Mapping):
            yield from _variables(value, inner)
        else:
            yield inner, str(value)


def report(found: Figures) -> Iterator[str]:
    """Lines about the figures, with the bars that they are held against."""
    before, after = found.n_finished
    yield f"{found.n_recordings} recordings, each once: {before} before the scheduler was lost, "
    yield f"{after} after it; {found.n_killed} workers killed; {found.wall_s:.0f} s"
    yield f"coordinator: {found.cpu_each_s * 1000:.2f} ms of processor time a recording (bar: 5)"
    yield "memory: {:.0f} MiB after a quarter, {:.0f} at the end".format(*found.memory_mib)
    yield f"efficiency with an engine that waits: {found.efficiency:.2f} (bar: 0.9)"
