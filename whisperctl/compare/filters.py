"""Costs of filters: ``bench`` times them, and ``stress`` counts how many of one can run at once.

A filter that is ``Measurable`` is compared with the same in Python, and its calls are taken apart.
"""

from __future__ import annotations

import gc
import mmap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np
import psutil

from whisperctl.audio.filters import AudioFormat, Measurable, Processor
from whisperctl.audio.filters.chain import FilterChain, guarded
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.text import on_one_line

if TYPE_CHECKING:
    from whisperctl.audio.filters import Block

BLOCKS = tuple(128 << n for n in range(8))
"""Block sizes that are measured, in samples."""

_BATCH_S = 0.002
_FEWEST_BATCHES = 3
_ROUNDS = 5
_LEVEL = 0.1
_PRECISION = 20
"""The count at which deadlines are missed is found to this part of it."""

_CHECK_EVERY = 16
_FRAME_BYTES = 4

Opener = Callable[[], Processor]

End = Literal["deadline", "refused", "memory", "time", "instances", "interrupted"]


@dataclass(frozen=True, slots=True)
class BlockCost:
    """Time of a block in microseconds; ``None`` where there is nothing to measure.

    ``call_us``, ``copies_us`` and ``work_us`` are parts of ``filter_us``, each timed by itself.
    """

    block: int
    filter_us: float
    python_us: float | None = None
    call_us: float | None = None
    copies_us: float | None = None
    work_us: float | None = None


@dataclass(frozen=True, slots=True)
class FilterCost:
    """Costs of a filter: ``technology`` runs it, ``python`` is the library of the same in Python.

    ``starts_ms`` maps ways to start to milliseconds.
    """

    filter: str
    technology: str
    python: str
    blocks: tuple[BlockCost, ...]
    starts_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Load:
    """Rounds of a number of instances at once, in each of which each gets a block.

    ``memory_bytes`` is the resident memory of them all, with their audio.
    """

    n_instances: int
    rounds_ms: tuple[float, ...]
    memory_bytes: int

    @property
    def round_ms(self) -> float:
        """Median time of a round."""
        return median(self.rounds_ms)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a stress test: instances at once, resident memory, and seconds for all of it."""

    instances: int
    memory_bytes: int
    time_s: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Number of instances of a filter that a machine runs at once.

    ``most`` of them kept the deadline, which is the time that a block lasts. ``end`` is what broke
    first, or which bound was reached, at ``end_count`` instances; ``reason`` is the machine's own
    word for it. ``open_ms`` is the median time in which one was opened.
    """

    technology: str
    block: int
    deadline_ms: float
    loads: tuple[Load, ...]
    most: int
    end: End
    end_count: int
    reason: str
    open_ms: float


def bench(spec: FilterSpec, blocks: Sequence[int], time_s: float) -> FilterCost:
    """Time a filter.

    Args:
        spec: the filter and its values.
        blocks: block sizes in samples.
        time_s: seconds to take for it, roughly.

    Raises:
        UsageError: the filter refuses its values.
        PluginError: the filter failed.
    """
    return guarded(spec.name, lambda: _bench(spec, blocks, time_s))


def chain_s(filters: Sequence[FilterSpec], audio_s: float) -> float:
    """Seconds that a chain of filters takes for a recording of ``audio_s`` seconds of noise.

    Raises:
        UsageError: a filter refuses its values.
        PluginError: a filter failed.
    """
    audio = AudioFormat()
    n_blocks = round(audio_s * audio.sample_rate_hz / audio.block_samples)
    block = _noise(audio.block_samples)
    started = time.perf_counter()
    with FilterChain(filters, audio) as chain:
        for _ in range(n_blocks):
            for _ in chain.process(block):
                pass
        for _ in chain.flush():
            pass
    return time.perf_counter() - started


def stress(
    spec: FilterSpec, blocks: Sequence[int], audio_bytes: int, bounds: Bounds
) -> Iterator[Growth]:
    """Open more and more instances of a filter, and of the same in Python, until something breaks.

    Nothing is left of one when the next begins. After an interruption there is no next one.

    Args:
        spec: the filter and its values.
        blocks: block sizes in samples, one after the other.
        audio_bytes: audio that each instance holds in memory.
        bounds: when to stop in any case; the memory is that of one filter at a time.

    Raises:
        UsageError: the filter refuses its values.
        PluginError: the filter failed.
    """
    end = time.perf_counter() + bounds.time_s
    sides = [
        (label, block, opened)
        for block in blocks
        for label, opened in guarded(spec.name, partial(_sides, spec, block))
    ]
    for n, (label, block, opened) in enumerate(sides):
        left_s = max(0.0, end - time.perf_counter()) / (len(sides) - n)
        growth = guarded(
            spec.name, partial(_grown, label, opened, block, audio_bytes, bounds, left_s)
        )
        yield growth
        if growth.end == "interrupted":
            return


