"""``whisperctl models``: list, pull, import, quantize, verify, path, rm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command, Group
from whisperctl.formats import listed
from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION
from whisperctl.text import visible

if TYPE_CHECKING:
    from whisperctl.models.ggml.files import OnProgress

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Download, import, quantize, verify and remove models.",
)


@app.command("list", cls=Command)
def list_models(
    installed: Annotated[
        bool, typer.Option("--installed", help="List only installed models.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """List published and installed models."""
    from whisperctl.errors import ModelError
    from whisperctl.models import catalog, ggml
    from whisperctl.models.store import Store

    store = Store()
    here = store.all_installed()
    detectors = [*([] if installed else catalog.DETECTORS), *store.detectors()]
    names = [*([] if installed else catalog.MODELS), *store.installed(), *detectors]
    rows, documents = [], []
    for name in dict.fromkeys(names):
        published = catalog.published(name)
        size_bytes = published.size_bytes if published else 0
        n_languages = published.n_languages if published else 0
        state = ""
        if name in here:
            path = store.path_of(name)
            size_bytes = path.stat().st_size
            try:
                n_languages = ggml.inspect(path, None).n_languages
                state = "installed"
            except ModelError:
                state = "damaged"
        use = "detects speech" if name in detectors else _languages(n_languages)
        rows.append((name, _size(size_bytes), use, state))
        documents.append(
            {
                "name": name,
                "size_bytes": size_bytes,
                "languages": n_languages,
                "detects_speech": name in detectors,
                "state": state or "published",
            }
        )
    if as_json:
        import json

        console.result(json.dumps(documents, indent=2))
        return
    console.table(("NAME", "SIZE", "LANGUAGES", "STATE"), rows)


@app.command("pull", cls=Command)
def pull_models(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Published models.", autocompletion=completion.published_models
        ),
    ],
) -> None:
    """Download published models and check their hashes.

    The first pull also installs silero, the small model that detects speech.
    """
    from whisperctl.models import catalog
    from whisperctl.models.pull import pull
    from whisperctl.models.store import Store

    # Before any work, so that a typing error shows at once.
    names = [catalog.find(name).name for name in names]
    for name in dict.fromkeys(names):
        with _progress() as on_progress:
            result = pull(name, on_progress=on_progress)
        state = "installed" if result.new else "already installed"
        console.result(f"{name}: {state}, {result.path}")
    if not Store().detectors():
        _pull_detector(console.result)


def offer_missing(name: str | None) -> None:
    """Offer a person at a terminal (``console.is_dialog``) to pull a model that is not installed.

    Args:
        name: the model's name or path; ``None`` is the default model.

    Raises:
        ModelError: it was wanted, and cannot be pulled.
    """
    from whisperctl.models.pull import pull
    from whisperctl.models.store import Store

    missing = Store().missing(name)
    if missing is None or not console.agrees(
        f'model "{missing.name}" is not installed: download it now ({_size(missing.size_bytes)})?'
    ):
        return
    with _progress() as on_progress:
        result = pull(missing.name, on_progress=on_progress)
    console.note(f"{result.name}: installed, {result.path}")
    if not Store().detectors():
        _pull_detector(console.note)


def _pull_detector(say: Callable[[str], None]) -> None:
    """Install the model that detects speech along with another model."""
    from whisperctl.errors import ModelError
    from whisperctl.models import catalog
    from whisperctl.models.pull import pull

    try:
        with _progress() as on_progress:
            result = pull(catalog.DETECTOR.name, on_progress=on_progress)
    except ModelError as error:
        console.line(f"note: the model that detects speech was not installed: {error}")
        return
    say(f"{result.name}: installed, {result.path} (detects speech)")


@app.command("import", cls=Command)
def import_model(
    path: Annotated[
        Path, typer.Argument(help="A ggml file, or a faster-whisper (CTranslate2) directory.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Name to install it under.", show_default="its published name, or the file's name"
        ),
    ] = None,
) -> None:
    """Install a ggml file, or convert a faster-whisper model."""
    from whisperctl.models import pull

    with _progress() as on_progress:
        result = pull.import_model(path, name, on_progress=on_progress)
    note = f" (this is the published {result.published_as})" if result.published_as else ""
    console.result(f"{result.name}: installed, {result.path}{note}")


@app.command("quantize", cls=Command)
def quantize_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="Installed float16 or float32 model.",
            autocompletion=completion.installed_models,
        ),
    ],
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help=f"Quantization: {listed(FTYPE_OF_QUANTIZATION)}.",
            autocompletion=completion.quantizations,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the result.", show_default="NAME-TYPE")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing model of that name.")
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            autocompletion=completion.engines,
            help="Backend that quantizes.",
            show_default="the preferred one that works",
        ),
    ] = None,
) -> None:
    """Quantize a model, as whisper.cpp's quantize tool does.

    q8_0 is the most accurate, q4_0 the smallest.
    """
    from whisperctl.engine import registry
    from whisperctl.models import catalog
    from whisperctl.models.quantize import CUSTOM, quantize

    engine = None if backend is None else registry.parse(backend)
    with _progress() as on_progress:
        result = quantize(
            model,
            type_name,
            lambda: registry.open_quantizer(engine),
            name=name,
            force=force,
            on_progress=on_progress,
        )
    note = ""
    if result.published_as:
        note = f" (identical to the published {result.published_as})"
    elif (published := result.name.removesuffix(CUSTOM)) in catalog.MODELS:
        note = f" (differs from the published {published})"
    console.result(f"{result.name}: installed, {result.path}{note}")


@app.command("verify", cls=Command)
def verify_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Installed models; all by default.",
            autocompletion=completion.installed_models,
        ),
    ] = None,
) -> None:
    """Compare installed models with their published hashes.

    Exit codes: 0 success; 1 at least one model is damaged; 2 usage error.
    """
    from whisperctl.models.pull import verify

    damaged = False
    with _progress() as on_progress:
        verdicts = list(verify(names or None, on_progress=on_progress))
    for verdict in verdicts:
        console.result(f"{verdict.name}: {verdict.status} ({verdict.detail})")
        damaged = damaged or verdict.status == "damaged"
    if not verdicts:
        console.line("no models are installed")
    if damaged:
        raise typer.Exit(1)


@app.command("path", cls=Command)
def print_path(
    name: Annotated[
        str,
        typer.Argument(help="Installed model.", autocompletion=completion.installed_models),
    ],
) -> None:
    """Print the path of a model's file."""
    from whisperctl.models import ggml
    from whisperctl.models.store import Store

    path = Store().locate(name)
    ggml.inspect(path, None)
    console.path(path)


