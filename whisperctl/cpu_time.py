"""How much CPU time this process has taken."""

from __future__ import annotations

import sys
import time


def cpu_time_s() -> float:
    """Seconds, user and system, of all its threads, and of its children that have ended."""
    own = time.process_time()
    if sys.platform == "win32":
        return own
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + children.ru_utime + children.ru_stime
