"""Quantization of float16 and float32 models, as whisper.cpp's quantize tool does it.

Follows ``examples/quantize/quantize.cpp`` and ``examples/common-ggml.cpp``: matrices are quantized,
all else (1-D tensors, convolutions, positional embeddings) stays as it is. The arithmetic is ggml's
own, done by a backend.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from whisperctl.engine.protocol import Quantizer
from whisperctl.errors import ModelError, UsageError
from whisperctl.models import catalog, ggml
from whisperctl.models.ggml import weights
from whisperctl.models.ggml.files import OnProgress, hex_digest, ignore
from whisperctl.models.ggml.layout import (
    F16,
    F32,
    FTYPE_OF_QUANTIZATION,
    FTYPE_PER_VERSION,
    HEADER_BYTES,
    MAGIC,
    Hyperparameters,
    TensorType,
    tensors,
)
from whisperctl.models.pull import Installed, check_name, name_from
from whisperctl.models.store import Store, check_room
from whisperctl.text import quoted, unknown

CUSTOM = "-custom"
"""Suffix of a model's name that differs from the published model of that name."""

# GGML_QNT_VERSION; of the published files, some older ones say 1 and hold the very same blocks.
_VERSION = 2
_EARLIER_VERSION = 1

_PARAMETERS_AT = 4
_CHUNK_VALUES = 1 << 19
_DTYPES: dict[int, np.dtype[Any]] = {F32.id: np.dtype("<f4"), F16.id: np.dtype("<f2")}

FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float16]


def quantize(
    model: str,
    type_name: str,
    open_quantizer: Callable[[], Quantizer],
    *,
    name: str | None = None,
    force: bool = False,
    store: Store | None = None,
    on_progress: OnProgress = ignore,
) -> Installed:
    """Put a quantized model into the store.

    The result of a published model that is published quantized as well is byte for byte that file,
    wherever its blocks are the same.

    Args:
        model: name or path of a float16 or float32 model.
        type_name: one of ``layout.FTYPE_OF_QUANTIZATION``.
        open_quantizer: starts the quantizer; called after all other checks.
        name: name of the result; ``None`` is ``<model>-<type>``, followed by ``-custom`` if that
            is a published model with other contents.
        force: replace a model of that name.
        store: the store of the model and of the result; ``None`` is the default store.
        on_progress: called with the bytes quantized and checked.

    Raises:
        UsageError: there is no such type.
        ModelError: the model is not installed, damaged, or quantized already; a model of the
            result's name exists; the name belongs to a published model; or the disk is full.
        BackendError: no installed backend can quantize, or it failed.
    """
    type_name = type_name.lower()
    if type_name not in FTYPE_OF_QUANTIZATION:
        raise UsageError(unknown("quantization", type_name, FTYPE_OF_QUANTIZATION))
    store = store or Store()
    source = store.resolve(model)
    info = ggml.inspect(source)
    if info.ftype not in (F16.name, F32.name):
        raise ModelError(
            f"{quoted(source)} is {info.ftype} already: quantize a float16 or float32 model"
        )
    guess = name or f"{name_from(source)}-{type_name}"
    _refuse_replacing(guess, store, force=force)
    weights.check(source)
    with source.open("rb") as file, store.workspace(guess, on_progress) as work:
        _refuse_replacing(guess, store, force=force)  # it may have been installed meanwhile
        rewriting = _Rewriting(source, file, FTYPE_OF_QUANTIZATION[type_name])
        check_room(work, rewriting.size_bytes, rewriting.size_bytes)
        result = work / "ggml.bin"
        with open_quantizer() as quantizer, result.open("xb") as out:
            rewriting.run(out, quantizer, on_progress)
        # A number of a float32 model may be too large for float16, as are scales of blocks.
        weights.check(result, called=source)
        published = _as_published(result, rewriting.target, on_progress)
        final = guess
        if name is not None:
            check_name(name, published, rewriting.size_bytes, source)
        elif published is None and guess in catalog.MODELS:
            final = f"{guess}{CUSTOM}"
            _refuse_replacing(final, store, force=force)
        path = store.install(final, result)
    return Installed(final, path, new=True, published_as=published.name if published else None)


def _refuse_replacing(name: str, store: Store, *, force: bool) -> None:
    path = store.path_of(name)
    if path.exists() and not force:
        raise ModelError(
            f"{quoted(path)} exists already: use --force to replace it, or --name to choose "
            "another name"
        )


