"""Engines: the backends installed here, the choice among them, and opening what they offer.

An engine is a backend and one of its runtimes, written ``BACKEND[/RUNTIME]``. No backend is known
by name: each states its own rank, see ``whisperctl.engine.protocol.Backend``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, requires
from pathlib import Path

from whisperctl.engine import resources
from whisperctl.engine.protocol import (
    CONTRACT,
    GROUP,
    Backend,
    BackendInfo,
    DetectingBackend,
    Detector,
    Model,
    OpenOptions,
    Quantizer,
    QuantizingBackend,
    ReportingBackend,
    RuntimeInfo,
    Session,
)
from whisperctl.errors import BackendError, UsageError, WhisperctlError
from whisperctl.plugins import Described, Door
from whisperctl.storage import files, paths, records
from whisperctl.text import unknown, visible

DOOR: Door[Backend] = Door("backend", GROUP, CONTRACT, BackendError)

InstalledBackend = Described[BackendInfo]

_CORE = "whisperctl-asr"
_OWN = re.compile(r"whisperctl-[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Engine:
    """A backend and one of its runtimes; ``None`` is the backend's own choice."""

    backend: str
    runtime: str | None = None

    @property
    def label(self) -> str:
        """The engine as a person writes it."""
        if self.runtime in (None, self.backend):
            return self.backend
        return f"{self.backend}/{self.runtime}"


AUTO = "auto"
"""Name that stands for the engine which ``whisperctl tune`` found to be the fastest."""

