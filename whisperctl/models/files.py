"""Opens a model's file, and says in one line why that does not work."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from whisperctl.errors import ModelError
from whisperctl.quoting import quoted


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file, open; what goes wrong in the block with reading it is translated as well.

    Raises:
        ModelError: it is missing, may not be read, or is no regular file.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            hint = (
                "import it with: whisperctl models import"
                if (path / "model.bin").exists()
                else "name a ggml file"
            )
            raise ModelError(f"{quoted(path)} is a directory, not a model file: {hint}")
        if not stat.S_ISREG(mode):
            raise ModelError(f"{quoted(path)} is not a file: name a ggml file")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise ModelError(f"{quoted(path)} does not exist: check the name") from error
    except PermissionError as error:
        raise ModelError(f"{quoted(path)} may not be read: check its permissions") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{quoted(path)} cannot be read: {reason}") from error


def flush(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk.

    Raises:
        OSError: it cannot be opened, or not written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
