"""Decodes damaged recordings with one decoder, several at once, and says what went wrong.

A mutant must come out as samples or as one line of an error, in bounded time and memory of the
host. Each is read as ``whisperctl transcribe`` reads it, and so by a guest of its own.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from tests.fuzz.mutants import mutant
from tests.fuzz.seeds import SEEDS
from whisperctl import audio
from whisperctl.errors import AudioError

_MOST_S = 60.0
"""For one mutant, on a busy machine."""

_STUCK_S = 150.0
_MOST_GROWTH = 150 << 20
"""Of the host's memory over what reading a whole recording took."""

_MOST_SAMPLES = 10 * 60 * audio.SAMPLE_RATE
"""Of one mutant: a gap that a timestamp claims may be hours long, and is silence."""

_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one mutant.

    ``kind`` is ``"samples"``, ``"warning"``, ``"error"`` or, for what must not be, ``"failed"``;
    then ``text`` says why. ``growth`` is what the host's peak memory grew by, in bytes.
    """

    name: str
    kind: str
    text: str
    elapsed_s: float
    growth: int


@dataclass(slots=True)
class Report:
    """What came of all of them."""

    kinds: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    slowest: Outcome | None = None
    elapsed_s: float = 0.0
    in_time: bool = True

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.kinds[outcome.kind] += 1
        if outcome.kind == "failed":
            self.failed.append(outcome)
        if outcome.kind == "error":
            self.errors[outcome.text] += 1
        if self.slowest is None or outcome.elapsed_s > self.slowest.elapsed_s:
            self.slowest = outcome


@cache
def _seeds() -> dict[str, bytes]:
    return {seed.name: seed.make() for seed in SEEDS}


def data_of(name: str) -> bytes:
    """The bytes of a mutant by its name: a seed's, and a number after a slash."""
    seed = _seeds()[name.rpartition("/")[0]]
    # By its name and nothing else, so that it is the same in every run.
    return mutant(seed, random.Random(name), list(_seeds().values()))


def names(n_mutants: int, start: int = 0) -> Iterator[str]:
    """Names of so many mutants, all seeds in turn, ``start`` the first number of each."""
    for number in range(n_mutants):
        turn, index = divmod(number, len(SEEDS))
        yield f"{SEEDS[index].name}/{start + turn}"


def run(decoder: str, wanted: list[str], *, jobs: int = 2, seconds: float = 3600.0) -> Report:
    """Decode mutants, for so many seconds at most.

    Args:
        decoder: the name of a decoder.
        wanted: names of mutants.
        jobs: how many at once.
        seconds: after this, no more are begun.
    """
    report = Report()
    started = time.monotonic()
    # Not forked: a process with threads in it may be in any state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _warm_up, (decoder,)) as pool:
        waiting = iter(wanted)
        running: dict[Future[Outcome], str] = {}
        while True:
            while len(running) < 2 * jobs and (name := next(waiting, "")):
                if time.monotonic() - started > seconds:
                    report.in_time = False
                    waiting = iter(())
                    break
                running[pool.submit(_decode, name, decoder)] = name
            if not running:
                break
            done, _ = wait(running, timeout=_STUCK_S, return_when=FIRST_COMPLETED)
            if not done:
                for process in pool._processes.values():
                    process.kill()
                reason = f"nothing within {_STUCK_S:.0f} s"
                report.add(Outcome(", ".join(running.values()), "failed", reason, _STUCK_S, 0))
                break
            for future in done:
                name = running.pop(future)
                try:
                    report.add(future.result())
                except BrokenProcessPool as error:
                    report.add(Outcome(name, "failed", f"the host ended: {error}", 0.0, 0))
                    return report
    report.elapsed_s = time.monotonic() - started
    return report


_peak = 0
"""Of this process's memory, when it has read a whole recording."""


def _warm_up(decoder: str) -> None:
    global _peak  # each process of the pool has its own
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.wav")
        path.write_bytes(_seeds()["pcm_16.wav"])
        audio.load(path, decoder=decoder)
    _peak = _peak_bytes()


def _decode(name: str, decoder: str) -> Outcome:
    data = data_of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutant")
        path.write_bytes(data)
        started = time.perf_counter()
        kind, text = _result(path, decoder)
        elapsed_s = time.perf_counter() - started
    growth = _peak_bytes() - _peak
    if elapsed_s > _MOST_S:
        kind, text = "failed", f"it took {elapsed_s:.0f} s"
    if growth > _MOST_GROWTH:
        kind, text = "failed", f"the host's memory grew by {growth >> 20} MiB"
    return Outcome(name, kind, text, elapsed_s, growth)


def _result(path: Path, decoder: str) -> tuple[str, str]:
    n_samples = 0
    try:
        with audio.open_stream(path, decoder=decoder) as blocks:
            for block in blocks:
                n_samples += len(block)
                if block.dtype != np.float32 or not np.isfinite(block).all():
                    return "failed", "samples that are not finite float32"
                if n_samples > _MOST_SAMPLES:
                    break
            said = list(blocks.warnings)
    except AudioError as error:
        text = str(error).replace(str(path), "NAME")
        return ("error", text) if text.isprintable() else ("failed", f"an error like {text!r}")
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    if not all(warning.isprintable() for warning in said):
        return "failed", f"warnings like {said!r}"
    return ("warning" if said else "samples"), ""


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
