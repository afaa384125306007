"""Checks of a model file's structure, Whisper's or Silero's: header, vocabulary, tensor table.

whisper.cpp itself aborts on many damaged files, reads past their end, takes what a truncated one
lacks for zeros, or computes for minutes; a walk first says what is wrong with one. Weights are
skipped, not read, so even the largest model takes milliseconds.

A Silero model's format is what whisper.cpp's ``models/convert-silero-vad-to-ggml.py`` writes and
``whisper_vad_init_with_params`` in ``src/whisper.cpp`` reads. Its architecture is fixed: the graph
there is built for these sizes, whatever a header says, so any other header is refused.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO, NoReturn

from whisperctl.errors import ModelError
from whisperctl.models.ggml import files
from whisperctl.models.ggml.layout import (
    F16,
    F32,
    HEADER_BYTES,
    MAGIC,
    N_FFT,
    Hyperparameters,
    Place,
    TensorSpec,
    TensorType,
    problem,
    tensors,
)
from whisperctl.text import quoted

_MAX_NAME_BYTES = 256
# The text tokens, which English models list with the end of text. The longest has 128 bytes.
_MIN_TOKENS = 50257
_MAX_TOKEN_BYTES = 1024
_MAX_MEAN_TOKEN_BYTES = 64  # with the length before it; Whisper's is 11
_OWN_VOCABULARIES = {
    508_085: "7a1796f07fce01ae84cc2f83b9a72da17dc652ddc339cb113edcc4c60094f418",  # multilingual
    521_855: "a5623714bcf19049eb0fd78df19b6daa1e61ac435b86a5deae767768e7fcdc3d",  # English
}
"""SHA-256 of the vocabularies of OpenAI's models, by their length, to tell them without a walk: it
takes longer than all the rest of an inspection."""

_SILERO = b"silero-16k"
SILERO_SIGNATURE = struct.pack("<Ii", MAGIC, len(_SILERO)) + _SILERO
"""The first bytes of every Silero model."""

# Channels in and out, and width, of Silero's convolutions.
_ENCODER = ((129, 128, 3), (128, 64, 3), (64, 64, 3), (64, 128, 3))
# What follows Silero's version: samples of a window and of the context before it, the encoder's
# layers, the LSTM's input and hidden size, and the last convolution's channels in and out.
_ARCHITECTURE = (512, 64, len(_ENCODER), *sum(_ENCODER, ()), 128, 128, 128, 1)


class _Walk(ABC):
    """One pass over one file; ``places`` grows with each tensor that was found."""

    model = ""
    """Name of the expected kind of model, for messages."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        status = os.fstat(file.fileno())
        self.size, self.modified_ns = status.st_size, status.st_mtime_ns
        self.places: list[Place] = []

    def _head(self) -> bytes:
        head = self.file.read(files.HEAD_BYTES)
        if not head:
            raise ModelError(f"{quoted(self.path)} is empty: pull or copy the model again")
        return head

    def _tensor(self) -> None:
        """Check the next tensor's header and skip its numbers."""
        where = "in its tensors"
        n_dims, name_length, type_id = self._integers(3, where)
        if not (0 <= n_dims <= 4 and 0 < name_length <= _MAX_NAME_BYTES):
            self._damaged("its tensors are garbled")
        dims = self._integers(n_dims, where)
        encoded = self.file.read(name_length)
        if len(encoded) < name_length:
            self._truncated(where)
        name = encoded.decode("utf-8", "replace")
        expected = self._take(name)
        if expected is None:
            self._damaged(f"it has an unexpected tensor {quoted(name)}")
        shape, kind, n_bytes = expected
        if not self._same_shape(dims, shape):
            self._damaged(f'its tensor "{name}" has shape {dims} instead of {shape}')
        if type_id != kind.id:
            self._damaged(f'its tensor "{name}" has type {type_id}, not {kind.id} ({kind.name})')
        self._skip(name, kind, n_bytes, where)

    @abstractmethod
    def _take(self, name: str) -> tuple[tuple[int, ...], TensorType, int] | None:
        """Shape, type and bytes of a tensor that was not met yet; ``None`` if it is unexpected."""

    def _same_shape(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        return dims == shape

    def _integers(self, n: int, where: str) -> tuple[int, ...]:
        data = self.file.read(4 * n)
        if len(data) < 4 * n:
            self._truncated(where)
        return struct.unpack(f"<{n}i", data)

    def _skip(self, name: str, kind: TensorType, n_bytes: int, where: str) -> None:
        offset = self.file.tell()
        if offset + n_bytes > self.size:
            self._truncated(where)
        self.places.append(Place(name, kind, offset, n_bytes))
        self.file.seek(n_bytes, os.SEEK_CUR)

    def _truncated(self, where: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is truncated: it ends after {self.size} bytes, {where}; "
            "pull or copy the model again"
        )

    def _damaged(self, what: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is damaged or not a {self.model} model: {what}; "
            "pull or copy the model again"
        )


class WhisperWalk(_Walk):
    """A pass over a file that is to be a Whisper model."""

    model = "Whisper"

    def run(self) -> Hyperparameters:
        """The file's hyperparameters.

        Raises:
            ModelError: it is something else, or is truncated or otherwise damaged.
        """
        parameters = self._header()
        self._mel_filters(parameters)
        self._vocabulary(parameters)
        self._tensors(parameters)
        return parameters

    def _header(self) -> Hyperparameters:
        head = self._head()
        description = files.describe(head)
        if head[:4] != struct.pack("<I", MAGIC) or "Silero" in description:
            raise ModelError(
                f"{quoted(self.path)} is not a ggml Whisper model: it is {description}"
            )
        if len(head) < HEADER_BYTES:
            self._truncated("in its header")
        parameters = Hyperparameters.unpack(head[4:HEADER_BYTES])
        self.file.seek(HEADER_BYTES)
        if wrong := problem(parameters):
            self._damaged(wrong)
        return parameters

    def _mel_filters(self, parameters: Hyperparameters) -> None:
        n_mels, n_fft = self._integers(2, "in its header")
        if n_mels != parameters.n_mels or n_fft != N_FFT:
            self._damaged(f"its mel filters are {n_mels} by {n_fft}")
        self._skip("mel filters", F32, 4 * n_mels * n_fft, "in its mel filters")

    def _vocabulary(self, parameters: Hyperparameters) -> None:
        where = "in its vocabulary"
        (n_tokens,) = self._integers(1, where)
        if not _MIN_TOKENS <= n_tokens <= parameters.n_vocab:
            self._damaged(
                f"its vocabulary lists {n_tokens} tokens, not {_MIN_TOKENS} to {parameters.n_vocab}"
            )
        start = self.file.tell()
        data = self.file.read(n_tokens * _MAX_MEAN_TOKEN_BYTES)
        if n_tokens == _MIN_TOKENS and (n_bytes := own_vocabulary(data)):
            self.file.seek(start + n_bytes)
            return
        seen: set[bytes] = set()
        at = 0
        for i in range(n_tokens):
            length = int.from_bytes(data[at : at + 4], "little")
            if length > _MAX_TOKEN_BYTES:
                self._damaged(f"token {i} of its vocabulary has a length of {length} bytes")
            token = data[at + 4 : at + 4 + length]
            at += 4 + length
            if at > len(data):
                if start + len(data) == self.size:
                    self._truncated(where)
                self._damaged("its vocabulary is far too long")
            if length and token in seen:
                self._damaged(f"token {i} of its vocabulary is there twice")
            seen.add(token)
        self.file.seek(start + at)
        if missing := {bytes([byte]) for byte in range(256)} - seen:
            self._damaged(f"its vocabulary lacks a token for the byte 0x{min(missing).hex()}")

    def _tensors(self, parameters: Hyperparameters) -> None:
        self._parameters = parameters
        self._missing = {spec.name: spec for spec in tensors(parameters)}
        expected = self.file.tell() + sum(
            12 + 4 * len(spec.dims) + len(spec.name) + spec.n_bytes(parameters)
            for spec in self._missing.values()
        )
        if self.file.tell() == self.size:
            raise ModelError(
                f"{quoted(self.path)} has no weights: it is one of whisper.cpp's test files, "
                "not a model"
            )
        if self.size < expected:
            raise ModelError(
                f"{quoted(self.path)} is truncated: it has {self.size} bytes of {expected}; "
                "pull or copy the model again"
            )
        while self._missing:
            self._tensor()
        if self.size > expected:
            self._damaged(f"it has {self.size} bytes, {self.size - expected} too many")

    def _take(self, name: str) -> tuple[tuple[int, ...], TensorType, int] | None:
        spec: TensorSpec | None = self._missing.pop(name, None)
        if spec is None:
            return None
        return spec.dims, spec.type_in(self._parameters), spec.n_bytes(self._parameters)


def own_vocabulary(data: bytes) -> int:
    """Length of the vocabulary of OpenAI's models that ``data`` begins with; 0 if with neither."""
    for n_bytes, digest in _OWN_VOCABULARIES.items():
        if hashlib.sha256(memoryview(data)[:n_bytes]).hexdigest() == digest:
            return n_bytes
    return 0


class SileroWalk(_Walk):
    """A pass over a file that is to be a Silero model."""

    model = "Silero VAD"

    def run(self) -> str:
        """The version of Silero that the file was made of, such as ``"6.2.0"``.

        Raises:
            ModelError: it is something else, or is truncated or otherwise damaged.
        """
        version = self._header()
        self._missing = dict(_silero_tensors())
        while self._missing:
            self._tensor()
        if (rest := self.size - self.file.tell()) > 0:
            self._damaged(f"it has {self.size} bytes, {rest} too many")
        return ".".join(map(str, version))

    def _header(self) -> tuple[int, ...]:
        head = self._head()
        if not head.startswith(SILERO_SIGNATURE):
            is_ggml = head.startswith(SILERO_SIGNATURE[:4])
            what = "another ggml model, such as Whisper" if is_ggml else files.describe(head)
            raise ModelError(
                f"{quoted(self.path)} is not a Silero VAD model: it is {what}; "
                'run "whisperctl models pull silero" to get one'
            )
        self.file.seek(len(SILERO_SIGNATURE))
        version = self._integers(3, "in its header")
        if self._integers(len(_ARCHITECTURE), "in its header") != _ARCHITECTURE:
            self._damaged("its header is not that of a Silero model that whisper.cpp runs")
        return version

    def _take(self, name: str) -> tuple[tuple[int, ...], TensorType, int] | None:
        if name not in self._missing:
            return None
        kind, shape = self._missing.pop(name)
        return shape, kind, math.prod(shape) * kind.block_bytes

    def _same_shape(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        while dims and dims[-1] == 1:
            dims = dims[:-1]
        return dims == shape


def _silero_tensors() -> dict[str, tuple[TensorType, tuple[int, ...]]]:
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
