"""Check for weights that are not finite.

An engine computes with NaN and infinities as with any number, finds no text in the end, and may
never finish, as no decoding of such a model is good enough. Quantized blocks hold their scales as
float16; these can be NaN or infinite.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from whisperctl.errors import ModelError
from whisperctl.models.ggml import ModelInfo, ModelType, survey
from whisperctl.models.ggml.files import reading
from whisperctl.models.ggml.layout import Place
from whisperctl.text import quoted

_CHUNK_BYTES = 1 << 18
"""Bytes to read at a time, few enough to stay in the processor's cache."""

# How to read a number, all of its bits but the sign, and those of infinity: above it are the NaNs.
_PLAIN = {
    "f32": ("<u4", 0x7FFFFFFF, 0x7F800000),
    "f16": ("<u2", 0x7FFF, 0x7C00),
    "bf16": ("<u2", 0x7FFF, 0x7F80),
}
# Which of a block's 16-bit words are float16 (ggml/src/ggml-common.h).
_SCALES = {
    "q4_0": (0,),
    "q4_1": (0, 1),
    "q5_0": (0,),
    "q5_1": (0, 1),
    "q8_0": (0,),
    "q2_k": (40, 41),
    "q3_k": (54,),
    "q4_k": (0, 1),
    "q5_k": (0, 1),
    "q6_k": (104,),
}


def check(
    path: Path, expected: ModelType | None = None, *, called: Path | None = None
) -> ModelInfo:
    """Check that a model is whole and that all of its weights are finite, and describe it.

    Args:
        path: the model's file, which is read in full in little memory.
        expected: the type that it must have; ``None`` accepts either.
        called: what to call the file in messages, if not by ``path``.

    Raises:
        ModelError: it cannot be read, is damaged, or a weight is not finite; the message names the
            tensor.
    """
    info, places = survey(path, expected, called=called)
    with reading(path) as file:
        for place in places:
            if not _is_finite(path, file, place):
                raise ModelError(
                    f'{quoted(called or path)} is damaged: tensor "{place.name}" holds weights '
                    "that are not finite (NaN or infinity); pull or copy the model again"
                )
    return info


def _is_finite(path: Path, file: BinaryIO, place: Place) -> bool:
    block_bytes = place.type.block_bytes
    at_once = max(1, _CHUNK_BYTES // block_bytes) * block_bytes
    buffer = np.empty(min(at_once, place.n_bytes), np.uint8)
    file.seek(place.offset)
    left = place.n_bytes
    while left:
        part = buffer[: min(at_once, left)]
        if file.readinto(part.data) < len(part):  # type: ignore[attr-defined]  # a buffered reader
            raise ModelError(f"{quoted(path)} changed while it was read: try again")
        left -= len(part)
        if not _all_finite(part, place):
            return False
    return True


def _all_finite(data: npt.NDArray[np.uint8], place: Place) -> bool:
    if place.type.name in _PLAIN:
        dtype, magnitude, infinity = _PLAIN[place.type.name]
        numbers = data.view(dtype)
        np.bitwise_and(numbers, magnitude, out=numbers)  # the buffer is ours
        return int(numbers.max()) < infinity
    blocks = data.view("<u2").reshape(-1, place.type.block_bytes // 2)
    return all(bool((blocks[:, at] & 0x7FFF).max() < 0x7C00) for at in _SCALES[place.type.name])
