"""Temporary files and folders, and the error where there is no place for them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO

from whisperctl.errors import OutputError
from whisperctl.storage import files
from whisperctl.text import quoted

_REMEDY = "set TMPDIR to a directory that can be written and has room"


def open_file(purpose: str) -> BinaryIO:
    """Open a file without a name, which is gone once it is closed.

    Args:
        purpose: what it is for, as messages name it.

    Raises:
        OutputError: no directory for temporary files can be written.
    """
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise problem(purpose, error) from error


def make_folder(purpose: str) -> Path:
    """Make a folder that only this user may enter; the caller removes it.

    Raises:
        OutputError: as ``open_file`` does.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="whisperctl-"))
    except OSError as error:
        raise problem(purpose, error) from error


def problem(purpose: str, error: OSError) -> OutputError:
    """Error for a temporary file that could not be made or written."""
    try:
        place = f"in {quoted(tempfile.gettempdir())} "
    except OSError:  # the system has none at all, and the reason says where it was looked for
        place = ""
    return OutputError(
        f"{purpose} needs a temporary file {place}({files.reason(error)}): {_REMEDY}"
    )
