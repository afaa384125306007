"""The directory that holds the models; they get in whole or not at all.

A model called NAME is the file ``ggml-NAME.bin``. It is prepared under a lock in a hidden directory
beside it, on the same file system, and the finished file takes its place in one step. The next run
removes what a killed one left behind.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from whisperctl.errors import ModelError
from whisperctl.models import catalog, ggml
from whisperctl.models.ggml.files import OnProgress, ignore
from whisperctl.storage import paths, urls
from whisperctl.storage.files import install, reason
from whisperctl.storage.paths import at_home
from whisperctl.text import quoted

VARIABLE = "WHISPERCTL_MODELS"
"""Environment variable that names another directory."""

_DEFAULTS = ("base", "tiny.en")
"""Models to use if none is named: the first that is installed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StoreError(ModelError):
    """The store's directory cannot be used: the disk is full, or it may not be written to."""


def default_directory() -> Path:
    """``$WHISPERCTL_MODELS``, or a directory in the user's data directory.

    Raises:
        StoreError: the home directory is not known.
    """
    try:
        return paths.find("data", VARIABLE, "models")
    except OSError as error:
        raise StoreError(
            f"no directory for models: {reason(error)}; set {VARIABLE} to one"
        ) from error


def resolve(name_or_path: str | os.PathLike[str] | None) -> Path:
    """The file of a model by its name or path, checked to be a whole Whisper model.

    ``None`` is the default one, see ``Store.default``.

    A text that contains a path separator or ends in ``.bin``, is a path; anything else is the
    name of a model in the default store or, failing that, of a file in the current directory.

    Raises:
        ModelError: the model is unknown, not installed, damaged, or not a ggml Whisper model.
    """
    return Store().resolve(name_or_path)


def find_detector(name_or_path: str | os.PathLike[str] | None = None) -> Path | None:
    """The file of a Silero model in the default store; see ``Store.find_detector``."""
    return Store().find_detector(name_or_path)


