"""Functions that the bindings leave out, called in the library behind them.

The reason for going there is to stop a computation. whisper.cpp asks its abort callback only
between graphs, and one graph is a whole pass of the encoder, half a minute with a large model. ggml
asks after every operation, but only a callback set on the CPU backend, and whisper.cpp neither sets
one nor shows its backends. So while a model is being loaded we stand in for the function by which
the CPU device makes its backends, and give the callback to each that it makes.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import _pywhispercpp as pw
from whisperctl.errors import ModelError
from whisperctl.text import quoted
from whisperctl_native import log

# enum ggml_backend_dev_type
_CPU = 0

# Where struct ggml_backend_device_i (ggml-backend-impl.h) has its functions, in pointers.
_GET_NAME = 0
_GET_TYPE = 3
_INIT_BACKEND = 5

_GetName = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)
_GetType = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_InitBackend = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)

_loading = threading.Lock()


class StopFlag:
    """A flag that the engine reads between two operations, without Python's lock.

    ggml's callback is ``bool (*)(void * data)``. C's own ``strlen`` will do as one: ``data`` is a
    string that is empty (false) until the flag is set. A callback in Python would take the
    interpreter's lock some hundred times a token.
    """

    def __init__(self) -> None:
        self._string = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Stop the engine at its next operation."""
        self._string[0] = b"\1"

    def clear(self) -> None:
        """Let the engine compute."""
        self._string[0] = b"\0"

    def is_set(self) -> bool:
        """True if the engine is to stop."""
        return self._string[0] != b"\0"

    @property
    def address(self) -> int:
        """Address of the string."""
        return ctypes.addressof(self._string)


@contextmanager
def utf8_path(model: Path) -> Iterator[bytes]:
    """A path to the file in UTF-8: whisper.cpp logs it, and the bindings decode that.

    A file whose name is something else goes by the number that it is open with.

    Raises:
        ModelError: it cannot be opened.
    """
    path = os.fsencode(model)
    try:
        path.decode()
    except UnicodeDecodeError:
        try:
            file = model.open("rb")
        except OSError as error:
            raise ModelError(f"cannot read {quoted(model)}: {error.strerror}") from error
        with file:
            yield f"/dev/fd/{file.fileno()}".encode()
    else:
        yield path


def whisper_version() -> str:
    """whisper.cpp's version, empty when this build does not tell."""
    try:
        function = _library().whisper_version
    except (AttributeError, OSError):
        return ""
    function.restype = ctypes.c_char_p
    return bytes(function()).decode()


def system_info() -> str:
    """whisper.cpp's line of CPU features."""
    with log.capture():
        return " ".join(pw.whisper_print_system_info().split())


class _Choice(threading.local):
    flag: Callable[[], StopFlag | None] | None = None


_choice = _Choice()
_users = 0
_original = 0
_stand_in: object = None


@contextmanager
def stoppable(flag: StopFlag) -> Iterator[None]:
    """Models loaded inside the ``with`` stop in mid-computation when ``flag`` is set.

    The flag must live as long as the model. In a build that is not as we know it nothing is done,
    and only whisper.cpp's own abort callback stops a computation, at the end of a graph.
    """
    with backends_with(lambda: flag):
        yield


@contextmanager
def backends_with(flag: Callable[[], StopFlag | None]) -> Iterator[None]:
    """Backends that ggml makes in this thread inside the ``with`` stop by the flag that is given.

    Args:
        flag: called for each backend, in the middle of whatever makes it; ``None`` is no flag. A
            flag must live as long as the backend.
    """
    global _original, _stand_in, _users
    with _loading:
        device = _device()
        if device is not None:
            if _users == 0:
                slots = _slots(device)
                _original = slots[_INIT_BACKEND]
                _stand_in = _InitBackend(_init_backend)  # named, because it must outlive its use
                slots[_INIT_BACKEND] = _address(_stand_in)
            _users += 1
    before, _choice.flag = _choice.flag, flag
    try:
        yield
    finally:
        _choice.flag = before
        if device is not None:
            with _loading:
                _users -= 1
                if _users == 0:
                    _slots(device)[_INIT_BACKEND] = _original


