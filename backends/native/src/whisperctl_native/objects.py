"""whisper.cpp's structures inside the objects of the bindings.

For what the bindings have no function for: a context's address, and a function of C as the filter
of logits. Where they keep these is tried out with what is known before it is relied on, and in a
build that is not as we know it there is no address.
"""

from __future__ import annotations

import ctypes
from functools import cache

import _pywhispercpp as pw
from whisperctl_native import library

# An object of pybind11 begins with Python's own header and the address of what it holds.
_HEADER_BYTES = object.__basicsize__
_POINTER_BYTES = ctypes.sizeof(ctypes.c_void_p)
# struct whisper_context_params: two bools, and the device's number in the next whole word.
_GPU_DEVICE_AT = 4
# struct whisper_full_params is longer than this, and has the filter in this part.
_PARAMS_POINTERS = 40

_LogitsFilter = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
)

_SHORTEST_TIMESTAMP = 8
"""In the 20 ms of a timestamp token."""

_MINUS_INFINITY = b"\0\0\x80\xff"


def _held(thing: object) -> int:
    """The address of what an object of the bindings holds."""
    return ctypes.c_void_p.from_address(id(thing) + _HEADER_BYTES).value or 0


@cache
def _as_known() -> bool:
    params = pw.whisper_context_default_params()
    for device in (1_234_567, 7_654_321):
        params.gpu_device = device
        held = _held(params)
        if not held or held % _POINTER_BYTES:
            return False
        if ctypes.c_int.from_address(held + _GPU_DEVICE_AT).value != device:
            return False
    return True


def context_address(context: pw.whisper_context) -> int | None:
    """The ``whisper_context *`` of a context."""
    if not _as_known():
        return None
    return ctypes.c_void_p.from_address(_held(context)).value  # a structure of this pointer alone


def no_speech_probability(context: int, segment: int) -> float | None:
    """The probability, by the model's own token for it, that the segment's window is silent."""
    try:
        function = library.function("whisper_full_get_segment_no_speech_prob")
    except (AttributeError, OSError):
        return None
    function.restype = ctypes.c_float
    function.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return float(function(context, segment))


class TimestampFilter:
    """Keeps segments from ending within 0.14 s of their window's start.

    The next window begins where the last timestamp says, and whisper.cpp aborts the process when it
    is to align what lies before it and that is next to nothing.
    """

    def __init__(self, context: pw.whisper_context) -> None:
        first = pw.whisper_token_beg(context) + 1
        data = _MINUS_INFINITY * (_SHORTEST_TIMESTAMP - 1)

        def forbid(
            _context: int, _state: int, _tokens: int, n_tokens: int, logits: int, _user: int
        ) -> None:
            if n_tokens > 0:
                ctypes.memmove(logits + 4 * first, data, len(data))

        self._function = _LogitsFilter(forbid)  # must live as long as the parameters

    def put_into(self, params: pw.whisper_full_params) -> None:
        """Make it the filter of a run; nothing is done where ``filter_slot`` finds none."""
        slot = filter_slot()
        if slot is not None:
            address = ctypes.cast(self._function, ctypes.c_void_p).value
            place = _held(params) + slot * _POINTER_BYTES
            ctypes.c_void_p.from_address(place).value = address


@cache
def filter_slot() -> int | None:
    """Offset of the logits filter in ``whisper_full_params``, in pointers.

    It is the one pointer that changes when the bindings set a filter, with the parameters' own
    address, which they give it as user data, behind it.
    """
    if not _as_known():
        return None
    params = pw.whisper_full_default_params(pw.WHISPER_SAMPLING_GREEDY)
    held = _held(params)
    pointers = (ctypes.c_size_t * _PARAMS_POINTERS).from_address(held)
    before = list(pointers)
    params.set_logits_filter_callback(lambda *_: None)
    changed = [i for i in range(_PARAMS_POINTERS - 1) if pointers[i] != before[i]]
    if len(changed) != 1 or before[changed[0]] != 0 or pointers[changed[0] + 1] != held:
        return None
    return changed[0]