def _grown(
    label: str, opened: Opener, block: int, audio_bytes: int, bounds: Bounds, time_s: float
) -> Growth:
    with closing(_Crowd(opened, block, audio_bytes, bounds.memory_bytes)) as crowd:
        return _Grower(crowd, bounds.instances, time_s).growth(label)


def available_bytes() -> int:
    """Memory that programs can still get from this machine."""
    return int(psutil.virtual_memory().available)


def _bench(spec: FilterSpec, blocks: Sequence[int], time_s: float) -> FilterCost:
    measurable = spec.plugin if isinstance(spec.plugin, Measurable) else None
    values = dict(spec.values)
    starts = {} if measurable is None else measurable.starts(AudioFormat(), values)
    share_s = time_s / (len(blocks) * (1 if measurable is None else 5) + len(starts))
    python = ""
    costs = []
    for size in blocks:
        audio = AudioFormat(block_samples=size)
        block = _noise(size)
        with closing(spec.plugin.open(audio, values)) as processor:
            filter_us = _fastest_us(partial(processor.process, block), share_s)
            if measurable is None:
                costs.append(BlockCost(size, filter_us))
                continue
            parts = measurable.parts(processor, block)
            call_us, copies_us, work_us = (
                _fastest_us(part, share_s) for part in (parts.call, parts.copies, parts.work)
            )
        python_us = None
        found = measurable.in_python(audio, values)
        if found is not None:
            python, same = found
            with closing(same):
                python_us = _fastest_us(partial(same.process, block), share_s)
        costs.append(
            BlockCost(size, filter_us, python_us, call_us, copies_us, max(0.0, work_us - call_us))
        )
    starts_ms = {name: _fastest_us(start, share_s) / 1000 for name, start in starts.items()}
    technology = "Python" if measurable is None else measurable.technology
    return FilterCost(spec.text, technology, python, tuple(costs), starts_ms)


def _noise(n_samples: int) -> Block:
    """Noise that no processor may change, of shape (n_samples, 1)."""
    noise = np.random.default_rng(0).standard_normal((n_samples, 1), np.float32)
    noise *= _LEVEL  # in place, as it may fill half of the memory
    noise.flags.writeable = False
    return noise


def _fastest_us(call: Callable[[], object], time_s: float) -> float:
    """Time of a call in the fastest of several batches: other programs only make it longer."""
    call()
    started = time.perf_counter()
    call()
    n = max(1, int(_BATCH_S / max(time.perf_counter() - started, 1e-7)))
    times: list[float] = []
    while len(times) < _FEWEST_BATCHES or time.perf_counter() - started < time_s:
        begin = time.perf_counter()
        for _ in range(n):
            call()
        times.append((time.perf_counter() - begin) / n)
    return min(times) * 1e6


def _sides(spec: FilterSpec, block: int) -> list[tuple[str, Opener]]:
    """The filter, and the same in Python, by what runs them."""
    audio, values = AudioFormat(block_samples=block), dict(spec.values)
    plugin = spec.plugin

    def opened() -> Processor:
        return plugin.open(audio, values)

    if not isinstance(plugin, Measurable):
        return [("Python", opened)]
    found = plugin.in_python(audio, values)
    if found is None:
        return [(plugin.technology, opened)]
    label, first = found
    first.close()

    def same() -> Processor:
        again = plugin.in_python(audio, values)
        assert again is not None
        return again[1]

    return [(plugin.technology, opened), (label, same)]


class _FullError(Exception):
    """The bound of memory is reached."""


class _TimeUpError(Exception):
    """The bound of time is reached."""


