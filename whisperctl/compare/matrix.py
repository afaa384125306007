"""What was asked for, as the variants that are to be compared: a cross product without holes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

from whisperctl.compare.plan import ModelFile, Variant
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine, Unavailable
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import ggml
from whisperctl.models.ggml.layout import F16, F32, FTYPE_OF_QUANTIZATION
from whisperctl.models.pull import name_from
from whisperctl.models.store import Store
from whisperctl.text import quoted, unknown

Quantize = Callable[[str, str], Path]
"""Makes a model of a name and a type, and gives its file; raises what ``quantize`` does."""

_THREADS = re.compile(r"(\d+)(?:\s*threads?)?")
_FLOATS = (F16.name, F32.name)


def split(texts: Iterable[str]) -> list[str]:
    """The parts between commas, each once; a text that is a file's name stays whole."""
    found: dict[str, None] = {}
    for text in texts:
        whole = "," not in text or Path(text).exists()
        found |= dict.fromkeys([text] if whole else [part.strip() for part in text.split(",")])
    return [text for text in found if text]


def choose_engines(
    backends: Sequence[str], runtimes: Sequence[str]
) -> tuple[list[Engine], list[Unavailable]]:
    """The engines to run, in order, and those left out because they do not work here.

    Args:
        backends: ``BACKEND[/RUNTIME]`` each. None of them stands for all that work here: of our own
            two every runtime, of others the one they prefer.
        runtimes: of backends that have several runtimes, only these; none of them is no limit.

    Raises:
        UsageError: a backend or runtime is unknown, or a runtime is of no backend that was chosen.
        BackendError: a backend that was asked for is not installed, or nothing works here.
    """
    chosen, left_out = _asked(backends) if backends else _usable()
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


def _usable() -> tuple[list[Engine], list[Unavailable]]:
    usable, others = registry.available()
    if not usable:
        reasons = "; ".join(f"{other.engine.label}: {other.problem}" for other in others)
        raise BackendError(f"no backend can be used here ({reasons})")
    first: dict[str, Engine] = {}
    for engine in usable:
        first.setdefault(engine.backend, engine)
    every = [e for e in usable if e.backend in registry.FIRST_PARTY or first[e.backend] == e]
    return every, [other for other in others if other.engine.backend not in first]


def choose_weights(
    models: Sequence[str], quants: Sequence[str], quantize: Quantize
) -> list[ModelFile]:
    """The model files: every model in every quantization, or as it is where none is asked for.

    Args:
        models: names or paths.
        quants: such as ``f16`` and ``q8_0``.
        quantize: makes what is not here of a model that is.

    Raises:
        UsageError: there is no such quantization, or a model cannot be had in it.
        ModelError: a model is unknown, not here, or damaged, or cannot be quantized.
        BackendError: no engine can quantize here.
    """
    for quant in quants:
        if quant not in (*_FLOATS, *FTYPE_OF_QUANTIZATION):
            raise UsageError(unknown("quantization", quant, [*_FLOATS, *FTYPE_OF_QUANTIZATION]))
    if quants:
        found = [_quantized(*pair, quantize) for pair in product(models, quants)]
    else:
        found = [_weights(Store().resolve(model)) for model in models]
    return list(dict.fromkeys(found))


def _weights(path: Path) -> ModelFile:
    quant = ggml.inspect(path).ftype
    return ModelFile(name_from(path).removesuffix(f"-{quant}"), quant, path.absolute())


def _quantized(model: str, quant: str, quantize: Quantize) -> ModelFile:
    store = Store()
    try:
        given = _weights(store.resolve(model))
    except ModelError:
        if quant in _FLOATS or not store.path_of(f"{model}-{quant}").exists():
            raise
        return _weights(store.resolve(f"{model}-{quant}"))
    if given.quant == quant:
        return given
    named = given.path.parent == store.directory.absolute()
    wanted = given.name if quant in _FLOATS else f"{given.name}-{quant}"
    if named and store.path_of(wanted).exists():
        found = _weights(store.resolve(wanted))
        if found.quant == quant:
            return found
    if quant in _FLOATS or given.quant not in _FLOATS:
        raise UsageError(
            f"{quoted(model)} is {given.quant} and cannot become {quant}: name a model that is f16"
        )
    if not named:
        raise UsageError(
            f'{quoted(model)} is {given.quant}: run "whisperctl models quantize {model} {quant}" '
            "and compare the model that this makes"
        )
    return _weights(quantize(given.name, quant))


def choose_threads(texts: Sequence[str]) -> list[int]:
    """Numbers of threads.

    Raises:
        UsageError: one is no number, or below 1.
    """
    found = []
    for text in texts:
        if not text.isdecimal() or int(text) < 1:
            raise UsageError(f'threads must be at least 1, such as 1,2, not "{text}"')
        found.append(int(text))
    return list(dict.fromkeys(found))


def variants(
    chosen: Sequence[Engine], weights: Sequence[ModelFile], threads: Sequence[int]
) -> tuple[Variant, ...]:
    """The cross product; engines that do the same work stand side by side."""
    return tuple(
        Variant(engine, model, n) for model, n, engine in product(weights, threads, chosen)
    )


def baseline_name(asked: str | None, among: Sequence[Variant]) -> str:
    """What was asked for, or else native, or else the first engine."""
    if asked is not None:
        return asked
    labels = [variant.engine.label for variant in among]
    return "native" if "native" in labels else labels[0]


def baselines(name: str, among: Sequence[Variant]) -> dict[Variant, Variant | None]:
    """What each variant is compared with.

    Args:
        name: what the baseline is, in parts with commas: an engine, a model, a quantization, a
            number of threads. In what is not named it is like the variant itself.
        among: all variants.

    Raises:
        UsageError: a part is nothing that is compared.
    """
    fixed: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in name.split(","))):
        fixed |= _part(part, among)
    found: dict[Variant, Variant | None] = {}
    for variant in among:
        wanted = _dimensions(variant) | fixed
        found[variant] = next((other for other in among if _dimensions(other) == wanted), None)
    return found


def _dimensions(variant: Variant) -> dict[str, object]:
    weights = variant.weights
    return {
        "engine": variant.engine,
        "model": weights.name,
        "quant": weights.quant,
        "threads": variant.threads,
    }


def _part(part: str, among: Sequence[Variant]) -> dict[str, object]:
    for variant in among:
        if part in (variant.engine.label, variant.engine.backend):
            return {"engine": variant.engine}
        if part == variant.weights.name:
            return {"model": part}
        if part == variant.weights.quant:
            return {"quant": part}
        if part == f"{variant.weights.name}-{variant.weights.quant}":
            return {"model": variant.weights.name, "quant": variant.weights.quant}
    threads = {variant.threads for variant in among}
    if (match := _THREADS.fullmatch(part)) and int(match[1]) in threads:
        return {"threads": int(match[1])}
    labels = dict.fromkeys(
        text
        for v in among
        for text in (v.engine.label, v.weights.name, v.weights.quant, str(v.threads))
    )
    raise UsageError(unknown("baseline", part, labels))
