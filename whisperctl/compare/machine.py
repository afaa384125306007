"""Where numbers were measured, as they mean nothing without that."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe() -> dict[str, object]:
    """CPU, number of processors, operating system and Python."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": cpu_name(),
        "processors": os.cpu_count(),
        "processors_allowed": len(affinity(0)) if affinity is not None else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def cpu_name() -> str:
    """The CPU as it calls itself, or else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except (OSError, ValueError):
        pass
    return platform.processor() or platform.machine()
