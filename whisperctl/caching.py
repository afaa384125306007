"""Where what can be made again is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from whisperctl.errors import BackendError
from whisperctl.quoting import quoted

VARIABLE = "WHISPERCTL_CACHE"
"""The environment variable that names another directory."""


def cache_dir(name: str) -> Path:
    """The folder of this name in the user's cache, made if need be; ``VARIABLE`` moves it.

    Raises:
        BackendError: the folder cannot be made.
    """
    import platformdirs

    root = os.environ.get(VARIABLE) or platformdirs.user_cache_dir("whisperctl")
    folder = Path(root, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            f"cannot make the cache folder {quoted(folder)}: {error.strerror}; set {VARIABLE} to a "
            "folder that can be written"
        ) from error
    return folder
