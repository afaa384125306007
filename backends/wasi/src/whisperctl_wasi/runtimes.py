"""The WebAssembly runtimes: which are installed and work here, and starting a guest on one."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.errors import BackendError
from whisperctl.storage.paths import cache_dir, distrust
from whisperctl_wasi.host.guest import Guest, RuntimeUnavailableError
from whisperctl_wasi.host.limits import Limits
from whisperctl_wasi.host.process import CHILD, DISTRIBUTIONS, Process

if TYPE_CHECKING:
    from whisperctl.engine.protocol import RuntimeInfo
    from whisperctl_wasi.host.guest import Program

_LOGGER = logging.getLogger("whisperctl.engine")
_CHECK_S = 60.0


def start(
    runtime: str | None,
    program: Program,
    limits: Limits,
    *,
    order: Sequence[str] = tuple(DISTRIBUTIONS),
    process: Process | None = None,
) -> Guest:
    """Start a program under ``runtime``; ``None`` for the first of ``order`` that can be used.

    ``process`` is one that waits; it ends with the guest, or at once if another runtime is used.

    Raises:
        BackendError: the runtime is unknown, or none can be used here.
        GuestError: the program cannot be run.
    """
    if runtime is not None:
        if runtime not in DISTRIBUTIONS:
            raise BackendError(
                f'the wasi backend has no runtime "{runtime}"; it has {" and ".join(DISTRIBUTIONS)}'
            )
        problem = _problem(runtime)
        if problem is not None:
            raise BackendError(f"runtime {runtime} cannot be used here: {problem}")
        return Guest(runtime, program, limits, code_folder(runtime))
    problems = []
    try:
        for name in order:
            problem = _problem(name)
            if problem is None:
                taken = None
                if process is not None and process.runtime == name:
                    taken, process = process, None
                try:
                    return Guest(name, program, limits, code_folder(name), process=taken)
                except RuntimeUnavailableError as error:
                    problem = str(error)
            problems.append(f"{name}: {problem}")
    finally:
        if process is not None:
            process.kill()
    raise _unusable(problems)


def first_installed(order: Sequence[str]) -> str:
    """Name and version of the first runtime that is installed; whether it loads is not tried.

    Raises:
        BackendError: none is.
    """
    problems = []
    for name in order:
        problem = _problem(name)
        if problem is None:
            return f"{name} {version(DISTRIBUTIONS[name])}"
        problems.append(f"{name}: {problem}")
    raise _unusable(problems)


def describe(runtime: str) -> RuntimeInfo:
    """A runtime's version, and why it cannot be used here if so; loads it in another process."""
    from whisperctl.engine.protocol import RuntimeInfo

    problem = _problem(runtime)
    if problem is not None:
        return RuntimeInfo(runtime, problem=problem)
    installed = version(DISTRIBUTIONS[runtime])
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", CHILD, "check", runtime],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return RuntimeInfo(runtime, installed, f"cannot be checked: {error}")
    if done.returncode == 0:
        return RuntimeInfo(runtime, installed)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return RuntimeInfo(runtime, installed, lines[-1] if lines else "it does not load")


def _unusable(problems: Sequence[str]) -> BackendError:
    return BackendError("no WebAssembly runtime can be used here: " + "; ".join(problems))


def _problem(runtime: str) -> str | None:
    distribution = DISTRIBUTIONS[runtime]
    try:
        version(distribution)
    except PackageNotFoundError:
        return f"{distribution} is not installed; try: pip install {distribution}"
    return None


def code_folder(runtime: str) -> Path | None:
    """The folder for machine code; ``None`` if there is none that only this user can change."""
    try:
        folder = cache_dir(runtime)
    except BackendError as error:
        _LOGGER.debug("the cache of machine code is not used: %s", error)
        return None
    reason = distrust(folder)
    if reason is None:
        return folder
    _LOGGER.debug("the cache of machine code is not used: %s", reason)
    return None
