"""Engines, which are a backend and one of its runtimes: which there are, and which one to use.

An engine is written ``BACKEND[/RUNTIME]``, such as ``native`` or ``wasi/wasmtime``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from whisperctl.engine import protocol as backends
from whisperctl.engine.protocol import (
    BackendInfo,
    DetectingBackend,
    Detector,
    Quantizer,
    QuantizingBackend,
    RuntimeInfo,
    Session,
)
from whisperctl.errors import BackendError, UsageError
from whisperctl.text import unknown

FIRST_PARTY = {"native": "whisperctl-native", "wasi": "whisperctl-wasi"}
"""Distribution of each backend that is expected to be here, the preferred first."""

OPTIONAL = {"faster-whisper": "whisperctl-faster-whisper"}
"""Those of our own that nobody misses until they ask for them."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A backend and one of its runtimes; ``None`` is the backend's own choice."""

    backend: str
    runtime: str | None = None

    @property
    def label(self) -> str:
        """As a person writes it."""
        if self.runtime in (None, self.backend):
            return self.backend
        return f"{self.backend}/{self.runtime}"


@dataclass(frozen=True, slots=True)
class InstalledBackend:
    """What is known of a backend; without ``info``, ``problem`` says why there is none."""

    name: str
    info: BackendInfo | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """An engine that cannot be used here, and why."""

    engine: Engine
    problem: str


def probe() -> list[InstalledBackend]:
    """Every installed backend and every one of our own, ours first; one that fails stops no other.

    Raises:
        BackendError: two distributions claim one name.
    """
    installed = backends.installed()
    return [find(name) for name in dict.fromkeys([*FIRST_PARTY, *installed])]


def find(name: str) -> InstalledBackend:
    """What is known of the backend called ``name``."""
    if name in FIRST_PARTY and name not in backends.installed():
        return InstalledBackend(name, problem=_not_installed(name))
    try:
        return InstalledBackend(name, backends.load(name).describe())
    except BackendError as error:
        return InstalledBackend(name, problem=str(error))
    # A plugin of somebody else's may break its promises, and even leave the interpreter.
    except (Exception, SystemExit) as error:
        return InstalledBackend(
            name, problem=f'backend "{name}" failed: {type(error).__name__}: {error}'
        )


def parse(text: str) -> Engine:
    """Read ``BACKEND[/RUNTIME]``; whether there is such a runtime shows when it is opened.

    Raises:
        UsageError: there is no such backend.
        BackendError: the backend is one of ours and not installed.
    """
    name, slash, runtime = text.partition("/")
    installed = backends.installed()
    if name not in installed:
        if name in FIRST_PARTY or name in OPTIONAL:
            raise BackendError(_not_installed(name))
        raise _unknown("backend", name, [*FIRST_PARTY, *OPTIONAL, *installed])
    if slash and not runtime:
        raise UsageError(f'"{text}" names no runtime after the slash; leave the slash out')
    return Engine(name, runtime or None)


def choose(backend: str | None, runtime: str | None) -> Engine:
    """The engine for a run, of what a person asked for.

    Without anything asked for it is the first backend that works here, native before all others.

    Raises:
        UsageError: there is no such backend or runtime, or the two contradict each other.
        BackendError: the backend is not installed, or nothing works here.
    """
    if backend is not None:
        engine = parse(backend)
        if runtime is not None and engine.runtime not in (None, runtime):
            raise UsageError(
                f'backend "{backend}" and runtime "{runtime}" contradict each other: give one'
            )
        return Engine(engine.backend, runtime or engine.runtime)
    problems = []
    known = []
    # One at a time, as describing a backend imports it.
    for name in dict.fromkeys([*FIRST_PARTY, *backends.installed()]):
        found = find(name)
        if found.info is None:
            problems.append(f"{name}: {found.problem}")
            continue
        if runtime is None and found.info.available:
            return Engine(name)
        if runtime is not None and runtime in (r.name for r in found.info.runtimes):
            return Engine(name, runtime)
        known += [r.name for r in found.info.runtimes]
        problems += [f"{name}: {r.problem}" for r in found.info.runtimes if r.problem]
    if runtime is not None:
        raise _unknown("runtime", runtime, known)
    raise BackendError(f"no backend can be used here ({'; '.join(problems)})")


def available() -> tuple[list[Engine], list[Unavailable]]:
    """Every engine that works here, and the others with what is wrong with them.

    Raises:
        BackendError: two distributions claim one name.
    """
    usable: list[Engine] = []
    others: list[Unavailable] = []
    for found in probe():
        if found.info is None:
            others.append(Unavailable(Engine(found.name), found.problem))
            continue
        for runtime in found.info.runtimes:
            engine = Engine(found.name, runtime.name)
            if runtime.problem is None:
                usable.append(engine)
            else:
                others.append(Unavailable(engine, runtime.problem))
    return usable, others