def _as_published(
    file: Path, target: Hyperparameters, on_progress: OnProgress
) -> catalog.CatalogModel | None:
    """The published model that the file is identical to, once its header states that version."""
    if file.stat().st_size not in {model.size_bytes for model in catalog.MODELS.values()}:
        return None
    for version in (_EARLIER_VERSION, _VERSION):
        ftype = target.ftype % FTYPE_PER_VERSION + version * FTYPE_PER_VERSION
        with file.open("r+b") as out:
            out.seek(_PARAMETERS_AT)
            out.write(replace(target, ftype=ftype).pack())
        published = catalog.with_sha1(hex_digest(file, "sha1", on_progress))
        if published is not None:
            return published
    return None


class _Rewriting:
    """Rewriting of one whole model file in another number format."""

    def __init__(self, path: Path, file: BinaryIO, ftype: int) -> None:
        self.path = path
        self.file = file
        source = Hyperparameters.unpack(self._read(HEADER_BYTES)[_PARAMETERS_AT:])
        self.target = replace(source, ftype=ftype + _VERSION * FTYPE_PER_VERSION)
        if source.n_audio_state % self.target.weight_type.block:
            raise ModelError(
                f"{quoted(path)} cannot be quantized: its layers are {source.n_audio_state} wide, "
                f"which is not a multiple of {self.target.weight_type.block}"
            )
        self.specs = {spec.name: spec for spec in tensors(source)}
        self.source_bytes = sum(spec.n_bytes(source) for spec in self.specs.values())
        target_bytes = sum(spec.n_bytes(self.target) for spec in self.specs.values())
        self.size_bytes = path.stat().st_size - self.source_bytes + target_bytes

    def run(self, out: BinaryIO, quantizer: Quantizer, on_progress: OnProgress) -> None:
        """Write the whole result; the source's header has been read."""
        out.write(struct.pack("<I", MAGIC) + self.target.pack())
        n_mels, n_fft = self._integers(out, 2)
        out.write(self._read(4 * n_mels * n_fft))
        (n_tokens,) = self._integers(out, 1)
        for _ in range(n_tokens):
            (length,) = self._integers(out, 1)
            out.write(self._read(length))
        step = f"quantizing to {self.target.weight_type.name}"
        done = 0
        for _ in self.specs:
            for values, kind in self._tensor(out):
                on_progress(step, done, self.source_bytes)
                out.write(self._converted(values, kind, quantizer))
                done += values.nbytes
        on_progress(step, done, self.source_bytes)

    def _tensor(self, out: BinaryIO) -> Iterator[tuple[FloatArray, TensorType]]:
        """Write the next tensor's header; yield its rows, in chunks, and the type they become."""
        n_dims, name_length, type_id = struct.unpack("<3i", self._read(12))
        packed = self._read(4 * n_dims)
        name = self._read(name_length)
        kind = self.specs[name.decode()].type_in(self.target)
        out.write(struct.pack("<3i", n_dims, name_length, kind.id) + packed + name)
        n_columns, *others = struct.unpack(f"<{n_dims}i", packed)
        n_rows = math.prod(others)
        n_at_once = max(1, _CHUNK_VALUES // n_columns)
        dtype = _DTYPES[type_id]
        for start in range(0, n_rows, n_at_once):
            n = min(n_at_once, n_rows - start)
            data = self._read(n * n_columns * dtype.itemsize)
            yield np.frombuffer(data, dtype).reshape(n, n_columns), kind

    def _converted(self, values: FloatArray, kind: TensorType, quantizer: Quantizer) -> bytes:
        if kind.block == 1:
            # As it is, but for a float32 model's convolutions: whisper.cpp refuses those of a
            # quantized model unless they are float16.
            with np.errstate(over="ignore"):
                as_kept: FloatArray = values.astype(_DTYPES[kind.id], copy=False)
            return as_kept.tobytes()
        return quantizer.quantize(values.astype(np.float32, copy=False), kind.name)

    def _integers(self, out: BinaryIO, n: int) -> tuple[int, ...]:
        """Copy the next numbers, and return them."""
        data = self._read(4 * n)
        out.write(data)
        return struct.unpack(f"<{n}i", data)

    def _read(self, n_bytes: int) -> bytes:
        data = self.file.read(n_bytes)
        if len(data) < n_bytes:
            raise ModelError(f"{quoted(self.path)} changed while it was read: try again")
        return data
