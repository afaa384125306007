"""Where numbers were measured, as they mean nothing without that."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from whisperctl import resources
from whisperctl.compare.result import Machine


def describe() -> Machine:
    """This machine, and what it is busy with now."""
    return Machine(
        cpu=cpu_name(),
        cpu_flags=tuple(cpu_flags()),
        processors=os.cpu_count() or 1,
        processors_allowed=resources.available(),
        memory_bytes=memory_bytes(),
        system=platform.platform(),
        python=platform.python_version(),
        load_average=tuple(load_average() or ()),
    )


def memory_bytes() -> int | None:
    """How much memory the machine has, where it is known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def cpu_name() -> str:
    """The CPU as it calls itself, or else its architecture."""
    return " ".join(_cpuinfo("model name")) or platform.processor() or platform.machine()


def cpu_flags() -> list[str]:
    """What the CPU can do, by Linux's names; empty where the system does not say."""
    return _cpuinfo("flags") or _cpuinfo("Features")


def load_average() -> list[float] | None:
    """How many processes wanted to run over the last 1, 5 and 15 minutes, where it is known."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):
        return None


def _cpuinfo(field: str) -> list[str]:
    """The words of the first line of ``/proc/cpuinfo`` that has this name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == field:
                return value.split()
    except (OSError, ValueError):
        pass
    return []
