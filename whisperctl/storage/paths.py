"""The user's own directories, and who else could write in them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal

# What only errors need is imported there: each guest's process waits for this module.

Kind = Literal["config", "data", "cache", "state"]

CACHE_VARIABLE = "WHISPERCTL_CACHE"
"""Environment variable that names another cache directory."""


def at_home(name: str) -> Path:
    """Path with ``~`` expanded; kept as it is where there is no home directory.

    ``Path.expanduser`` raises for a user that does not exist.
    """
    return Path(os.path.expanduser(name))  # noqa: PTH111 - see above


def named(variable: str) -> Path | None:
    """Path in an environment variable; ``None`` if it is not set."""
    text = os.environ.get(variable)
    return at_home(text) if text else None


def find(kind: Kind, variable: str, below: str = "") -> Path:
    """Path in an environment variable, else ``below`` in our directory of a kind.

    Raises:
        FileNotFoundError: no home directory is known, as for a user without an account;
            ``strerror`` says what to do.
    """
    path = named(variable)
    if path is not None:
        return path
    import platformdirs

    try:
        usual: Path = getattr(platformdirs, f"user_{kind}_path")("whisperctl", appauthor=False)
    except RuntimeError as error:
        raise _homeless(variable) from error
    if not usual.is_absolute():  # an older platformdirs gives "~/..." back
        raise _homeless(variable)
    return usual / below


def _homeless(variable: str) -> FileNotFoundError:
    reason = f"no home directory is known; set HOME or {variable}"
    return FileNotFoundError(errno.ENOENT, reason)


def distrust(path: Path) -> str | None:
    """Reason that others could change a file or directory; ``None`` if they cannot.

    They cannot if it belongs to this user, nobody else may write it, and nobody else could replace
    it or a directory above it. A directory with the sticky bit, such as ``/tmp``, is fine above it;
    so is a group of which this user is the only member.
    """
    if not hasattr(os, "geteuid"):
        return None  # Windows keeps what is in a user's directories to that user
    from whisperctl.storage import files
    from whisperctl.text import quoted

    try:
        whole = path.resolve(strict=True)
        for place in (whole, *whole.parents):
            status = place.stat()
            own = place == whole
            if status.st_uid != os.geteuid() and (own or status.st_uid != 0):
                return f"{quoted(place)} belongs to another user"
            if shared_by(status) and (own or not status.st_mode & stat.S_ISVTX):
                return f"{quoted(place)} can be written by others"
    except OSError as error:
        return f"{quoted(path)} cannot be examined: {files.reason(error)}"
    return None


def shared_by(status: os.stat_result) -> bool:
    """True if the mode of a file or directory lets others than its owner write."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private(status.st_gid)


def _is_private(group: int) -> bool:
    """True if a group is this user's own, as many systems make one for each user."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid())
        found = grp.getgrgid(group)
    except KeyError:
        return False
    return group == user.pw_gid and found.gr_name == user.pw_name and not found.gr_mem


def cache_dir(name: str) -> Path:
    """Directory of this name in the user's cache, made if missing; ``CACHE_VARIABLE`` moves it.

    Raises:
        BackendError: the directory cannot be made.
    """
    from whisperctl.errors import BackendError
    from whisperctl.storage import files
    from whisperctl.text import quoted

    try:
        root = find("cache", CACHE_VARIABLE)
    except OSError as error:
        raise BackendError(f"no directory for a cache: {files.reason(error)}") from error
    folder = root / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"cannot make the cache directory {quoted(folder)}: {files.reason(error)}; "
            f"set {CACHE_VARIABLE} to a directory that can be written"
        ) from error
    return folder
