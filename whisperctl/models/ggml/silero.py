"""Reads a Silero voice activity model in ggml's format, so that only whole ones are opened.

whisper.cpp itself crashes on many damaged files or reads past their end, and takes what a truncated
one lacks for zeros. The format is what its ``models/convert-silero-vad-to-ggml.py`` writes and
``whisper_vad_init_with_params`` in ``src/whisper.cpp`` reads. The architecture is fixed: the graph
there is built for these sizes, whatever a header says, so any other header is refused.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from whisperctl.errors import ModelError
from whisperctl.models.ggml import files
from whisperctl.models.ggml.files import reading
from whisperctl.models.ggml.layout import F16, F32, MAGIC, Place, TensorType
from whisperctl.text import quoted

_TYPE = b"silero-16k"
_SIGNATURE = struct.pack("<Ii", MAGIC, len(_TYPE)) + _TYPE
_MAX_NAME_BYTES = 256

# Channels in and out, and width, of the encoder's convolutions.
_ENCODER = ((129, 128, 3), (128, 64, 3), (64, 64, 3), (64, 128, 3))
# What follows the version: samples of a window and of the context before it, the encoder's layers,
# the LSTM's input and hidden size, and the last convolution's channels in and out.
_ARCHITECTURE = (512, 64, len(_ENCODER), *sum(_ENCODER, ()), 128, 128, 128, 1)


def _tensors() -> dict[str, tuple[TensorType, tuple[int, ...]]]:
    """Type and dimensions, innermost first and without ones at the end, of every tensor."""
    found: dict[str, tuple[TensorType, tuple[int, ...]]] = {}
    for i, (n_in, n_out, width) in enumerate(_ENCODER):
        found[f"_model.encoder.{i}.reparam_conv.weight"] = (F16, (width, n_in, n_out))
        found[f"_model.encoder.{i}.reparam_conv.bias"] = (F32, (n_out,))
    for side in ("ih", "hh"):
        found[f"_model.decoder.rnn.weight_{side}"] = (F32, (128, 512))
        found[f"_model.decoder.rnn.bias_{side}"] = (F32, (512,))
    found["_model.decoder.decoder.2.weight"] = (F16, (128,))
    found["_model.decoder.decoder.2.bias"] = (F32, ())
    found["_model.stft.forward_basis_buffer"] = (F16, (256, 1, 258))
    return found


@dataclass(frozen=True, slots=True)
class SileroInfo:
    """What a Silero file says of itself: the version of Silero it was made of, as in "6.2.0"."""

    version: str
    size_bytes: int


def begins_like_silero(path: Path) -> bool:
    """Whether the file begins as a Silero model does; ``False`` if that cannot be read."""
    try:
        with reading(path) as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except ModelError:
        return False


def inspect(path: Path) -> SileroInfo:
    """Check that ``path`` is a whole Silero model.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    with reading(path) as file:
        return _Walk(path, file).run()


def places(path: Path, called: Path | None = None) -> list[Place]:
    """Every tensor, in the file's order; see ``kinds.places``."""
    with reading(path) as file:
        walk = _Walk(called or path, file)
        walk.run()
    return walk.places


class _Walk:
    """One pass over one file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.places: list[Place] = []

    def run(self) -> SileroInfo:
        version = self._header()
        missing = _tensors()
        while missing:
            self._tensor(missing)
        if (rest := self.size - self.file.tell()) > 0:
            self._damaged(f"it has {self.size} bytes, {rest} too many")
        return SileroInfo(".".join(map(str, version)), self.size)

    def _header(self) -> tuple[int, ...]:
        head = self.file.read(files.HEAD_BYTES)
        if not head:
            raise ModelError(f"{quoted(self.path)} is empty: pull or copy the model again")
        if not head.startswith(_SIGNATURE):
            is_ggml = head.startswith(_SIGNATURE[:4])
            what = "another ggml model, such as Whisper" if is_ggml else files.describe(head)
            raise ModelError(
                f"{quoted(self.path)} is not a Silero VAD model: it is {what}; "
                '"whisperctl models pull silero" gets one'
            )
        self.file.seek(len(_SIGNATURE))
        version = self._integers(3, "in its header")
        if self._integers(len(_ARCHITECTURE), "in its header") != _ARCHITECTURE:
            self._damaged("its header is that of no Silero model that whisper.cpp runs")
        return version

    def _tensor(self, missing: dict[str, tuple[TensorType, tuple[int, ...]]]) -> None:
        where = "in its tensors"
        n_dims, name_length, type_id = self._integers(3, where)
        if not (0 <= n_dims <= 4 and 0 < name_length <= _MAX_NAME_BYTES):
            self._damaged("its tensors are garbled")
        dims = self._integers(n_dims, where)
        while dims and dims[-1] == 1:
            dims = dims[:-1]
        encoded = self.file.read(name_length)
        if len(encoded) < name_length:
            self._truncated(where)
        name = encoded.decode("utf-8", "replace")
        if name not in missing:
            self._damaged(f"it has an unexpected tensor {quoted(name)}")
        kind, shape = missing.pop(name)
        if dims != shape:
            self._damaged(f'its tensor "{name}" has shape {dims} instead of {shape}')
        if type_id != kind.id:
            self._damaged(f'its tensor "{name}" has type {type_id}, not {kind.id} ({kind.name})')
        n_bytes = math.prod(dims) * kind.block_bytes
        if self.file.tell() + n_bytes > self.size:
            self._truncated(where)
        self.places.append(Place(name, kind, self.file.tell(), n_bytes))
        self.file.seek(n_bytes, os.SEEK_CUR)

    def _integers(self, n: int, where: str) -> tuple[int, ...]:
        data = self.file.read(4 * n)
        if len(data) < 4 * n:
            self._truncated(where)
        return struct.unpack(f"<{n}i", data)

    def _truncated(self, where: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is truncated: it ends after {self.size} bytes, {where}; "
            "pull or copy the model again"
        )

    def _damaged(self, what: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is damaged or not a Silero VAD model: {what}; "
            "pull or copy the model again"
        )