def _init_backend(device: int, params: bytes | None) -> int | None:
    """Replacement of the CPU device's own function."""
    backend: int | None = _InitBackend(_original)(device, params)
    flag = _choice.flag() if _choice.flag is not None else None
    if backend and flag is not None:
        _library().ggml_backend_cpu_set_abort_callback(
            ctypes.c_void_p(backend),
            ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p),
            ctypes.c_void_p(flag.address),
        )
    return backend


def can_stop() -> bool:
    """True if this build is as we know it, so that ``stoppable`` and ``backends_with`` work."""
    with _loading:
        return _device() is not None


def quantize_chunk(
    type_id: int, source: int, target: ctypes.Array[ctypes.c_char], n_rows: int, n_columns: int
) -> int:
    """Call ``ggml_quantize_chunk`` on the float32 values at ``source``; gives the bytes written.

    Raises:
        AttributeError: this build does not show the function.
        OSError: the library cannot be opened by its name.
    """
    function = _library().ggml_quantize_chunk
    function.restype = ctypes.c_size_t
    function.argtypes = (
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        *(ctypes.c_int64,) * 3,
        ctypes.c_void_p,
    )
    return int(function(type_id, source, target, 0, n_rows, n_columns, None))


def function(name: str) -> Any:
    """A function of whisper.cpp or ggml, of the library that the bindings use.

    Raises:
        AttributeError: this build does not show the function.
        OSError: the library cannot be opened by its name.
    """
    return getattr(_library(), name)


@cache
def _library() -> ctypes.CDLL:
    # The system looks a name up in what the bindings were linked with as well, so that we reach
    # the very library they use, whatever its file is called.
    if pw.__file__ is None:
        raise OSError("the bindings have no file")
    return ctypes.CDLL(pw.__file__)


def _slots(device: int) -> ctypes.Array[ctypes.c_size_t]:
    """The functions of the device, as addresses."""
    return (ctypes.c_size_t * (_INIT_BACKEND + 1)).from_address(device)


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # any function


@cache
def _device() -> int | None:
    """The CPU device's address, if all there is as we know it."""
    try:
        ggml = _library()
        ggml.ggml_backend_dev_by_type.restype = ctypes.c_void_p
        ggml.ggml_backend_dev_name.restype = ctypes.c_char_p
        ggml.ggml_backend_dev_init.restype = ctypes.c_void_p
        ggml.ggml_backend_is_cpu.restype = ctypes.c_bool
        _ = (
            ggml.ggml_backend_cpu_set_abort_callback,
            ggml.ggml_backend_free,
            ctypes.CDLL(None).strlen,
        )
        device: int | None = ggml.ggml_backend_dev_by_type(_CPU)
    except (AttributeError, OSError, TypeError):  # another build, or Windows
        return None
    if not device:
        return None
    slots = _slots(device)
    if not (slots[_GET_NAME] and slots[_GET_TYPE] and slots[_INIT_BACKEND]):
        return None
    name = ggml.ggml_backend_dev_name(ctypes.c_void_p(device))
    if _GetName(slots[_GET_NAME])(device) != name or _GetType(slots[_GET_TYPE])(device) != _CPU:
        return None

    # Does the slot that makes backends hold what the library calls to make one?
    made: list[int | None] = []
    original = slots[_INIT_BACKEND]

    make = _InitBackend(original)

    def probe(device: int, params: bytes | None) -> int | None:
        made.append(make(device, params))
        return made[-1]

    stand_in = _InitBackend(probe)
    slots[_INIT_BACKEND] = _address(stand_in)
    try:
        backend = ggml.ggml_backend_dev_init(ctypes.c_void_p(device), None)
    finally:
        slots[_INIT_BACKEND] = original
    if not backend:
        return None
    is_cpu = bool(ggml.ggml_backend_is_cpu(ctypes.c_void_p(backend)))
    ggml.ggml_backend_free(ctypes.c_void_p(backend))
    return device if made == [backend] and is_cpu else None
