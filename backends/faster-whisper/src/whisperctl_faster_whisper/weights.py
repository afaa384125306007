"""Reads the vocabulary and the weights of a ggml Whisper file.

The blocks of quantized files are those of ``dequantize_row_*`` in ggml's ``ggml-quants.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from whisperctl.errors import ModelError
from whisperctl.models.ggml.files import reading
from whisperctl.models.ggml.layout import (
    F16,
    F32,
    FTYPE_OF_QUANTIZATION,
    Hyperparameters,
    TensorSpec,
    TensorType,
    tensors,
)
from whisperctl.text import quoted

FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float16]
_Blocks = npt.NDArray[np.uint8]

_HEADER_BYTES = 48
_ROWS_BYTES = 1 << 24
"""Blocks turned into numbers at a time; float32 on the way takes up to eight times as much."""


@dataclass(frozen=True, slots=True)
class GgmlWeights:
    """One ggml file: what its header says, its text tokens in the order of their ids, its tensors.

    Weights are read from disk as they are used.
    """

    path: Path
    parameters: Hyperparameters
    tokens: tuple[bytes, ...]
    _places: dict[str, tuple[TensorSpec, int]]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read all but the weights, of a model that was checked.

        Raises:
            ModelError: the file cannot be read, is no model any more, or is of a type that is not
                known here.
        """
        try:
            return cls._read(path)
        except (struct.error, KeyError) as error:
            raise ModelError(f"{quoted(path)} changed while it was read: try again") from error

    @classmethod
    def _read(cls, path: Path) -> Self:
        with reading(path) as file:
            parameters = Hyperparameters.unpack(file.read(_HEADER_BYTES)[4:])
            kind = parameters.weight_type
            if kind not in (F16, F32) and kind.name not in _DEQUANTIZE:
                known = ", ".join(["f16", "f32", *FTYPE_OF_QUANTIZATION])
                raise ModelError(
                    f"{quoted(path)} contains {kind.name} weights, which faster-whisper does not "
                    f"get from ggml files: use a model of one of the types {known}"
                )
            n_mels, n_fft = _integers(file, 2)
            file.seek(4 * n_mels * n_fft, 1)
            (n_tokens,) = _integers(file, 1)
            tokens = tuple(file.read(*_integers(file, 1)) for _ in range(n_tokens))
            specs = {spec.name: spec for spec in tensors(parameters)}
            places = {}
            for _ in specs:
                n_dims, name_length, _type = _integers(file, 3)
                file.seek(4 * n_dims, 1)
                name = file.read(name_length).decode()
                places[name] = specs[name], file.tell()
                file.seek(specs[name].n_bytes(parameters), 1)
        return cls(path, parameters, tokens, places)

    def __getitem__(self, name: str) -> FloatArray:
        """A tensor's numbers: float32, or float16 where the file is float16 or quantized.

        To turn blocks into float16 rounds them by far less than the quantization has.
        """
        spec, offset = self._places[name]
        kind = spec.type_in(self.parameters)
        shape = spec.dims[::-1]
        data: _Blocks = np.memmap(
            self.path, np.uint8, "r", offset, (spec.n_bytes(self.parameters),)
        )
        if kind in (F16, F32):
            exact: FloatArray = data.view("<f2" if kind is F16 else "<f4").reshape(shape)
            return exact
        return _dequantized(data, kind).reshape(shape)


def _dequantized(data: _Blocks, kind: TensorType) -> npt.NDArray[np.float16]:
    blocks = data.reshape(-1, kind.block_bytes)
    values = np.empty((len(blocks), kind.block), np.float16)
    at_once = _ROWS_BYTES // kind.block_bytes
    for start in range(0, len(blocks), at_once):
        part = blocks[start : start + at_once]
        values[start : start + at_once] = _DEQUANTIZE[kind.name](part)
    return values.reshape(-1)


def _scale(blocks: _Blocks, at: int = 0) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(packed: _Blocks) -> _Blocks:
    """The low halves of sixteen bytes, then the high ones."""
    return np.concatenate([packed & 0x0F, packed >> 4], axis=1)


def _fifth_bits(blocks: _Blocks, at: int) -> _Blocks:
    bits = np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little")
    return bits * np.uint8(16)


def _q4_0(blocks: _Blocks) -> npt.NDArray[np.float32]:
    return _scale(blocks) * (_nibbles(blocks[:, 2:]).astype(np.float32) - 8)


def _q4_1(blocks: _Blocks) -> npt.NDArray[np.float32]:
    return _scale(blocks) * _nibbles(blocks[:, 4:]) + _scale(blocks, 2)


def _q5_0(blocks: _Blocks) -> npt.NDArray[np.float32]:
    numbers = _nibbles(blocks[:, 6:]) | _fifth_bits(blocks, 2)
    return _scale(blocks) * (numbers.astype(np.float32) - 16)


def _q5_1(blocks: _Blocks) -> npt.NDArray[np.float32]:
    numbers = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks, 4)
    return _scale(blocks) * numbers + _scale(blocks, 2)


def _q8_0(blocks: _Blocks) -> npt.NDArray[np.float32]:
    return _scale(blocks) * np.ascontiguousarray(blocks[:, 2:]).view(np.int8)


_DEQUANTIZE: dict[str, Callable[[_Blocks], npt.NDArray[np.float32]]] = {
    "q4_0": _q4_0,
    "q4_1": _q4_1,
    "q5_0": _q5_0,
    "q5_1": _q5_1,
    "q8_0": _q8_0,
}


def _integers(file: BinaryIO, n: int) -> tuple[int, ...]:
    return struct.unpack(f"<{n}i", file.read(4 * n))