def resolve(engine: Engine) -> Engine:
    """The same engine with its runtime named, the backend's first that works where none was.

    Raises:
        UsageError: the backend has no such runtime.
    """
    found = find(engine.backend)
    if found.info is None:
        return engine  # opening it says why it does not work
    runtimes = found.info.runtimes
    if engine.runtime is not None:
        _check_runtime(engine, runtimes)
        return engine
    works = next((runtime.name for runtime in runtimes if runtime.available), None)
    return Engine(engine.backend, works)


def check_model(model: Path) -> None:
    """Check that ``model`` is a whole Whisper model with finite weights.

    Engines are not made for damaged ones: they abort the process, or compute without end.

    Raises:
        ModelError: it is something else, is damaged, or cannot be read.
    """
    from whisperctl.models.ggml import weights

    weights.check(model, "whisper")


def open_session(
    engine: Engine,
    model: Path,
    *,
    threads: int,
    word_timestamps: bool = False,
    checked: bool = False,
) -> Session:
    """Check ``model`` and load it; see ``whisperctl.engine.protocol.Backend.open``.

    Args:
        engine: a backend, and one of its runtimes.
        model: a ggml model file.
        threads: how many threads compute with, at least 1.
        word_timestamps: prepare for runs that ask for word timestamps.
        checked: ``check_model`` was called, as by who measures what the engine alone takes.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: the model is damaged, or the engine refused it.
    """
    backend = backends.load(engine.backend)
    if not checked:
        check_model(model)
    # Said only where it is asked for, so that a backend that cannot do it serves all else.
    extra = {"word_timestamps": True} if word_timestamps else {}
    try:
        return backend.open(model, threads=threads, runtime=engine.runtime, **extra)
    except BackendError:
        # Not before: some backends take a while to describe themselves.
        _check_runtime(engine, backend.describe().runtimes)
        raise


def open_quantizer(engine: Engine | None = None) -> Quantizer:
    """Start what quantizes: ``engine``, or the first that can, which is the sandbox if it works.

    Raises:
        UsageError: the backend has no such runtime.
        BackendError: the engine cannot quantize, is not available, or failed to start.
    """
    if engine is not None:
        backend = backends.load(engine.backend)
        if not isinstance(backend, QuantizingBackend):
            raise BackendError(f'backend "{engine.backend}" cannot quantize; use wasi or native')
        try:
            return backend.open_quantizer(runtime=engine.runtime)
        except BackendError:
            _check_runtime(engine, backend.describe().runtimes)
            raise
    installed = backends.installed()
    problems = []
    for name in dict.fromkeys(["wasi", *FIRST_PARTY, *installed]):
        if name not in installed:
            problems.append(_not_installed(name))
            continue
        try:
            return open_quantizer(Engine(name))
        except BackendError as error:
            problems.append(str(error))
    raise BackendError(f"no backend can quantize here ({'; '.join(problems)})")


def open_detector(engine: Engine | None, model: Path, *, threads: int = 1) -> Detector:
    """Check a Silero model, and load it into ``engine`` or the first that can detect speech.

    One thread is best: what it computes at a time is tiny.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: no installed backend can detect speech, or the engine failed to start.
        ModelError: the model is damaged, or the engine refused it.
    """
    _check_detector(model)
    if engine is not None:
        backend = backends.load(engine.backend)
        if isinstance(backend, DetectingBackend):
            try:
                return backend.open_detector(model, threads=threads, runtime=engine.runtime)
            except BackendError:
                _check_runtime(engine, backend.describe().runtimes)
                raise
    installed = backends.installed()
    problems = []
    for name in dict.fromkeys([*FIRST_PARTY, *installed]):
        if name not in installed:
            problems.append(_not_installed(name))
            continue
        try:
            backend = backends.load(name)
            if isinstance(backend, DetectingBackend):
                return backend.open_detector(model, threads=threads)
        except BackendError as error:
            problems.append(str(error))
    reasons = f" ({'; '.join(problems)})" if problems else ""
    raise BackendError(f"no backend can find speech here{reasons}")


def _check_detector(model: Path) -> None:
    from whisperctl.models.ggml import weights

    weights.check(model, "silero")


def _check_runtime(engine: Engine, runtimes: Iterable[RuntimeInfo]) -> None:
    names = [runtime.name for runtime in runtimes]
    if engine.runtime is not None and engine.runtime not in names:
        raise _unknown("runtime", engine.runtime, names, f' of backend "{engine.backend}"')


def _not_installed(name: str) -> str:
    package = (FIRST_PARTY | OPTIONAL)[name]
    return f'backend "{name}" is not installed; try: pip install {package}'


def _unknown(what: str, name: str, known: Collection[str], whose: str = "") -> UsageError:
    return UsageError(unknown(what, name, known, of=whose))
