"""Layout of a ggml Whisper file: hyperparameters, tensors in order, and their sizes.

Follows whisper.cpp: ``models/convert-pt-to-ggml.py`` writes these files, ``whisper_model_load`` in
``src/whisper.cpp`` reads them. All numbers are little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, Self

MAGIC = 0x67676D6C
"""The first four bytes, "ggml" as a number."""

HEADER_BYTES = 48
"""Length of a Whisper file's header: the magic and the hyperparameters."""

N_FFT = 201
"""Frequencies of a mel filter: half of whisper's 400-sample window, and one."""

FIRST_MULTILINGUAL_VOCAB = 51865
"""Vocabularies at least this large hold language tokens (whisper.cpp: ``is_multilingual``)."""

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

Role = Literal["f32", "conv", "weight"]


@dataclass(frozen=True, slots=True)
class TensorType:
    """A ggml number format: blocks of ``block`` values take ``block_bytes`` bytes."""

    id: int
    name: str
    block: int
    block_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Place of a tensor's values in a file: ``n_bytes`` bytes from ``offset`` on."""

    name: str
    type: TensorType
    offset: int
    n_bytes: int


F32 = TensorType(0, "f32", 1, 4)
F16 = TensorType(1, "f16", 1, 2)

# A file's ftype, and the type of its large tensors (ggml_ftype_to_ggml_type in ggml/src/ggml.c;
# block sizes from ggml/src/ggml-common.h). These are what whisper.cpp's quantize tool writes.
TYPE_OF_FTYPE = {
    0: F32,
    1: F16,
    2: TensorType(2, "q4_0", 32, 18),
    3: TensorType(3, "q4_1", 32, 20),
    7: TensorType(8, "q8_0", 32, 34),
    8: TensorType(6, "q5_0", 32, 22),
    9: TensorType(7, "q5_1", 32, 24),
    10: TensorType(10, "q2_k", 256, 84),
    11: TensorType(11, "q3_k", 256, 110),
    12: TensorType(12, "q4_k", 256, 144),
    13: TensorType(13, "q5_k", 256, 176),
    14: TensorType(14, "q6_k", 256, 210),
    24: TensorType(30, "bf16", 1, 2),
}

FTYPE_OF_QUANTIZATION = {"q8_0": 7, "q5_1": 9, "q5_0": 8, "q4_1": 3, "q4_0": 2}
"""Quantizations, the most exact first, with the ftype of such a file."""

FTYPE_PER_VERSION = 1000
"""A quantized file's ftype has the version of the quantization in its thousands."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The eleven numbers after the magic, in the file's order."""

    n_vocab: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
    n_mels: int
    ftype: int

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Unpack them from 44 bytes."""
        return cls(*struct.unpack(f"<{len(fields(cls))}i", data))

    def pack(self) -> bytes:
        """Their 44 bytes."""
        values = astuple(self)
        return struct.pack(f"<{len(values)}i", *values)

    @property
    def multilingual(self) -> bool:
        """True if the vocabulary holds language tokens."""
        return self.n_vocab >= FIRST_MULTILINGUAL_VOCAB

    @property
    def weight_type(self) -> TensorType:
        """The format of the large tensors; the thousands of ``ftype`` are a quantizer's version."""
        return TYPE_OF_FTYPE[self.ftype % FTYPE_PER_VERSION]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that a model must have: ``dims`` has the innermost dimension first."""

    name: str
    dims: tuple[int, ...]
    role: Role

    def type_in(self, parameters: Hyperparameters) -> TensorType:
        """The number format this tensor has in a file with these parameters."""
        if self.role == "f32" or parameters.weight_type == F32:
            return F32
        return F16 if self.role == "conv" else parameters.weight_type

    def n_bytes(self, parameters: Hyperparameters) -> int:
        """Bytes of its data."""
        kind = self.type_in(parameters)
        return math.prod(self.dims) // kind.block * kind.block_bytes


def tensors(parameters: Hyperparameters) -> Iterator[TensorSpec]:
    """Every tensor of a model, in the order in which the published files hold them."""
    p = parameters
    state = p.n_audio_state
    yield TensorSpec("decoder.positional_embedding", (p.n_text_state, p.n_text_ctx), "f32")
    yield TensorSpec("encoder.positional_embedding", (state, p.n_audio_ctx), "f32")
    yield TensorSpec("decoder.token_embedding.weight", (p.n_text_state, p.n_vocab), "weight")
    for layer in range(p.n_text_layer):
        yield from _block(f"decoder.blocks.{layer}.", p.n_text_state, cross=True)
    yield from _norm("decoder.ln", p.n_text_state)
    yield TensorSpec("encoder.conv1.weight", (3, p.n_mels, state), "conv")
    yield TensorSpec("encoder.conv1.bias", (1, state), "f32")
    yield TensorSpec("encoder.conv2.weight", (3, state, state), "conv")
    yield TensorSpec("encoder.conv2.bias", (1, state), "f32")
    for layer in range(p.n_audio_layer):
        yield from _block(f"encoder.blocks.{layer}.", state, cross=False)
    yield from _norm("encoder.ln_post", state)


def problem(p: Hyperparameters) -> str | None:
    """The reason why no Whisper model has these hyperparameters; ``None`` if one may have them."""
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


def _block(prefix: str, state: int, *, cross: bool) -> Iterator[TensorSpec]:
    yield from _norm(f"{prefix}mlp_ln", state)
    yield from _linear(f"{prefix}mlp.0", state, 4 * state)
    yield from _linear(f"{prefix}mlp.2", 4 * state, state)
    for attention in ("attn", "cross_attn") if cross else ("attn",):
        yield from _norm(f"{prefix}{attention}_ln", state)
        for part in ("query", "key", "value", "out"):
            # Whisper's keys have no bias: softmax would cancel it.
            yield from _linear(f"{prefix}{attention}.{part}", state, state, bias=part != "key")


def _norm(name: str, state: int) -> Iterator[TensorSpec]:
    yield TensorSpec(f"{name}.weight", (state,), "f32")
    yield TensorSpec(f"{name}.bias", (state,), "f32")


def _linear(name: str, n_in: int, n_out: int, *, bias: bool = True) -> Iterator[TensorSpec]:
    yield TensorSpec(f"{name}.weight", (n_in, n_out), "weight")
    if bias:
        yield TensorSpec(f"{name}.bias", (n_out,), "f32")
