"""One line, and the end of the process, where ggml gives up.

ggml calls ``abort()`` where a condition of its own does not hold: nothing can go on from there. By
default it also prints the place with a backtrace, for which it starts a debugger if there is one.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

from whisperctl_native import library

_FAILED = 1
_STDERR = 2

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


@cache
def install() -> None:
    """Have ggml call ``_on_abort``; a build without that function keeps its own ways."""
    try:
        set_callback = library.function("ggml_set_abort_callback")
    except (AttributeError, OSError):
        return
    set_callback.argtypes = (_Callback,)
    set_callback.restype = ctypes.c_void_p
    set_callback(_CALLBACK)


def _on_abort(message: bytes) -> None:
    place, _, what = message.decode(errors="backslashreplace").rpartition("/")[2].partition(" ")
    line = (
        f"whisperctl: error: whisper.cpp gave up ({place} {' '.join(what.split())}): the model may "
        "be damaged; check it with whisperctl models verify, or try another backend\n"
    )
    # Not through Python's streams, whose locks another thread may hold. Nothing can be closed in
    # this state; without _exit the process would end by SIGABRT, which shells and systems report.
    os.write(_STDERR, line.encode())
    os._exit(_FAILED)


_CALLBACK = _Callback(_on_abort)  # must live as long as the library
