"""The user's own directories, where the system has them or a variable of ours says."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

Kind = Literal["config", "data", "cache", "state"]


def at_home(name: str) -> Path:
    """A path in which ``~`` stands for a home; where there is none it stands for itself.

    ``Path.expanduser`` raises for a user that does not exist.
    """
    return Path(os.path.expanduser(name))  # noqa: PTH111 - see above


def named(variable: str) -> Path | None:
    """The path that an environment variable holds, if it holds one."""
    text = os.environ.get(variable)
    return at_home(text) if text else None


def find(kind: Kind, variable: str, below: str = "") -> Path:
    """The path that ``variable`` holds, else what is called ``below`` in our directory of a kind.

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
