"""Files of an order: where this worker has them, or has them sent to."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from whisperctl.errors import WhisperctlError
from whisperctl.jobs.job import Job, Task
from whisperctl.models import catalog
from whisperctl.models.ggml.files import OncePerFile, hex_digest
from whisperctl.models.store import Store
from whisperctl.storage import files, paths
from whisperctl.text import quoted
from whisperctl_dask.link import BUSY_S, Link, UnavailableError
from whisperctl_dask.messages import Order, Setup, SharedFile

_LOG = logging.getLogger("whisperctl.cluster")
_PURPOSE = "transcribing recordings for a cluster"
_CACHE = "cluster"
_KEPT_MODELS = 4


@contextmanager
def placed(setup: Setup, order: Order, link: Link) -> Iterator[tuple[Job, Task, dict[str, str]]]:
    """The job and task with paths of this machine; what was sent for the task alone is removed.

    Gives, besides, names in messages to be replaced by those that the coordinator knows.
    """
    job, task = setup.job, order.task
    names: dict[str, str] = {}
    folder: Path | None = None
    try:
        for place, file in enumerate((*setup.files, *order.files)):
            if _is_seen(file):
                continue
            if place < len(setup.files):
                path = _cached(place, file, link)
                task = replace(
                    task,
                    runs=tuple(
                        replace(run, model=path) if run.model == file.path else run
                        for run in task.runs
                    ),
                )
                job = replace(
                    job,
                    model=path if file.path == job.model else job.model,
                    vad_model=path if file.path == job.vad_model else job.vad_model,
                )
            else:
                folder = folder or files.make_temporary_folder(_PURPOSE)
                path = folder / (file.path.name if file.path.name != "-" else "stdin")
                _fetch(place, path, link)
                if task.chunk is not None:
                    task = replace(task, chunk=replace(task.chunk, path=path))
                else:
                    task = replace(task, recording=replace(task.recording, name=str(path)))
            names[quoted(path)] = quoted(file.path)
        yield job, task, names
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _is_seen(file: SharedFile) -> bool:
    """True if this worker has the same file at the same place."""
    if file.size < 0:
        return False
    try:
        status = file.path.stat()
    except (OSError, ValueError):
        return False
    return (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns)


def _cached(place: int, file: SharedFile, link: Link) -> Path:
    """A model of this machine's, found by its hash: in the cache or the store of models.

    If it is in neither, the store pulls it where it is a published one; else it is sent.
    """
    _, digest = link.ask(place, -1)
    if len(digest) != 64 or not digest.isalnum():
        raise UnavailableError("the coordinator gave no hash")
    root = paths.cache_dir(_CACHE)
    path = root / digest / file.path.name
    lock = FileLock(root / f"{digest}.lock")
    while True:
        link.check()
        with suppress(Timeout):
            lock.acquire(timeout=BUSY_S)
            break
    try:
        if not path.exists():
            own = _pulled(file, digest, link.check)
            if own is not None:
                return own
            path.parent.mkdir(exist_ok=True)
            with files.replacing(path) as out:
                found = hashlib.sha256()
                for data in _parts(place, link):
                    found.update(data)
                    out.write(data)
                if found.hexdigest() != digest:
                    raise UnavailableError("it arrived damaged")
            _prune(root, path.parent)
        os.utime(path.parent)
    finally:
        lock.release()
    return path


_digest = OncePerFile(partial(hex_digest, algorithm="sha256"))
_not_pulled: set[str] = set()
"""Hashes of models that this machine cannot get by itself."""


def _pulled(file: SharedFile, digest: str, check: Callable[[], None]) -> Path | None:
    """A published model in this machine's store, pulled if it is not there.

    Args:
        file: the coordinator's.
        digest: its SHA-256.
        check: called now and then; what it raises stops the download.

    Returns:
        Its file, or ``None``: it is no published model, or cannot be had.
    """
    from whisperctl.models.pull import pull

    name = file.path.name.removeprefix("ggml-").removesuffix(".bin")
    model = catalog.published(name)
    if model is None or model.size_bytes != file.size or digest in _not_pulled:
        return None
    try:
        path = Store().path_of(model.name)
        if not path.exists():
            path = pull(model.name, on_progress=lambda *_: check()).path
        if _digest(path) == digest:
            return path
    except (WhisperctlError, OSError) as error:
        _LOG.info("%s is sent, as it cannot be pulled here: %s", model.name, error)
    _not_pulled.add(digest)
    return None


def _prune(root: Path, kept: Path) -> None:
    """Remove the models that were used the longest ago, but for a few."""
    folders = sorted(
        (path for path in root.iterdir() if path.is_dir() and path != kept),
        key=lambda path: path.stat().st_mtime,
    )
    for folder in folders[: 1 - _KEPT_MODELS]:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(place: int, path: Path, link: Link) -> None:
    with path.open("xb") as out:
        for data in _parts(place, link):
            out.write(data)


def _parts(place: int, link: Link) -> Iterator[bytes]:
    offset = 0
    while True:
        data, _ = link.ask(place, offset)
        if not data:
            return
        yield data
        offset += len(data)
