"""How much memory this process has taken."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_bytes() -> int | None:
    """The most memory this process has held resident since it started; ``None`` if not known."""
    # Linux hands `ru_maxrss` down through fork and exec, so that a small process started by a big
    # one shows the big one's peak; the high-water mark of /proc starts anew with each exec.
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