class Store:
    """Models in one directory, which is created with the first model."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Directory of the models.

        Raises:
            StoreError: the home directory is not known.
        """
        if self._directory is None:
            self._directory = default_directory()
        return self._directory

    def resolve(self, name_or_path: str | os.PathLike[str] | None) -> Path:
        """See the module's ``resolve``."""
        text = self.default() if name_or_path is None else os.fspath(name_or_path)
        if catalog.published(text) and self.canonical(text) in catalog.DETECTORS:
            raise ModelError(
                f'model "{text}" detects speech and cannot transcribe: name a Whisper model '
                '(run "whisperctl models pull base" to install one)'
            )
        path = self.locate(text)
        ggml.inspect(path)
        return path

    def find_detector(self, name_or_path: str | os.PathLike[str] | None = None) -> Path | None:
        """The file of a Silero model, checked to be whole.

        Args:
            name_or_path: a name or path as ``resolve`` takes it; ``None`` is the published model if
                it is installed, or else another Silero model that is.

        Returns:
            The file; ``None`` only where no model was named and none is installed.

        Raises:
            ModelError: the model named is unknown, not installed or another type of model, or the
                model found is damaged.
        """
        if name_or_path is None:
            here = self.detectors()
            if not here:
                return None
            path = self.path_of(here[0])
        else:
            text = os.fspath(name_or_path)
            if text in catalog.MODELS:
                raise ModelError(
                    f'model "{text}" transcribes and cannot detect speech: name a Silero model, '
                    'such as "silero"'
                )
            path = self.locate(text)
        ggml.inspect(path, "silero")
        return path

    def default(self) -> str:
        """Name of the model to use if none is named: base, tiny.en, or the only one installed.

        Raises:
            ModelError: none is installed, or several are and none of them is a default.
        """
        here = self.installed()
        for name in _DEFAULTS:
            if name in here:
                return name
        if len(here) == 1:
            return here[0]
        if here:
            raise ModelError(f"no default model: name one with --model ({', '.join(here)})")
        raise ModelError(
            f'no model is installed{self._nowhere()}: run "whisperctl models pull {_DEFAULTS[0]}"'
        )

    def missing(self, name: str | None) -> catalog.CatalogModel | None:
        """The published model that ``resolve`` would look for in vain, to be pulled.

        ``None`` if the model is installed, or is not a published one's name.
        """
        if name is None:
            return None if self.installed() else catalog.MODELS[_DEFAULTS[0]]
        try:
            self.locate(name)
        except ModelError:
            return catalog.MODELS.get(catalog.canonical(name))
        return None

    def locate(self, text: str) -> Path:
        """The file that a name or path stands for, of either type, whole or not.

        A path is returned unchecked. See the module's ``resolve`` for what is a path.

        Raises:
            ModelError: the model is unknown or not installed.
            UsageError: it is a URL.
        """
        separators = {os.sep, os.altsep} - {None}
        if text.endswith(".bin") or any(s in text for s in separators if s):
            return at_home(urls.local(text))
        if _NAME.fullmatch(text) and (path := self.path_of(self.canonical(text))).exists():
            return path
        if catalog.published(text):
            raise ModelError(
                f'model "{text}" is not installed{self._nowhere()}: '
                f'run "whisperctl models pull {text}"'
            )
        if text and Path(text).exists():
            return Path(text)
        raise catalog.unknown(text, tuple(self.all_installed()))

    def _nowhere(self) -> str:
        """The rest of an error if the variable names a directory that does not exist."""
        if not os.environ.get(VARIABLE) or self.directory.is_dir():
            return ""
        return f" ({VARIABLE} names {quoted(self.directory)}, which does not exist)"

    def path_of(self, name: str) -> Path:
        """Path of the model called ``name``, installed or not.

        Raises:
            ModelError: it is not a valid name.
        """
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"invalid model name {quoted(name)}: use up to 100 letters, digits, dots, "
                "hyphens and underscores, beginning with a letter or digit"
            )
        return self.directory / f"ggml-{name}.bin"

    def canonical(self, name: str) -> str:
        """The name that an alias stands for, unless an installed model has that name."""
        return name if self.path_of(name).exists() else catalog.canonical(name)

    def installed(self) -> list[str]:
        """Names of the installed models that transcribe, whole or not.

        The published come first, in the catalog's order. Those that detect speech are not among
        them: see ``detectors``.
        """
        return [name for name in self.all_installed() if not self._detects_speech(name)]

    def detectors(self) -> list[str]:
        """Names of the installed speech detectors, whole or not, the published one first."""
        return [name for name in self.all_installed() if self._detects_speech(name)]

    def _detects_speech(self, name: str) -> bool:
        return name in catalog.DETECTORS or ggml.begins_like_silero(self.path_of(name))

    def all_installed(self) -> list[str]:
        """Names of all installed models, the published ones first, in the catalog's order."""
        try:
            directory = self.directory
        except StoreError:
            return []  # nor can there be any
        try:
            files = [p.name for p in directory.glob("ggml-*.bin") if p.is_file()]
        except OSError as error:
            raise self._error(error) from error
        names = [name for f in files if _NAME.fullmatch(name := f[len("ggml-") : -len(".bin")])]
        order = [*catalog.MODELS, *catalog.DETECTORS]
        return sorted(names, key=lambda n: (order.index(n) if n in order else len(order), n))

    def require(self, name: str) -> Path:
        """The file of an installed model, whole or not.

        Raises:
            ModelError: it is not installed.
        """
        path = self.path_of(self.canonical(name))
        if path.exists():
            return path
        if catalog.published(name):
            raise ModelError(f'model "{name}" is not installed')
        raise catalog.unknown(name, tuple(self.all_installed()))

    def remove(self, name: str) -> Path:
        """Delete a model; returns its former path.

        Raises:
            ModelError: it is not installed, or may not be deleted.
        """
        path = self.require(name)
        with self._translated(), self._locked(path.name, name, ignore):
            path.unlink()
        return path

    @contextmanager
    def workspace(self, name: str, on_progress: OnProgress = ignore) -> Iterator[Path]:
        """A private directory to prepare a model in, removed afterwards in any case.

        Only one process at a time has one for ``name``; the others wait.

        Raises:
            StoreError: the directory cannot be written to, or the disk gets full.
        """
        target = self.path_of(name)
        with self._translated(), ExitStack() as stack:
            self.directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(self._locked(target.name, name, on_progress))
            self._clear_leftovers(target.name)
            work = self.directory / f".{target.name}.{secrets.token_hex(6)}.part"
            work.mkdir()
            stack.callback(shutil.rmtree, work, ignore_errors=True)
            yield work

    def install(self, name: str, file: Path) -> Path:
        """Move a finished file from a workspace to its place, atomically and durably.

        Raises:
            StoreError: the file cannot be moved.
        """
        target = self.path_of(name)
        with self._translated():
            install(file, target)
        return target

    @contextmanager
    def _locked(self, file_name: str, name: str, on_progress: OnProgress) -> Iterator[None]:
        import filelock

        lock = filelock.FileLock(self._lock_path(file_name))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            on_progress(f"waiting for another whisperctl to finish with {name}", 0, None)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _lock_path(self, file_name: str) -> Path:
        return self.directory / f".{file_name}.lock"

    def _clear_leftovers(self, own: str) -> None:
        """Remove workspaces whose processes ended: those whose lock is free, and our own."""
        import filelock

        for leftover in self.directory.glob(".ggml-*.part"):
            file_name = leftover.name[1:].rsplit(".", 2)[0]
            if file_name == own:
                shutil.rmtree(leftover, ignore_errors=True)
                continue
            with (
                suppress(filelock.Timeout),
                filelock.FileLock(self._lock_path(file_name), timeout=0),
            ):
                shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> StoreError:
        where = quoted(self.directory)
        if error.errno in _FULL:
            return disk_full(self.directory)
        return StoreError(
            f"the models' directory {where} cannot be used ({reason(error)}): check its "
            f"permissions, or set {VARIABLE} to another directory"
        )


def disk_full(directory: Path) -> StoreError:
    """The error for a full disk."""
    return StoreError(
        f"the disk is full: free some space at {quoted(directory)}, or set {VARIABLE} to a "
        "directory with more"
    )


def check_room(work: Path, total_bytes: int, largest_bytes: int) -> None:
    """Check that a workspace's disk has room for ``total_bytes`` and for the largest file.

    Raises:
        StoreError: it does not, or the user may not write that much.
    """
    probe = work / "room"
    try:
        if shutil.disk_usage(work).free < total_bytes:
            raise disk_full(work.parent)
        with probe.open("wb") as file:
            file.truncate(largest_bytes)  # takes no space, but keeps to limits
        probe.unlink()
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(work.parent) from error
        raise
