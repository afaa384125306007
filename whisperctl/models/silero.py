"""Reads a Silero voice activity model in ggml's format, so that only whole ones are opened.

whisper.cpp reads past the end of damaged ones. The format is that of its
``models/convert-silero-vad-to-ggml.py``, and every model it reads has the same tensors.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO, NoReturn

from whisperctl.errors import ModelError
from whisperctl.models import foreign
from whisperctl.models.layout import MAGIC
from whisperctl.quoting import quoted

_TYPE = b"silero-16k"
_HEAD = struct.Struct("<2i10s")
_WINDOW = 512
_CONTEXT = 64
_LAYERS = ((129, 128, 3), (128, 64, 3), (64, 64, 3), (64, 128, 3))
# What follows the version: window, context, layers, LSTM (in, hidden), last convolution (in, out).
_PARAMETERS = (_WINDOW, _CONTEXT, len(_LAYERS), *sum(_LAYERS, ()), 128, 128, 128, 1)

_F32, _F16 = 0, 1
_BYTES = {_F32: 4, _F16: 2}
_MAX_NAME_BYTES = 256


def _tensors() -> dict[str, tuple[int, tuple[int, ...]]]:
    """Type and dimensions, innermost first, of each tensor."""
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for i, (n_in, n_out, width) in enumerate(_LAYERS):
        found[f"_model.encoder.{i}.reparam_conv.weight"] = (_F16, (width, n_in, n_out))
        found[f"_model.encoder.{i}.reparam_conv.bias"] = (_F32, (n_out,))
    for which in ("ih", "hh"):
        found[f"_model.decoder.rnn.weight_{which}"] = (_F32, (128, 512))
        found[f"_model.decoder.rnn.bias_{which}"] = (_F32, (512,))
    found["_model.decoder.decoder.2.weight"] = (_F16, (128,))
    found["_model.decoder.decoder.2.bias"] = (_F32, ())
    found["_model.stft.forward_basis_buffer"] = (_F16, (256, 1, 258))
    return found


def is_silero(path: Path) -> bool:
    """Whether the file begins as a Silero model does; ``False`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return "Silero" in foreign.describe(file.read(foreign.HEAD_BYTES))
    except OSError:
        return False


def inspect(path: Path) -> None:
    """Check that ``path`` is a whole Silero model.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    try:
        with path.open("rb") as file:
            _Walk(path, file).run()
    except FileNotFoundError as error:
        raise ModelError(f"{quoted(path)} does not exist: check the name") from error
    except OSError as error:
        raise ModelError(f"{quoted(path)} cannot be read: {error.strerror or error}") from error


class _Walk:
    """One pass over one file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file

    def run(self) -> None:
        self._header()
        missing = _tensors()
        while missing:
            self._tensor(missing)
        if self.file.read(1):
            self._damaged("there is something behind its last tensor")

    def _header(self) -> None:
        head = self.file.read(foreign.HEAD_BYTES)
        if "Silero" not in (description := foreign.describe(head)):
            if head[:4] == struct.pack("<I", MAGIC):
                description = "some other ggml model, perhaps Whisper"
            raise ModelError(
                f"{quoted(self.path)} is not a ggml Silero VAD model: it is {description}"
            )
        self.file.seek(0)
        _, length, kind = _HEAD.unpack(self._read(_HEAD.size))
        self._integers(3)  # the version
        if length != len(_TYPE) or kind != _TYPE:
            self._damaged("its kind is unknown")
        if self._integers(len(_PARAMETERS)) != _PARAMETERS:
            self._damaged("its header is that of no Silero model")

    def _tensor(self, missing: dict[str, tuple[int, tuple[int, ...]]]) -> None:
        n_dims, name_length, type_id = self._integers(3)
        if not (0 <= n_dims <= 4 and 0 < name_length <= _MAX_NAME_BYTES):
            self._damaged("its tensors are garbled")
        dims = self._integers(n_dims)
        name = self._read(name_length).decode("utf-8", "replace")
        expected = missing.pop(name, None)
        if expected is None:
            self._damaged(f"it has an unexpected tensor {quoted(name)}")
        if expected != (type_id, dims):
            self._damaged(f'its tensor "{name}" has type {type_id} and shape {dims}')
        self._read(math.prod(dims) * _BYTES[type_id])

    def _integers(self, n: int) -> tuple[int, ...]:
        return struct.unpack(f"<{n}i", self._read(4 * n))

    def _read(self, n_bytes: int) -> bytes:
        data = self.file.read(n_bytes)
        if len(data) < n_bytes:
            raise ModelError(
                f"{quoted(self.path)} is truncated: it ends after {self.file.tell()} bytes; pull "
                "or copy the model again"
            )
        return data

    def _damaged(self, what: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is damaged or not a Silero model: {what}; pull or copy the model "
            "again"
        )