_FASTEST = "fastest.json"
_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest engine on a machine, and the number of threads that it was fastest with.

    ``date`` is when it was measured, ISO 8601. ``versions`` are those of ``versions`` and
    ``machine`` is ``resources.machine``, then.
    """

    engine: Engine
    threads: int
    date: str
    versions: Mapping[str, str]
    machine: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """An engine that cannot be used here, and why."""

    engine: Engine
    problem: str


def installed() -> dict[str, EntryPoint]:
    """Entry points of all installed backends by name, sorted; imports none of them.

    Raises:
        BackendError: two distributions claim one name.
    """
    return DOOR.installed()


def load(name: str) -> Backend:
    """Import the backend called ``name``, and check that it is written for this contract.

    Raises:
        UsageError: no such backend is installed.
        BackendError: it cannot be imported, or is written for another contract.
    """
    _check_installed(name)
    return DOOR.load(name)


def ranked(attribute: str = "preference") -> list[str]:
    """Names of all installed backends, the preferred first, and equals by name.

    Backends are imported, which starts no engine. One that cannot be imported ranks as 0.

    Args:
        attribute: the backend's attribute that holds its rank.

    Raises:
        BackendError: two distributions claim one name.
    """

    def rank(name: str) -> int:
        try:
            found = getattr(DOOR.load(name), attribute, 0)
        except WhisperctlError:
            return 0
        return found if isinstance(found, int) else 0

    return sorted(installed(), key=rank, reverse=True)


def probe() -> list[InstalledBackend]:
    """Describe every installed backend, the preferred first; one that fails stops no other.

    Raises:
        BackendError: two distributions claim one name.
    """
    return [find(name) for name in ranked()]


def find(name: str) -> InstalledBackend:
    """Describe one backend."""
    return DOOR.describe(name, lambda backend: backend.describe())


def system_info(name: str) -> str:
    """One line about the CPU features that a backend's engine uses; empty if it gives none.

    The engine is started if need be.
    """
    try:
        backend = load(name)
        return backend.system_info() if isinstance(backend, ReportingBackend) else ""
    # Its description says what is wrong with it; somebody else's plugin may raise anything.
    except (Exception, SystemExit):
        return ""


def parse(text: str) -> Engine:
    """Read ``BACKEND[/RUNTIME]``; an unknown runtime is an error when the engine is opened.

    Raises:
        UsageError: no such backend is installed.
    """
    name, slash, runtime = text.partition("/")
    _check_installed(name)
    if slash and not runtime:
        raise UsageError(f'"{text}" has no runtime after the slash: leave the slash out')
    return Engine(name, runtime or None)


def choose(backend: str | None, runtime: str | None) -> Engine:
    """Choose the engine for a run from what a person asked for.

    If nothing was asked for, it is the preferred backend among those that work here; for ``AUTO``
    that of ``fastest``, if there is one.

    Raises:
        UsageError: there is no such backend or runtime, or the two conflict.
        BackendError: nothing works here.
    """
    if backend == AUTO:
        found_fastest, _ = fastest()
        if found_fastest is not None and runtime in (None, found_fastest.engine.runtime):
            return found_fastest.engine
    elif backend is not None:
        engine = parse(backend)
        if runtime is not None and engine.runtime not in (None, runtime):
            raise UsageError(f'backend "{backend}" and runtime "{runtime}" conflict: give one')
        return Engine(engine.backend, runtime or engine.runtime)
    problems = []
    known = []
    # One at a time, as a description may take a while.
    for name in ranked():
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
    raise none_works(problems)


def fastest() -> tuple[Fastest | None, str]:
    """The engine that was measured to be the fastest here, or ``None`` and the reason."""
    untuned = 'run "whisperctl tune" to find the fastest engine'
    try:
        path = _fastest_path()
        with path.open("rb") as file:
            found = records.parse(Fastest, file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return None, f"no engine has been measured on this machine: {untuned}"
    if found.machine != resources.machine():
        return None, f"engines were measured on another machine: {untuned}"
    now = versions(found.engine) if found.engine.backend in installed() else {}
    if not now or found.versions != now:
        return None, f"{visible(found.engine.label)} has changed since it was measured: {untuned}"
    if not 1 <= found.threads <= resources.available():
        return None, f"what was measured is damaged: {untuned}"
    return found, ""


def keep_fastest(found: Fastest) -> str:
    """Keep what ``fastest`` gives from now on.

    Returns:
        Why it cannot be kept; empty if it is.
    """
    try:
        path = _fastest_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as file:
            file.write(records.line(found))
    except OSError as error:
        return files.reason(error)
    return ""


def versions(engine: Engine) -> dict[str, str]:
    """Versions of an engine's backend, library and runtime; empty if it cannot be used."""
    info = find(engine.backend).info
    if info is None:
        return {}
    for runtime in info.runtimes:
        if runtime.name == engine.runtime and runtime.available:
            return {"backend": info.version, "engine": info.library, "runtime": runtime.version}
    return {}


def _fastest_path() -> Path:
    """File of the fastest engine.

    Raises:
        FileNotFoundError: no home directory is known.
    """
    return paths.find("cache", paths.CACHE_VARIABLE) / _FASTEST


def none_works(problems: Iterable[str]) -> BackendError:
    """The error for a machine on which no backend works."""
    reasons = "; ".join(problems) or "none is installed; try: pip install whisperctl-asr[all]"
    return BackendError(f"no backend can be used here ({reasons})")


