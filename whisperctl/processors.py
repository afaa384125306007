"""How many processors there are to compute with."""

from __future__ import annotations

import os

_MOST_THREADS = 4
"""More make whisper.cpp little faster on most machines; whisper-cli's default as well."""


def available() -> int:
    """How many this process may use: in a container or under taskset fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def default_threads() -> int:
    """Threads to compute with where nobody said how many."""
    return min(_MOST_THREADS, available())
