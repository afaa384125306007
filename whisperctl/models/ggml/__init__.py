"""Checks a ggml Whisper file's header, vocabulary and tensor table before an engine opens it.

whisper.cpp itself aborts on many damaged files, reads past their end, or computes for minutes; this
says first what is wrong with one. The weights are passed over, not read, so even the largest model
takes milliseconds; ``whisperctl.models.ggml.weights`` reads them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from whisperctl.errors import ModelError
from whisperctl.models.ggml import files
from whisperctl.models.ggml.files import reading
from whisperctl.models.ggml.layout import (
    F32,
    FTYPE_PER_VERSION,
    MAGIC,
    N_FFT,
    TYPE_OF_FTYPE,
    Hyperparameters,
    Place,
    TensorSpec,
    TensorType,
    tensors,
)
from whisperctl.text import quoted
from whisperctl.transcript import ModelDescription, Network

_HEADER_BYTES = 48
_MAX_NAME_BYTES = 256

# What every Whisper has; whisper.cpp computes ids, windows and buffer sizes from these.
_VOCABULARIES = (51864, 51865, 51866)
_AUDIO_CONTEXT = 1500  # positions in 30 seconds
_TEXT_CONTEXT = 448
_MELS = (80, 128)
_LAST_QUANTIZATION_VERSION = 2  # GGML_QNT_VERSION
# Twice the largest Whisper's (1280, 32), and the sizes of heads that ggml computes with.
_MAX_STATE = 2560
_MAX_LAYERS = 64
_HEAD_SIZES = range(16, 257)
# The text tokens, which English models list with the end of text. The longest has 128 bytes.
_MIN_TOKENS = 50257
_MAX_TOKEN_BYTES = 1024
_MAX_MEAN_TOKEN_BYTES = 64  # with the length before it; Whisper's is 11
_KIND_OF_LAYERS = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a ggml Whisper file says of itself.

    ``kind`` is the family as whisper.cpp sees it ("tiny.en", "base", "large-v3", "large-v3-turbo"),
    ``ftype`` the number format of the large tensors ("f16", "q5_1").
    """

    kind: str
    ftype: str
    multilingual: bool
    n_languages: int
    n_vocab: int
    n_mels: int
    n_audio_ctx: int
    n_text_ctx: int
    n_state: int
    n_audio_layers: int
    n_text_layers: int
    n_text_heads: int
    size_bytes: int


def inspect(path: Path) -> ModelInfo:
    """Check that ``path`` is a whole ggml Whisper model.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    with reading(path) as file:
        return _Walk(path, file).run()


def describe(path: Path) -> ModelDescription | None:
    """What the header of a ggml Whisper file says of the model, unchecked.

    ``None`` is told of a file that cannot be read or has no such header: see ``inspect`` for why.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except (OSError, ValueError):
        return None
    if len(header) < _HEADER_BYTES or header[:4] != struct.pack("<I", MAGIC):
        return None
    p = Hyperparameters.unpack(header[4:])
    return ModelDescription(
        multilingual=p.multilingual,
        n_vocab=p.n_vocab,
        n_mels=p.n_mels,
        ftype=p.ftype % FTYPE_PER_VERSION,
        encoder=Network(p.n_audio_ctx, p.n_audio_state, p.n_audio_head, p.n_audio_layer),
        decoder=Network(p.n_text_ctx, p.n_text_state, p.n_text_head, p.n_text_layer),
    )


def places(path: Path, called: Path | None = None) -> list[Place]:
    """The mel filters and every tensor, in the file's order; see ``kinds.places``."""
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

    def run(self) -> ModelInfo:
        parameters = self._header()
        self._mel_filters(parameters)
        self._vocabulary(parameters)
        self._tensors(parameters)
        return _info(parameters, self.size)

    def _header(self) -> Hyperparameters:
        head = self.file.read(files.HEAD_BYTES)
        if not head:
            raise ModelError(f"{quoted(self.path)} is empty: pull or copy the model again")
        description = files.describe(head)
        if head[:4] != struct.pack("<I", MAGIC) or "Silero" in description:
            raise ModelError(
                f"{quoted(self.path)} is not a ggml Whisper model: it is {description}"
            )
        if len(head) < _HEADER_BYTES:
            self._truncated("in its header")
        parameters = Hyperparameters.unpack(head[4:_HEADER_BYTES])
        self.file.seek(_HEADER_BYTES)
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
        missing = {spec.name: spec for spec in tensors(parameters)}
        expected = self.file.tell() + sum(
            12 + 4 * len(spec.dims) + len(spec.name) + spec.n_bytes(parameters)
            for spec in missing.values()
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
        while missing:
            self._tensor(missing, parameters)
        if self.size > expected:
            self._damaged(f"it has {self.size} bytes, {self.size - expected} too many")

    def _tensor(self, missing: dict[str, TensorSpec], parameters: Hyperparameters) -> None:
        where = "in its tensors"
        n_dims, name_length, type_id = self._integers(3, where)
        if not (1 <= n_dims <= 4 and 0 < name_length <= _MAX_NAME_BYTES):
            self._damaged("its tensors are garbled")
        dims = self._integers(n_dims, where)
        name = self.file.read(name_length).decode("utf-8", "replace")
        spec = missing.pop(name, None)
        if spec is None:
            self._damaged(f"it has an unexpected tensor {quoted(name)}")
        kind = spec.type_in(parameters)
        if dims != spec.dims:
            self._damaged(f'its tensor "{name}" has shape {dims} instead of {spec.dims}')
        if type_id != kind.id:
            self._damaged(f'its tensor "{name}" has type {type_id}, not {kind.id} ({kind.name})')
        self._skip(name, kind, spec.n_bytes(parameters), where)

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
            f"{quoted(self.path)} is damaged or not a Whisper model: {what}; "
            "pull or copy the model again"
        )