class _Crowd:
    """Processors at once, each with its own buffers and its own audio in memory."""

    def __init__(self, opened: Opener, block: int, audio_bytes: int, memory_bytes: int) -> None:
        self.block = block
        self.opens_s: list[float] = []
        self._opened = opened
        self._members: list[tuple[Processor, Block]] = []
        n_blocks = max(1, audio_bytes // _FRAME_BYTES // block)
        self._audio = _noise(n_blocks * block)
        self._own_audio = audio_bytes > 0
        self._at = 0
        self._process = psutil.Process()
        self._before = self._resident_bytes()
        self._memory_bytes = memory_bytes
        self._counted_bytes = 0

    def __len__(self) -> int:
        return len(self._members)

    def grow(self, end: float) -> None:
        """Add an instance, unless it is after ``end`` or there is no more memory.

        Raises:
            _TimeUpError: it is.
            _FullError: there is none.
        """
        if len(self) % _CHECK_EVERY == 0:
            self._counted_bytes = self.memory_bytes()
        if self._counted_bytes + self._audio.nbytes > self._memory_bytes:
            raise _FullError
        if time.perf_counter() > end:
            raise _TimeUpError
        audio = self._audio
        if self._own_audio:
            # Mapped, as Python might keep what it has allocated for what comes next.
            held = mmap.mmap(-1, audio.nbytes, access=mmap.ACCESS_COPY)
            audio = np.frombuffer(held, np.float32).reshape(audio.shape)
            audio[:] = self._audio
            audio.flags.writeable = False
            self._counted_bytes += audio.nbytes
        started = time.perf_counter()
        processor = self._opened()
        self.opens_s.append(time.perf_counter() - started)
        self._members.append((processor, audio))
        processor.process(audio[: self.block])  # the first block pays for the memory

    def round_s(self, n: int) -> float:
        """Seconds in which the first ``n`` processors filter a block each."""
        at = self._at
        self._at = (at + self.block) % len(self._audio)
        end = at + self.block
        members = self._members[:n]
        started = time.perf_counter()
        for processor, audio in members:
            processor.process(audio[at:end])
        return time.perf_counter() - started

    def memory_bytes(self) -> int:
        """Resident memory that they all take."""
        return max(0, self._resident_bytes() - self._before)

    def _resident_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    def shrink(self, n: int) -> None:
        """Close all but the first ``n``."""
        while len(self._members) > n:
            processor, _ = self._members.pop()
            with suppress(Exception):
                processor.close()

    def close(self) -> None:
        """Close them all, and give their memory back."""
        self.shrink(0)
        gc.collect()


class _Grower:
    """Growth of a crowd until something breaks."""

    def __init__(self, crowd: _Crowd, most: int, time_s: float) -> None:
        self._crowd = crowd
        self._most = most
        self._end = time.perf_counter() + time_s
        self._deadline_ms = 1000 * crowd.block / AudioFormat().sample_rate_hz
        self._loads: dict[int, Load] = {}
        self._kept = 0

    def growth(self, technology: str) -> Growth:
        """Grow, and say what came of it."""
        reason, count = "", 0
        end: End
        try:
            end = self._grow()
        except KeyboardInterrupt:
            end = "interrupted"
        except _TimeUpError:
            end = "time"
        except Exception as error:  # whatever a plugin, a runtime or the system refuses by
            if not self._loads:
                raise
            end = "refused"
            reason = on_one_line(f"{error}" or type(error).__name__)
            count = len(self._crowd) + 1
            # A machine that has nothing left cannot even measure.
            self._crowd.shrink(len(self._crowd) * 49 // 50)
            with suppress(Exception):
                self._load(len(self._crowd))
        if end == "deadline":
            count = min(n for n, load in self._loads.items() if self._is_late(load))
        elif end != "refused":
            count = len(self._crowd)
        return Growth(
            technology=technology,
            block=self._crowd.block,
            deadline_ms=self._deadline_ms,
            loads=tuple(self._loads[n] for n in sorted(self._loads)),
            most=self._kept,
            end=end,
            end_count=count,
            reason=reason,
            open_ms=1000 * median(self._crowd.opens_s or [0.0]),
        )

    def _grow(self) -> End:
        """Double the number until blocks are late, and then look for the number between."""
        wanted = 1
        while True:
            ended: End | None = None
            try:
                while len(self._crowd) < min(wanted, self._most):
                    self._crowd.grow(self._end)
            except _FullError:
                ended = "memory"
            n = len(self._crowd)
            if ended is None and n == self._most:
                ended = "instances"
            if n and self._is_late(self._load(n)):
                return self._narrow(n)
            if ended is not None:
                return ended
            wanted *= 2

    def _narrow(self, late: int) -> End:
        kept = self._kept
        while late - kept > max(1, kept // _PRECISION):
            between = (kept + late) // 2
            if self._is_late(self._load(between)):
                late = between
            else:
                kept = between
        return "deadline"

    def _load(self, n: int) -> Load:
        rounds: list[float] = []
        while len(rounds) < _ROUNDS:
            if time.perf_counter() > self._end:
                raise _TimeUpError
            rounds.append(1000 * self._crowd.round_s(n))
        load = Load(n, tuple(rounds), self._crowd.memory_bytes() * n // len(self._crowd))
        self._loads[n] = load
        if not self._is_late(load):
            self._kept = max(self._kept, n)
        return load

    def _is_late(self, load: Load) -> bool:
        return load.round_ms > self._deadline_ms
