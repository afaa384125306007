"""A cache of machine code: what is in it is run, so it is used only where nobody else can write.

Behind the code, a cached file has one line of JSON that binds it: the SHA-256 of the module it was
compiled from, the SHA-256 of the code, and the compiler with its version and flags. Wasmtime maps
such a file, which takes a third of the time of reading it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from whisperctl.storage.paths import shared_by

# What only writing needs is imported there: every guest that starts waits for this module.

if TYPE_CHECKING:
    import wasmtime

_BINDING_BYTES = 4096
_MANIFEST = "whisperctl.json"
_UNTRUSTED = "untrusted"


def sha256(data: bytes | memoryview) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def stored(path: Path, binding: dict[str, str]) -> Iterator[str | None]:
    """The name of a file with code that was stored with this binding and is whole; else ``None``.

    The name is good in the block: that of the file that was checked, not of one that takes its
    place meanwhile.
    """
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - closed by the block below
    except OSError:
        yield None
        return
    with file:
        name = f"/dev/fd/{file.fileno()}" if os.name == "posix" else str(path)
        yield name if _is_whole(file, binding) else None


def _is_whole(file: BinaryIO, binding: dict[str, str]) -> bool:
    try:
        if not _is_ours(os.fstat(file.fileno())):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = data.rfind(b"\n", max(0, len(data) - _BINDING_BYTES))
            record = json.loads(data[end + 1 :][:_BINDING_BYTES])
            with memoryview(data) as view, view[: max(0, end)] as code:
                return bool(record == {**binding, "code": sha256(code)})
    except (OSError, ValueError, RecursionError):
        return False


def write(path: Path, code: bytes, binding: dict[str, str]) -> None:
    """Store code with its binding. A cache that cannot be written costs time, nothing else."""
    _write(path, code + b"\n" + json.dumps({**binding, "code": sha256(code)}).encode())


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for somebody to write, as a pipe in its place would."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def compiled(
    engine: wasmtime.Engine, module: bytes, path: Path | None, binding: dict[str, str]
) -> wasmtime.Module:
    """A module's machine code under Wasmtime: that in ``path``, or compiled and stored there.

    Args:
        engine: for which it is compiled.
        module: the module.
        path: the cached file; ``None`` for no cache.
        binding: what the cached code is bound to. Wasmtime does not notice by itself that code was
            compiled with other CPU flags than it is to run with.

    Raises:
        WasmtimeError: the module cannot be compiled.
    """
    import wasmtime

    if path is not None:
        with stored(path, binding) as name:
            if name is not None:
                # One for another CPU is compiled again.
                with contextlib.suppress(wasmtime.WasmtimeError):
                    return wasmtime.Module.deserialize_file(engine, name)
    made = wasmtime.Module(engine, module)
    if path is not None:
        write(path, bytes(made.serialize()), binding)
    return made


def _is_ours(status: os.stat_result) -> bool:
    """True if this is a plain file of this user that nobody else can write."""
    owned = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISREG(status.st_mode) and owned and not shared_by(status)


@contextlib.contextmanager
def bound_folder(path: Path, binding: dict[str, str]) -> Iterator[None]:
    """A folder that a compiler manages itself, bound to a module by a manifest kept in it.

    The manifest has the SHA-256 of every file. A folder whose files are not those of its manifest
    is emptied first; when the block ends, the manifest is written. Processes take turns where one
    of them must write, and share where none does.
    """
    with _lock(path, exclusive=False):
        whole = _is_bound(path, binding)
        if whole:
            yield
    if not whole:
        with _lock(path, exclusive=True):
            if not _is_bound(path, binding):
                import shutil

                shutil.rmtree(path, ignore_errors=True)
                path.mkdir(mode=0o700, exist_ok=True)
            yield
            manifest = json.dumps({**binding, "files": _files(path)}).encode()
            _write(path / _MANIFEST, manifest)


def _is_bound(path: Path, binding: dict[str, str]) -> bool:
    try:
        files = _files(path)
        if _UNTRUSTED in files.values():  # the manifest too, which may be a pipe
            return False
        manifest = json.loads((path / _MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return bool(manifest == {**binding, "files": files})


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = path.relative_to(folder).as_posix()
        if _is_ours(status):
            if name != _MANIFEST:
                found[name] = sha256(path.read_bytes())
        elif not stat.S_ISDIR(status.st_mode):
            found[name] = _UNTRUSTED
    return found


@contextlib.contextmanager
def _lock(path: Path, *, exclusive: bool) -> Iterator[None]:
    try:
        import fcntl

        with path.with_name(f"{path.name}.lock").open("ab") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
    except ImportError:
        yield


def _write(path: Path, data: bytes) -> None:
    import tempfile

    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
