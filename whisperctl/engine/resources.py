"""The machine and its processors, and the CPU time and memory that this process has used."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_SPINS = "GOMP_SPINCOUNT"
_MOST_THREADS = 4
"""More make whisper.cpp little faster on most machines; whisper-cli's default as well."""


def available() -> int:
    """Number of processors this process may use, as limited by containers and taskset."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def default_threads() -> int:
    """Default number of threads to compute with."""
    return min(_MOST_THREADS, available())


def cpu_name() -> str:
    """Name of the CPU, or else its architecture."""
    return " ".join(cpu_facts("model name")) or platform.processor() or platform.machine()


def cpu_facts(field: str) -> list[str]:
    """Words of the first line of Linux's ``/proc/cpuinfo`` with a given name; empty elsewhere."""
    try:
        # Not the whole file, which the kernel takes long to make for many processors.
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == field:
                    return value.split()
    except (OSError, ValueError):
        pass
    return []


def machine() -> str:
    """CPU and number of processors, which decide what is fastest."""
    return f"{cpu_name()}, {available()} processors"


@contextmanager
def short_spins() -> Iterator[None]:
    """Have GNU's OpenMP, if it is loaded inside the ``with``, spin but briefly at barriers.

    An engine has a barrier after each of the some hundred operations of a token. By default a
    thread that waits there spins for milliseconds; where other programs want the processors too, it
    spins while the thread that it waits for has none, and a token takes twenty times as long. A
    thousand turns are enough when nothing else runs. Nothing is changed if the user has set either
    variable. libgomp reads its environment once, when it is loaded:
    https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
    """
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", _SPINS)):
        yield
        return
    os.environ[_SPINS] = "1000"
    try:
        yield
    finally:
        del os.environ[_SPINS]


class Usage(NamedTuple):
    """CPU time in seconds, user and system; peak resident memory, ``None`` if not known."""

    cpu_s: float
    peak_bytes: int | None


_lock = threading.Lock()
_children: dict[object, Callable[[], Usage]] = {}
_most_of_children_bytes = 0


def add_child(key: object, usage: Callable[[], Usage]) -> None:
    """Count a child process that runs for this one, until ``remove_child``.

    Args:
        key: identifies the child.
        usage: gives the child's usage so far.
    """
    with _lock:
        _children[key] = usage


def remove_child(key: object) -> None:
    """Stop counting a child process that has ended and was waited for. Safe to call again."""
    with _lock:
        _children.pop(key, None)


def own_usage() -> Usage:
    """Usage of this process without its children."""
    return Usage(time.process_time(), _own_peak_bytes())


def cpu_time_s() -> float:
    """CPU time in seconds, with that of child processes that have ended or were added."""
    used = time.process_time() + sum(usage.cpu_s for usage in _of_children())
    if sys.platform == "win32":
        return used
    import resource

    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used + ended.ru_utime + ended.ru_stime


def peak_memory_bytes() -> int | None:
    """Peak resident memory since the start; ``None`` if not known.

    The peak of this process, and the largest sum of the peaks of the added children that ran at
    the same time.
    """
    global _most_of_children_bytes
    children = sum(usage.peak_bytes or 0 for usage in _of_children())
    with _lock:
        _most_of_children_bytes = max(_most_of_children_bytes, children)
        most = _most_of_children_bytes
    own = _own_peak_bytes()
    return None if own is None else own + most


def status_bytes(name: str) -> int | None:
    """A size that Linux reports of this process, such as ``"VmData"``; ``None`` elsewhere.

    The names are those of /proc/self/status in proc(5).
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


class Measurement:
    """Wall time, CPU time and peak memory of a ``with`` block, whether it ends or raises.

    ``wall_ms`` is elapsed time and ``cpu_ms`` the CPU time of all threads and of the child
    processes that are counted, in milliseconds; ``peak_memory_bytes`` is the peak of the process
    and these children since they started, ``None`` if not known.
    """

    def __init__(self) -> None:
        self.wall_ms = 0.0
        self.cpu_ms = 0.0
        self.peak_memory_bytes: int | None = None

    def __enter__(self) -> Self:
        self._cpu_s = cpu_time_s()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wall_ms = (time.perf_counter() - self._started) * 1000
        self.cpu_ms = (cpu_time_s() - self._cpu_s) * 1000
        self.peak_memory_bytes = peak_memory_bytes()


def _of_children() -> list[Usage]:
    with _lock:
        children = list(_children.values())
    return [usage() for usage in children]


def _own_peak_bytes() -> int | None:
    # Linux hands `ru_maxrss` down through fork and exec, so that a small process started by a big
    # one shows the big one's peak; the high-water mark of /proc starts anew with each exec.
    peak = status_bytes("VmHWM")
    if peak is not None or sys.platform == "win32":
        return peak
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
