"""Choice of engines, models in quantizations, and threads, from options or from a plan file."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from whisperctl.audio.decoders import registry as decoders
from whisperctl.audio.filters import chain
from whisperctl.compare.plan import (
    Cell,
    ForeignEngine,
    Plan,
    Variant,
    baseline_name,
    baselines,
    decode_options,
    load_recordings,
)
from whisperctl.compare.result import LeftOut, ModelFile
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine, Unavailable
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import ggml
from whisperctl.models.ggml.layout import F16, F32, FTYPE_OF_QUANTIZATION
from whisperctl.models.pull import name_from
from whisperctl.models.store import Store
from whisperctl.storage import records
from whisperctl.storage.files import reason
from whisperctl.text import quoted, unknown, visible

Quantize = Callable[[str, str], Path]
"""Quantizes a model of a given name to a given type and returns its file."""

_FLOATS = (F16.name, F32.name)
_MAX_PLAN_BYTES = 1 << 20
_PROBE_TIMEOUT_S = 120

_NO_FILTERS = "none"

MAX_REPEATS = 1000


def split(texts: Iterable[str]) -> list[str]:
    """Parts between commas without duplicates; a text that is the name of a file stays whole."""
    found: dict[str, None] = {}
    for text in texts:
        whole = "," not in text or Path(text).exists()
        found |= dict.fromkeys([text] if whole else [part.strip() for part in text.split(",")])
    return [text for text in found if text]


def choose_engines(
    backends: Sequence[str], runtimes: Sequence[str], *, all_runtimes: bool = False
) -> tuple[list[Engine], list[Unavailable]]:
    """Engines to measure, in order, and engines left out because they cannot be used.

    Args:
        backends: ``BACKEND[/RUNTIME]`` each. If empty, all that can be used: each backend's
            preferred runtime, and those that its description marks as compared.
        runtimes: limits backends with several runtimes to these. If empty, there is no limit.
        all_runtimes: without ``backends``, all runtimes that work instead of those compared.

    Raises:
        UsageError: a backend or runtime is unknown, or no chosen backend has a runtime.
        BackendError: a chosen backend is not installed, or no backend can be used.
    """
    chosen, left_out = _asked(backends) if backends else _usable(all_runtimes)
    if not runtimes:
        return chosen, left_out
    named = {registry.parse(text) for text in backends}
    known: dict[str, None] = {}
    limited: list[Engine] = []
    for engine in chosen:
        info = registry.find(engine.backend).info
        names = [runtime.name for runtime in info.runtimes] if info is not None else []
        known |= dict.fromkeys(names)
        own = [name for name in runtimes if name in names]
        if len(names) < 2 or (engine in named and engine.runtime is not None):
            limited.append(engine)
        elif own:
            limited += [Engine(engine.backend, name) for name in own]
        elif backends:
            limited.append(engine)
    for name in runtimes:
        if name not in known:
            raise UsageError(unknown("runtime", name, known))
    return list(dict.fromkeys(limited)), left_out


def _asked(texts: Sequence[str]) -> tuple[list[Engine], list[Unavailable]]:
    chosen = [registry.resolve(registry.parse(text)) for text in texts]
    return list(dict.fromkeys(chosen)), []


def _usable(all_runtimes: bool) -> tuple[list[Engine], list[Unavailable]]:
    usable: list[Engine] = []
    others: list[Unavailable] = []
    for found in registry.probe():
        if found.info is None:
            others.append(Unavailable(Engine(found.name), found.problem))
            continue
        works = [runtime for runtime in found.info.runtimes if runtime.available]
        usable += [
            Engine(found.name, r.name) for r in works if all_runtimes or r.compared or r is works[0]
        ]
        if not works:
            others += [
                Unavailable(Engine(found.name, r.name), r.problem or "")
                for r in found.info.runtimes
            ]
    if not usable:
        raise registry.none_works(f"{other.engine.label}: {other.problem}" for other in others)
    return usable, others


def choose_models(
    models: Sequence[str], quants: Sequence[str], quantize: Quantize
) -> list[ModelFile]:
    """Model files: each model in each quantization, or unchanged if no quantization is given.

    Args:
        models: names or paths.
        quants: quantizations such as ``f16`` and ``q8_0``.
        quantize: makes a quantized model that is not installed.

    Raises:
        UsageError: a quantization is unknown, or not possible for a model.
        ModelError: a model is unknown, not installed or damaged, or cannot be quantized.
        BackendError: no engine can quantize models.
    """
    for quant in quants:
        if quant not in (*_FLOATS, *FTYPE_OF_QUANTIZATION):
            raise UsageError(unknown("quantization", quant, [*_FLOATS, *FTYPE_OF_QUANTIZATION]))
    if quants:
        found = [_quantized(*pair, quantize) for pair in product(models, quants)]
    else:
        found = [_model(Store().resolve(model)) for model in models]
    return list(dict.fromkeys(found))


def _model(path: Path) -> ModelFile:
    quant = ggml.inspect(path).ftype
    return ModelFile(name_from(path).removesuffix(f"-{quant}"), quant, path.absolute())


def _quantized(model: str, quant: str, quantize: Quantize) -> ModelFile:
    store = Store()
    try:
        given = _model(store.resolve(model))
    except ModelError:
        if quant in _FLOATS or not store.path_of(f"{model}-{quant}").exists():
            raise
        return _model(store.resolve(f"{model}-{quant}"))
    if given.quant == quant:
        return given
    named = given.path.parent == store.directory.absolute()
    wanted = given.name if quant in _FLOATS else f"{given.name}-{quant}"
    if named and store.path_of(wanted).exists():
        found = _model(store.resolve(wanted))
        if found.quant == quant:
            return found
    if quant in _FLOATS or given.quant not in _FLOATS:
        raise UsageError(
            f"{quoted(model)} is {given.quant} and cannot be converted to {quant}: "
            "give a model in f16"
        )
    if not named:
        raise UsageError(
            f'{quoted(model)} is {given.quant}: run "whisperctl models quantize {model} {quant}" '
            "and compare the result"
        )
    return _model(quantize(given.name, quant))


def choose_threads(texts: Sequence[str]) -> list[int]:
    """Numbers of threads.

    Raises:
        UsageError: one is not a number, or is below 1.
    """
    found = []
    for text in texts:
        if not text.isdecimal() or int(text) < 1:
            raise UsageError(f'threads must be 1 or more, such as 1,2, not "{text}"')
        found.append(int(text))
    return list(dict.fromkeys(found))


def choose_chains(filters: Sequence[str], texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Chains of filters to apply to each recording.

    Args:
        filters: filters that every chain begins with.
        texts: filters of each chain, separated by spaces and quoted as in a shell, or "none". If
            empty, there is one chain.

    Raises:
        UsageError: a filter or a value is invalid, or a chain leaves nothing of a recording.
        PluginError: a filter cannot be loaded or opened.
    """
    chosen = []
    for text in texts or [_NO_FILTERS]:
        try:
            parts = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"filter chain {quoted(text)} has an open quote: close it") from error
        if not parts:
            raise UsageError(f'filter chain {quoted(text)} is empty: write "{_NO_FILTERS}"')
        chosen.append((*filters, *(parts if parts != [_NO_FILTERS] else ())))
        chain.check(chosen[-1])
    return tuple(dict.fromkeys(chosen))


