"""``whisperctl completion``: completion of command lines in shells.

The protocol between shell and program is typer's: a variable in the environment makes the program
print completions. Nothing here may print an error, which would appear in the middle of what a
person is typing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import COMPLETION_VARIABLE

if TYPE_CHECKING:
    from typer.core import TyperGroup

_PROGRAM = "whisperctl"


class Shell(StrEnum):
    """Shells that lines can be completed in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[
        Shell, typer.Argument(metavar="bash|zsh|fish", help="Shell to print the script for.")
    ],
) -> None:
    """Print a script for completion in bash, zsh or fish."""
    from whisperctl.cli.support import console
    from whisperctl.cli.support.command import completion_script

    script = completion_script(_PROGRAM, COMPLETION_VARIABLE, shell.value)
    console.result(script, prose=True)


def answer(command: TyperGroup, instruction: str) -> int:
    """Print completions of the line that the environment holds, and return the exit code."""
    import contextlib
    import io

    from whisperctl.cli.support.command import complete

    printed = io.StringIO()
    code = 1
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            code = complete(command, _PROGRAM, COMPLETION_VARIABLE, instruction)
    except SystemExit as exit_:  # fish is answered by the exit code alone
        code = exit_.code if isinstance(exit_.code, int) else 1
    except Exception:  # nothing to complete is all that a shell can be told
        return 1
    with contextlib.suppress(OSError):
        print(printed.getvalue(), end="")
    return code


Completer = Callable[[str], Iterator[tuple[str, str]]]
"""Values that begin with what is typed, each with a word about it."""


def _separated(values: Completer) -> Completer:
    """Complete the last of several values that commas separate, but for those before it."""

    @functools.wraps(values)
    def complete(incomplete: str) -> Iterator[tuple[str, str]]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return (
            (f"{before}{comma}{value}", about)
            for value, about in values(last)
            if value not in given
        )

    return complete


def of_metavar(metavar: str) -> Completer | None:
    """Return the completer of an option that names none but whose placeholder shows its values."""
    if re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", metavar):
        names = dict.fromkeys(metavar.split("|"), "")
        return lambda incomplete: _starting(incomplete, names)
    return {"FORMAT": formats, "NAME[/RUNTIME]": engines, "NAME|PATH": models}.get(metavar)


@_separated
def models(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of models that transcribe, installed ones before published ones."""
    yield from _models(incomplete, vad=False)


def vad_models(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of models that detect speech, installed ones before published ones."""
    yield from _models(incomplete, vad=True)


def installed_models(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of installed models."""
    yield from _starting(incomplete, dict.fromkeys(_installed(), "installed"))


def published_models(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of models that can be pulled."""
    from whisperctl.models import catalog

    yield from _starting(incomplete, dict.fromkeys(catalog.MODELS, "published"))
    yield from _starting(incomplete, catalog.ALIASES)


@_separated
def engines(incomplete: str) -> Iterator[tuple[str, str]]:
    """Installed backends, none of which is loaded; the runtimes of one after its name and slash."""
    from whisperctl.engine import registry

    name, slash, _ = incomplete.partition("/")
    if not slash:
        yield from _starting(incomplete, dict.fromkeys(registry.installed(), "backend"))
        return
    found = [f"{name}/{runtime}" for runtime in _runtimes(name)]
    yield from _starting(incomplete, dict.fromkeys(found, "backend and runtime"))


def executors(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of installed executors; none of them is loaded."""
    from whisperctl.jobs.executors import EXECUTORS

    yield from _starting(incomplete, dict.fromkeys(EXECUTORS.installed(), "executor"))


@_separated
def runtimes(incomplete: str) -> Iterator[tuple[str, str]]:
    """Runtimes of all installed backends."""
    from whisperctl.engine import registry

    names = [runtime for name in registry.installed() for runtime in _runtimes(name)]
    yield from _starting(incomplete, dict.fromkeys(names, "runtime"))


def decoders(incomplete: str) -> Iterator[tuple[str, str]]:
    """Decoders that are installed; none of them is loaded."""
    from whisperctl.audio.decoders import registry

    yield from _starting(incomplete, dict.fromkeys(registry.names(), "decoder"))


@_separated
def formats(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of formats."""
    from whisperctl.formats import ALL, FORMATS

    yield from _starting(incomplete, dict.fromkeys([*FORMATS, ALL], "format"))


def metrics(incomplete: str) -> Iterator[tuple[str, str]]:
    """Numbers that a comparison has, for conditions."""
    from whisperctl.compare.statistics import ERRORS, VALUES

    found = dict.fromkeys(ERRORS, "against the reference")
    found |= {"ratio": "to the baseline", "drift": "since the earlier comparison"}
    yield from _starting(incomplete, found | {value.name: value.label for value in VALUES})


def filters(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of installed filters; none of them is loaded."""
    from whisperctl.audio.filters import registry

    yield from _starting(incomplete, dict.fromkeys(registry.FILTERS.installed(), "filter"))


def languages(incomplete: str) -> Iterator[tuple[str, str]]:
    """Codes of languages; also names, once a name is being typed."""
    from whisperctl.languages import LANGUAGES

    yield from _starting(incomplete, {"auto": "detect it"})
    yield from _starting(incomplete, {code: name.title() for code, name in LANGUAGES.items()})
    if len(incomplete) > 1:
        yield from _starting(incomplete, {name: code for code, name in LANGUAGES.items()})


def profiles(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of guidelines for subtitles."""
    from whisperctl.options import PROFILES

    yield from _starting(incomplete, dict.fromkeys(PROFILES, "profile"))


@_separated
def quantizations(incomplete: str) -> Iterator[tuple[str, str]]:
    """Types that models can be quantized to."""
    from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION

    yield from _starting(incomplete, dict.fromkeys(FTYPE_OF_QUANTIZATION, "type"))


@_separated
def number_formats(incomplete: str) -> Iterator[tuple[str, str]]:
    """Types of weights that models can be compared in."""
    yield from _starting(incomplete, {"f16": "as most models are", "f32": "type"})
    yield from quantizations(incomplete)


def _starting(incomplete: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, about) for name, about in names.items() if name.startswith(incomplete))


def _models(incomplete: str, *, vad: bool) -> Iterator[tuple[str, str]]:
    from whisperctl.models import catalog
    from whisperctl.models.store import Store

    here = _listed(Store().detectors if vad else Store().installed)
    yield from _starting(incomplete, dict.fromkeys(here, "installed"))
    others = catalog.DETECTORS if vad else catalog.MODELS
    yield from _starting(incomplete, {name: "to be pulled" for name in others if name not in here})


def _installed() -> list[str]:
    from whisperctl.models.store import Store

    return _listed(Store().all_installed)


def _listed(names: Callable[[], list[str]]) -> list[str]:
    from whisperctl.errors import ModelError

    try:
        return names()
    except ModelError:  # the directory cannot be read; names of published models still help
        return []


def _runtimes(name: str) -> list[str]:
    from whisperctl.engine import registry

    info = registry.find(name).info
    return [] if info is None else [runtime.name for runtime in info.runtimes]
