"""The ``faster-whisper`` backend: its description, and opening a session."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from whisperctl.engine import resources
from whisperctl.engine.protocol import BackendInfo, Model, OpenOptions, RuntimeInfo
from whisperctl.errors import BackendError, UsageError

if TYPE_CHECKING:
    from whisperctl_faster_whisper.detector import FasterWhisperDetector
    from whisperctl_faster_whisper.session import FasterWhisperSession

_RUNTIMES = ("float32", "int8", "bfloat16")
"""Compute types of CTranslate2 that give different results on a CPU, the most exact first.

Left out are names for the same on a CPU (int8_float32 is int8), float16, which no CPU computes with
here, and what only some processors have without being faster (int16).
"""

_MAX_THREADS = 512


class FasterWhisperBackend:
    """Whisper on CTranslate2, a runtime for each type of number it computes with."""

    name = "faster-whisper"
    contract = 1
    preference = 0

    def describe(self) -> BackendInfo:
        """Versions, and the compute types this processor has; see ``Backend.describe``."""
        return BackendInfo(
            name=self.name,
            version=_version("whisperctl-faster-whisper"),
            library=f"faster-whisper {_version('faster-whisper')} on CTranslate2 "
            f"{_version('ctranslate2')}",
            runtimes=_runtimes(),
        )

    def open(self, model: Model, options: OpenOptions) -> FasterWhisperSession:
        """Load ``model``, converted the first time.

        See ``whisperctl.engine.protocol.Backend.open``.

        Every session can give times of words, whether it was opened for that or not.
        """
        compute_type = _chosen(options.runtime)
        _check_threads(options.threads)
        with _later("av"), _later("asyncio"):
            from whisperctl_faster_whisper.session import FasterWhisperSession

        return FasterWhisperSession(model, compute_type=compute_type, threads=options.threads)

    def open_detector(self, model: Path, options: OpenOptions) -> FasterWhisperDetector:
        """Load a Silero model; see ``whisperctl.engine.protocol.DetectingBackend``.

        It is computed in float32 by one thread, whatever the runtime.
        """
        if options.runtime is not None:
            _chosen(options.runtime)
        _check_threads(options.threads)
        from whisperctl_faster_whisper.detector import FasterWhisperDetector

        return FasterWhisperDetector(model)


class _Later(ModuleType):
    """A module that is imported once an attribute of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _later(name: str) -> Iterator[None]:
    """Keep what is imported inside the ``with`` from loading a module before it uses it.

    faster-whisper imports PyAV for its own decoder, but is given samples here. Loading it takes a
    tenth of a second, and puts the very libraries into the process that the sandbox keeps out.
    CTranslate2 and tqdm import asyncio for what is not used here.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = later = _Later(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is later:
            del sys.modules[name]


def _check_threads(threads: int) -> None:
    if not 1 <= threads <= _MAX_THREADS:
        raise UsageError(f"threads must be from 1 to {_MAX_THREADS}, not {threads}")


def _chosen(runtime: str | None) -> str:
    infos = {info.name: info for info in _runtimes()}
    if runtime is None:
        works = next((info.name for info in infos.values() if info.available), None)
        runtime = works or _RUNTIMES[0]
    if runtime not in infos:
        raise BackendError(
            f'the faster-whisper backend has no runtime "{runtime}"; it has {", ".join(infos)}'
        )
    problem = infos[runtime].problem
    if problem is not None:
        raise BackendError(f"faster-whisper/{runtime} cannot be used here: {problem}")
    return runtime


def _runtimes() -> tuple[RuntimeInfo, ...]:
    installed = _version("ctranslate2")
    try:
        with resources.short_spins(), _later("asyncio"):
            import ctranslate2

        supported: set[str] = ctranslate2.get_supported_compute_types("cpu")
    except ModuleNotFoundError as error:
        problem = f"{error.name} is not installed; try: pip install whisperctl-faster-whisper"
        return tuple(RuntimeInfo(name, installed, problem) for name in _RUNTIMES[:2])
    # A native library that does not fit the system fails in ways of its own.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        problem = (
            f"ctranslate2 does not load ({reason}); "
            "try: pip install --force-reinstall --no-cache-dir ctranslate2"
        )
        return tuple(RuntimeInfo(name, installed, problem) for name in _RUNTIMES[:2])
    missing = (
        None
        if _version("faster-whisper")
        else ("faster-whisper is not installed; try: pip install whisperctl-faster-whisper")
    )
    return tuple(RuntimeInfo(name, installed, missing) for name in _RUNTIMES if name in supported)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