def variants(
    engines: Sequence[Engine], models: Sequence[ModelFile], threads: Sequence[int]
) -> tuple[Variant, ...]:
    """Cross product; engines that do the same work are adjacent."""
    return tuple(
        Variant(engine, model, n) for model, n, engine in product(models, threads, engines)
    )


@dataclass(frozen=True, slots=True)
class Subset:
    """Lists to combine; ``None`` takes the list of the plan file."""

    recordings: tuple[str, ...] | None = None
    engines: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    quantizations: tuple[str, ...] | None = None
    threads: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """Engine of another environment: ``engine`` run by the interpreter ``python``."""

    label: str
    engine: str
    python: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """Plan file: lists to combine, or several ``subset`` of combinations that override them.

    ``engine`` defines engines of other environments, which lists refer to by their labels. Paths
    are relative to the plan file. ``options`` are decoding options by the names of
    ``DecodeOptions``.
    """

    recordings: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    quantizations: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    baseline: str | None = None
    repeats: int = 1
    warm_up: bool = True
    audio_track: str | None = None
    decoder: str = decoders.AUTO
    filters: tuple[str, ...] = ()
    filter_chains: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    engine: tuple[EngineEntry, ...] = ()
    subset: tuple[Subset, ...] = ()


def read_plan_file(path: Path) -> PlanFile:
    """Read a plan file.

    Raises:
        UsageError: it cannot be read, is not TOML, or is not a plan.
    """
    name = quoted(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_PLAN_BYTES + 1)
        if len(data) > _MAX_PLAN_BYTES:
            raise UsageError(f"{name} is too large for a plan file")
        table = tomllib.loads(data.decode("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{name} does not exist: check the name") from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text: save it as UTF-8") from error
    except RecursionError as error:
        raise UsageError(f"{name} is nested too deeply for a plan") from error
    except ValueError as error:
        raise UsageError(f"{name} is not valid TOML: {error}") from error
    _check_keys(name, table, PlanFile)
    for kind, key in ((EngineEntry, "engine"), (Subset, "subset")):
        entries = table.get(key, [])
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                _check_keys(f"[[{key}]] of {name}", entry, kind)
    try:
        plan = records.restore(PlanFile, table)
    except ValueError as error:
        raise UsageError(f"{name} is not a plan: {error}") from error
    if not 1 <= plan.repeats <= MAX_REPEATS:
        raise UsageError(f"repeats of {name} must be from 1 to {MAX_REPEATS}, not {plan.repeats}")
    return plan


def _check_keys(where: str, table: Mapping[str, object], kind: type) -> None:
    known = [one.name for one in fields(kind)]
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has an {unknown('key', key, known)}")
    for one in fields(kind):
        if one.name not in table and one.default is one.default_factory is MISSING:
            raise UsageError(f'{where} has no key "{one.name}": add it')


def plan_from_file(
    file: PlanFile,
    folder: Path,
    quantize: Quantize,
    *,
    references: Sequence[str],
    repeats: int | None = None,
) -> Plan:
    """Plan of a plan file, without engines that cannot be used.

    Args:
        file: its contents.
        folder: its directory.
        quantize: makes a quantized model that is not installed.
        references: see ``references.find``.
        repeats: number of repeats, if it should differ.

    Raises:
        UsageError: something in the plan is unknown or missing, or a reference cannot be used.
        AudioError: a recording cannot be read.
        ModelError: a model is unknown, not installed or damaged, or cannot be quantized.
        BackendError: no engine can be used.
        SubtitleError: a reference is not in the format of its name.
    """
    options = decode_options(file.options, "the plan")
    decoders.check(file.decoder)  # before a model is quantized
    chains = choose_chains(file.filters, file.filter_chains)
    entries = {entry.label: entry for entry in file.engine}
    engines: dict[str, Engine] = {}
    left_out: dict[str, LeftOut] = {}
    combinations: list[tuple[str, Variant]] = []
    for subset in file.subset or (Subset(),):
        names = _required("recordings", subset.recordings, file.recordings)
        for name in _required("engines", subset.engines, file.engines):
            if name in engines or name in left_out:
                continue
            try:
                entry = entries.get(name)
                engines[name] = _usable_engine(name) if entry is None else _foreign(entry, folder)
            except (BackendError, UsageError) as error:
                left_out[name] = LeftOut(name, str(error))
        usable = [engines[name] for name in subset.engines or file.engines if name in engines]
        models = choose_models(
            [_beside(name, folder) for name in _required("models", subset.models, file.models)],
            subset.quantizations or file.quantizations,
            quantize,
        )
        threads = choose_threads(
            [str(n) for n in _required("threads", subset.threads, file.threads)]
        )
        chosen = variants(usable, models, threads)
        combinations += product(names, chosen)
    if not engines:
        reasons = "; ".join(f"{one.engine}: {one.reason}" for one in left_out.values())
        raise BackendError(f"no engine of the plan can be used ({reasons})")
    all_variants = tuple(dict.fromkeys(variant for _, variant in combinations))
    baseline = baseline_name(file.baseline, all_variants)
    baselines(baseline, all_variants)
    paths = {name: _beside(name, folder) for name, _ in combinations}
    recordings = load_recordings(
        list(paths.values()),
        references,
        audio_track=file.audio_track,
        decoder=file.decoder,
        chains=chains,
    )
    by_path = {
        path: recordings[n * len(chains) : (n + 1) * len(chains)]
        for n, path in enumerate(dict.fromkeys(paths.values()))
    }
    cells = dict.fromkeys(
        Cell(recording, one) for name, one in combinations for recording in by_path[paths[name]]
    )
    # Cells that are compared with each other are adjacent, whatever subset they are from.
    ordered = sorted(cells, key=lambda cell: recordings.index(cell.recording))
    return Plan(
        recordings=recordings,
        variants=all_variants,
        options=options,
        repeats=file.repeats if repeats is None else repeats,
        warm_up=file.warm_up,
        baseline=baseline,
        left_out=tuple(left_out.values()),
        only=tuple(ordered),
    )


def _required(name: str, own: Sequence[Any] | None, common: Sequence[Any]) -> Sequence[Any]:
    found = common if own is None else own
    if not found:
        raise UsageError(f"the plan has no {name}: list one or more")
    return found


def _beside(name: str, folder: Path) -> str:
    """Path relative to the plan file if there is such a file, else the name itself."""
    path = folder / name
    return os.path.abspath(path) if path.exists() else name  # noqa: PTH100 - keep symbolic links


def _usable_engine(name: str) -> Engine:
    """Engine of this environment.

    Raises:
        UsageError: the backend or runtime is unknown.
        BackendError: it cannot be used.
    """
    engine = registry.resolve(registry.parse(name))
    found = registry.find(engine.backend)
    if found.info is None:
        raise BackendError(found.problem)
    for runtime in found.info.runtimes:
        if runtime.problem is not None and engine.runtime in (None, runtime.name):
            raise BackendError(runtime.problem)
    return engine


def _foreign(entry: EngineEntry, folder: Path) -> ForeignEngine:
    """Engine of another environment, which is asked for its versions.

    Raises:
        BackendError: it cannot be used.
    """
    python = os.path.abspath(folder / entry.python)  # noqa: PTH100 - keep symbolic links
    if not Path(python).is_file():
        raise BackendError(f"{quoted(entry.python)} does not exist")
    backend, _, runtime = entry.engine.partition("/")
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter that the plan names
            [python, "-P", "-m", "whisperctl", "backends", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
        info = next(one for one in json.loads(done.stdout) if one["name"] == backend)
        if info["problem"]:
            raise BackendError(str(info["problem"]))
        usable = {one["name"]: one["version"] for one in info["runtimes"] if one["available"]}
        chosen = runtime or next(iter(usable))
        versions = (
            ("backend", str(info["version"])),
            ("engine", str(info["library"])),
            ("runtime", str(usable[chosen])),
        )
    except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
        raise BackendError(
            f"{quoted(entry.python)} has no engine {quoted(entry.engine)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{quoted(entry.python)} does not respond") from error
    return ForeignEngine(backend, chosen, visible(entry.label), python, versions)
