"""whisper.cpp's functions of voice activity detection, in the library behind the bindings.

The bindings have them too, but their detector is of a type that they never registered, so that no
call of theirs gives one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from whisperctl.engine.toolkit.whisper_params import VadParams
from whisperctl.errors import BackendError
from whisperctl_native import library


class _ContextParams(ctypes.Structure):
    """``struct whisper_vad_context_params`` of whisper.h."""

    _fields_ = (
        ("n_threads", ctypes.c_int),
        ("use_gpu", ctypes.c_bool),
        ("gpu_device", ctypes.c_int),
    )


class _Params(ctypes.Structure):
    """``struct whisper_vad_params`` of whisper.h."""

    _fields_ = (
        ("threshold", ctypes.c_float),
        ("min_speech_duration_ms", ctypes.c_int),
        ("min_silence_duration_ms", ctypes.c_int),
        ("max_speech_duration_s", ctypes.c_float),
        ("speech_pad_ms", ctypes.c_int),
        ("samples_overlap", ctypes.c_float),
    )


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "whisper_vad_init_from_file_with_params": (
        ctypes.c_void_p,
        (ctypes.c_char_p, _ContextParams),
    ),
    "whisper_vad_detect_speech": (
        ctypes.c_bool,
        (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
    ),
    "whisper_vad_n_probs": (ctypes.c_int, (ctypes.c_void_p,)),
    "whisper_vad_probs": (ctypes.POINTER(ctypes.c_float), (ctypes.c_void_p,)),
    "whisper_vad_segments_from_probs": (ctypes.c_void_p, (ctypes.c_void_p, _Params)),
    "whisper_vad_segments_n_segments": (ctypes.c_int, (ctypes.c_void_p,)),
    "whisper_vad_segments_get_segment_t0": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_int)),
    "whisper_vad_segments_get_segment_t1": (ctypes.c_float, (ctypes.c_void_p, ctypes.c_int)),
    "whisper_vad_free_segments": (None, (ctypes.c_void_p,)),
    "whisper_vad_free": (None, (ctypes.c_void_p,)),
}


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    try:
        found = {}
        for name, (result, arguments) in _SIGNATURES.items():
            function = library.function(name)
            function.restype = result
            function.argtypes = arguments
            found[name] = function
    except (AttributeError, OSError) as error:
        raise BackendError(
            "this build of pywhispercpp does not give access to voice activity detection; use the "
            "wasi backend"
        ) from error
    return found


def load(path: bytes, threads: int) -> int | None:
    """Load a model; its address, or ``None`` where whisper.cpp refused it.

    Raises:
        BackendError: this build does not show the functions.
    """
    params = _ContextParams(threads, False, 0)
    context: int | None = _functions()["whisper_vad_init_from_file_with_params"](path, params)
    return context


def free(context: int) -> None:
    """Free what ``load`` gave."""
    _functions()["whisper_vad_free"](context)


def detect_speech(context: int, samples: npt.NDArray[np.float32]) -> bool:
    """Compute the probabilities of all frames; whether that went well.

    Args:
        context: what ``load`` gave.
        samples: float32, shape (n_samples,), contiguous.
    """
    detect = _functions()["whisper_vad_detect_speech"]
    return bool(detect(context, samples.ctypes.data, len(samples)))


def probabilities(context: int) -> npt.NDArray[np.float32]:
    """Probabilities that ``detect_speech`` found: float32, shape (n_frames,)."""
    functions = _functions()
    n = functions["whisper_vad_n_probs"](context)
    values = functions["whisper_vad_probs"](context)
    return np.ctypeslib.as_array(values, shape=(n,)).copy()


def spans(context: int, params: VadParams) -> list[tuple[float, float]] | None:
    """Start and end of each span of speech, in hundredths of a second; ``None`` on failure."""
    functions = _functions()
    segments = functions["whisper_vad_segments_from_probs"](context, _Params(**params))
    if not segments:
        return None
    try:
        return [
            (
                functions["whisper_vad_segments_get_segment_t0"](segments, i),
                functions["whisper_vad_segments_get_segment_t1"](segments, i),
            )
            for i in range(functions["whisper_vad_segments_n_segments"](segments))
        ]
    finally:
        functions["whisper_vad_free_segments"](segments)