@app.command("rm", cls=Command)
def remove_models(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Installed models.",
            autocompletion=completion.installed_models,
        ),
    ],
) -> None:
    """Remove models."""
    from whisperctl.models.store import Store

    store = Store()
    for name in names:
        store.require(name)
    names = [store.canonical(name) for name in names]
    for name in dict.fromkeys(names):
        console.result(f"{name}: removed, {store.remove(name)}")


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A progress bar for each step on a terminal, else a line for each; on standard error."""
    step_shown = ""
    if not sys.stderr.isatty():

        def on_line(step: str, done_bytes: int, total_bytes: int | None) -> None:
            nonlocal step_shown
            if step != step_shown:
                console.line(step)
                step_shown = step

        yield on_line
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task: TaskID | None = None

        def on_bar(step: str, done_bytes: int, total_bytes: int | None) -> None:
            nonlocal step_shown, task
            if task is None or step != step_shown:
                task = bars.add_task(visible(step), total=total_bytes)
                step_shown = step
            bars.update(task, completed=done_bytes, total=total_bytes)

        yield on_bar


def _size(size_bytes: int) -> str:
    mib = size_bytes / 2**20
    return f"{mib:.0f} MiB" if mib < 1000 else f"{mib / 1024:.1f} GiB"


def _languages(n_languages: int) -> str:
    if n_languages == 0:
        return ""
    return "English" if n_languages == 1 else str(n_languages)