def resolve(engine: Engine) -> Engine:
    """Name the engine's runtime: where none was named, the first that works.

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


def check_model(path: Path) -> Model:
    """Check that a file is a whole Whisper model with finite weights.

    Engines are not made for damaged ones: they abort the process, or compute without end.

    Raises:
        ModelError: it is something else, is damaged, or cannot be read.
    """
    from whisperctl.models.ggml import weights

    return Model(path, weights.check(path, "whisper"))


def open_session(
    engine: Engine, model: Path | Model, *, threads: int, word_timestamps: bool = False
) -> Session:
    """Load a model; see ``whisperctl.engine.protocol.Backend.open``.

    Args:
        engine: a backend, and one of its runtimes.
        model: a ggml model file, which is checked first; or what ``check_model`` gave for it.
        threads: number of threads to compute with, at least 1.
        word_timestamps: prepare for runs that ask for word timestamps.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: the engine is not available, or failed to start.
        ModelError: the model is damaged, or the engine refused it.
    """
    backend = load(engine.backend)
    checked = model if isinstance(model, Model) else check_model(model)
    with _runtime_checked(engine, backend):
        return backend.open(checked, OpenOptions(threads, engine.runtime, word_timestamps))


def open_quantizer(engine: Engine | None = None) -> Quantizer:
    """Start a quantizer: ``engine``, or the preferred one among those that work here.

    Raises:
        UsageError: the backend has no such runtime.
        BackendError: the engine cannot quantize, is not available, or failed to start.
    """
    if engine is not None:
        return _quantizer(engine)
    problems = []
    for name in ranked("quantizer_preference"):
        try:
            return _quantizer(Engine(name))
        except BackendError as error:
            problems.append(str(error))
    reasons = "; ".join(problems) or "none is installed"
    raise BackendError(f"no backend can quantize here ({reasons})")


def _quantizer(engine: Engine) -> Quantizer:
    backend = load(engine.backend)
    if not isinstance(backend, QuantizingBackend):
        raise BackendError(f'backend "{engine.backend}" cannot quantize: use another one')
    with _runtime_checked(engine, backend):
        return backend.open_quantizer(OpenOptions(runtime=engine.runtime))


def open_detector(engine: Engine | None, model: Path, *, threads: int = 1) -> Detector:
    """Check a Silero model, and load it into ``engine`` or the first that can detect speech.

    One thread is best: each step of the computation is tiny.

    Raises:
        UsageError: the backend has no such runtime, or cannot use so many threads.
        BackendError: no installed backend can detect speech, or the engine failed to start.
        ModelError: the model is damaged, or the engine refused it.
    """
    _check_detector(model)
    if engine is not None:
        backend = load(engine.backend)
        if isinstance(backend, DetectingBackend):
            with _runtime_checked(engine, backend):
                return backend.open_detector(model, OpenOptions(threads, engine.runtime))
    problems = []
    for name in ranked():
        try:
            backend = load(name)
            if isinstance(backend, DetectingBackend):
                return backend.open_detector(model, OpenOptions(threads))
        except BackendError as error:
            problems.append(str(error))
    reasons = f" ({'; '.join(problems)})" if problems else ""
    raise BackendError(f"no backend can detect speech here{reasons}")


def _check_detector(model: Path) -> None:
    from whisperctl.models.ggml import weights

    weights.check(model, "silero")


@contextmanager
def _runtime_checked(engine: Engine, backend: Backend) -> Iterator[None]:
    """Blame an unknown runtime if the engine does not open.

    Not before that, as a description may take a while.
    """
    try:
        yield
    except BackendError:
        _check_runtime(engine, backend.describe().runtimes)
        raise


def _check_runtime(engine: Engine, runtimes: Iterable[RuntimeInfo]) -> None:
    names = [runtime.name for runtime in runtimes]
    if engine.runtime is not None and engine.runtime not in names:
        raise _unknown("runtime", engine.runtime, names, f' of backend "{engine.backend}"')


def _check_installed(name: str) -> None:
    known = list(installed())
    if name in known:
        return
    package = f"whisperctl-{name}"
    if package in _own_backends():
        raise UsageError(
            f'backend "{name}" is not installed: run "pip install {package}", '
            f"or choose an installed one ({', '.join(known) or 'none'})"
        )
    raise _unknown("backend", name, known)


def _own_backends() -> set[str]:
    """Names of the distributions that whisperctl's own metadata names as its backends."""
    try:
        needed = requires(_CORE) or []
    except PackageNotFoundError:  # a checkout that is not installed
        return set()
    return {found[0] for one in needed if (found := _OWN.match(one))}


def _unknown(what: str, name: str, known: Collection[str], whose: str = "") -> UsageError:
    return UsageError(unknown(what, name, known, of=whose))
