"""Promise 1. Description.

The class that the entry point names is called without arguments. `describe` never raises and is
quick, as `whisperctl backends` waits for it: a runtime that cannot work here says why, and what to
install, in `problem`. The module that the entry point names imports no engine; `describe` and
`open` do.
"""

from __future__ import annotations

import subprocess
import sys
import time

from whisperctl.engine.protocol import installed
from whisperctl.testing.subject import Subject

# What is compiled and not part of Python itself.
_COMPILED = """
import importlib, sys, sysconfig
importlib.import_module(sys.argv[1])
own = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
print(*sorted({
    file for file in files
    if file.endswith((".so", ".pyd")) and (not file.startswith(own) or "-packages" in file)
}))
"""
_QUICK_S = 5.0


def test_it_says_what_it_is(subject: Subject) -> None:
    info = subject.backend.describe()

    assert info.name == subject.name, "describe().name is the entry point's name"
    assert subject.backend.name == subject.name, "the backend's name is the entry point's name"
    assert info.version, "describe().version is the version of the backend's package"
    assert info.engine, "describe().engine says which engine this is, and its version"
    assert "\n" not in info.engine + info.version, "each is part of one line"
    assert "\n" not in info.system_info, "system_info is one line of CPU features, or empty"


def test_its_runtimes_say_whether_they_work_here(subject: Subject) -> None:
    runtimes = subject.backend.describe().runtimes

    names = [runtime.name for runtime in runtimes]
    assert names, "a backend with a single way to run has one runtime"
    assert len(set(names)) == len(names), "no two runtimes have one name"
    for runtime in runtimes:
        assert runtime.problem is None or (runtime.problem and "\n" not in runtime.problem), (
            f"{runtime.name}'s problem is one line that says what to install, or None"
        )
        assert all(file.is_file() for file in runtime.files), f"{runtime.name}'s files are there"
    usable = {runtime.name for runtime in runtimes if runtime.available}
    assert usable, "nothing can be tested where no runtime works"
    assert subject.runtime is None or subject.runtime in usable, f"it can run {sorted(usable)}"


def test_describing_it_is_quick(subject: Subject) -> None:
    subject.backend.describe()
    started = time.monotonic()
    subject.backend.describe()
    assert time.monotonic() - started < _QUICK_S


def test_importing_it_loads_no_engine(subject: Subject) -> None:
    module = installed()[subject.name].module

    done = subprocess.run(
        [sys.executable, "-c", _COMPILED, module], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"import these inside describe() and open(), not in {module}"