def problem(p: Hyperparameters) -> str | None:
    """What keeps hyperparameters from being a Whisper's, if anything."""
    if p.n_vocab not in _VOCABULARIES:
        return f"its header says {p.n_vocab} tokens, Whisper has {_either(_VOCABULARIES)}"
    if p.n_mels not in _MELS:
        return f"its header says {p.n_mels} mel bands, Whisper has {_either(_MELS)}"
    if p.n_audio_ctx != _AUDIO_CONTEXT:
        return f"its header says an audio context of {p.n_audio_ctx}, Whisper's is {_AUDIO_CONTEXT}"
    if p.n_text_ctx != _TEXT_CONTEXT:
        return f"its header says a text context of {p.n_text_ctx}, Whisper's is {_TEXT_CONTEXT}"
    if p.n_text_state != p.n_audio_state:
        return (
            f"its encoder is {p.n_audio_state} wide, its decoder {p.n_text_state}: they must agree"
        )
    if not 0 < p.n_audio_state <= _MAX_STATE:
        return f"its layers are {p.n_audio_state} wide, not 1 to {_MAX_STATE}"
    for side, n_heads, n_layers in (
        ("encoder", p.n_audio_head, p.n_audio_layer),
        ("decoder", p.n_text_head, p.n_text_layer),
    ):
        if not 0 < n_layers <= _MAX_LAYERS:
            return f"its {side} has {n_layers} layers, not 1 to {_MAX_LAYERS}"
        if n_heads <= 0 or p.n_audio_state % n_heads:
            return (
                f"its {side} has {n_heads} heads, which do not divide a width of {p.n_audio_state}"
            )
        if p.n_audio_state // n_heads not in _HEAD_SIZES:
            return (
                f"the heads of its {side} have a size of {p.n_audio_state // n_heads}, not "
                f"{_HEAD_SIZES[0]} to {_HEAD_SIZES[-1]}"
            )
    version, ftype = divmod(p.ftype, FTYPE_PER_VERSION)
    if ftype not in TYPE_OF_FTYPE or not 0 <= version <= _LAST_QUANTIZATION_VERSION:
        return f"its number format (ftype {p.ftype}) is unknown"
    if p.n_audio_state % p.weight_type.block:
        return f"{p.weight_type.name} does not fit {p.n_audio_state} wide layers"
    return None


def _either(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"


def _info(p: Hyperparameters, size_bytes: int) -> ModelInfo:
    return ModelInfo(
        kind=_kind(p),
        ftype=p.weight_type.name,
        multilingual=p.multilingual,
        # The language tokens lie between the text tokens and 1608 others (whisper.cpp:
        # num_languages).
        n_languages=p.n_vocab - 51765 - 1 if p.multilingual else 1,
        n_vocab=p.n_vocab,
        n_mels=p.n_mels,
        n_audio_ctx=p.n_audio_ctx,
        n_text_ctx=p.n_text_ctx,
        n_state=p.n_audio_state,
        n_audio_layers=p.n_audio_layer,
        n_text_layers=p.n_text_layer,
        n_text_heads=p.n_text_head,
        size_bytes=size_bytes,
    )


def _kind(p: Hyperparameters) -> str:
    kind = _KIND_OF_LAYERS.get(p.n_audio_layer)
    if kind is None:
        return "custom"
    if kind == "large" and p.n_mels == 128:
        kind = "large-v3"
    if p.n_text_layer == 4 and kind.startswith("large"):
        kind += "-turbo"
    elif p.n_text_layer != p.n_audio_layer:
        kind += "-distilled"
    return kind if p.multilingual else f"{kind}.en"
