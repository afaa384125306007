"""Where what can be made again is kept between runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from whisperctl.errors import BackendError
from whisperctl.storage import paths
from whisperctl.text import quoted

VARIABLE = "WHISPERCTL_CACHE"
"""The environment variable that names another directory."""


def distrust(path: Path) -> str | None:
    """Why others could change what is in a file or folder, as the rest of a sentence.

    ``None`` if they cannot: it belongs to this user, nobody else may write it, and nobody else
    could replace it or a folder above it. A folder in which everybody may write, but each only what
    is his own, such as ``/tmp``, is fine above it; so is a group in which this user is alone.
    """
    if not hasattr(os, "geteuid"):
        return None  # Windows keeps what is in a user's folders to that user
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
        return f"{quoted(path)} cannot be looked at: {error.strerror}"
    return None


def shared_by(status: os.stat_result) -> bool:
    """Whether the mode of a file or folder lets others than its owner write."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private(status.st_gid)


def _is_private(group: int) -> bool:
    """Whether a group is this user's own, as many systems make one for each user."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid())
        found = grp.getgrgid(group)
    except KeyError:
        return False
    return group == user.pw_gid and found.gr_name == user.pw_name and not found.gr_mem


def cache_dir(name: str) -> Path:
    """The folder of this name in the user's cache, made if need be; ``VARIABLE`` moves it.

    Raises:
        BackendError: the folder cannot be made.
    """
    try:
        root = paths.find("cache", VARIABLE)
    except OSError as error:
        raise BackendError(f"there is no place for a cache: {error.strerror}") from error
    folder = root / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"cannot make the cache folder {quoted(folder)}: {error.strerror}; set {VARIABLE} to a "
            "folder that can be written"
        ) from error
    return folder
