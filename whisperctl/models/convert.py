"""Conversion of CTranslate2 (faster-whisper) models to float16 ggml files, number for number."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from whisperctl.errors import ModelError
from whisperctl.models.ct2 import CTranslate2Model, FloatArray, read_vocabulary
from whisperctl.models.ggml.files import OnProgress, ignore
from whisperctl.models.ggml.layout import (
    MAGIC,
    N_FFT,
    Hyperparameters,
    TensorSpec,
    problem,
    tensors,
)
from whisperctl.text import quoted

_F16_FTYPE = 1
_HEAD_SIZE = 64  # every Whisper model's; old conversions do not state the number of heads
_CHUNK_VALUES = 4 << 20

_SAMPLE_RATE = 16_000
# Slaney's mel scale: linear below 1000 Hz, logarithmic above (Auditory Toolbox, 1998).
_HZ_PER_MEL = 200 / 3
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27

# Where CTranslate2 keeps a layer: the variable, and which of how many parts stacked in it.
_LAYERS = {
    "mlp_ln": ("ffn/layer_norm", 0, 1),
    "mlp.0": ("ffn/linear_0", 0, 1),
    "mlp.2": ("ffn/linear_1", 0, 1),
    "attn_ln": ("self_attention/layer_norm", 0, 1),
    "attn.query": ("self_attention/linear_0", 0, 3),
    "attn.key": ("self_attention/linear_0", 1, 3),
    "attn.value": ("self_attention/linear_0", 2, 3),
    "attn.out": ("self_attention/linear_1", 0, 1),
    "cross_attn_ln": ("attention/layer_norm", 0, 1),
    "cross_attn.query": ("attention/linear_0", 0, 1),
    "cross_attn.key": ("attention/linear_1", 0, 2),
    "cross_attn.value": ("attention/linear_1", 1, 2),
    "cross_attn.out": ("attention/linear_2", 0, 1),
}
_OTHERS = {
    "decoder.positional_embedding": "decoder/position_encodings/encodings",
    "encoder.positional_embedding": "encoder/position_encodings/encodings",
    "decoder.token_embedding.weight": "decoder/embeddings/weight",
    "decoder.ln.weight": "decoder/layer_norm/gamma",
    "decoder.ln.bias": "decoder/layer_norm/beta",
    "encoder.ln_post.weight": "encoder/layer_norm/gamma",
    "encoder.ln_post.bias": "encoder/layer_norm/beta",
    "encoder.conv1.weight": "encoder/conv1/weight",
    "encoder.conv1.bias": "encoder/conv1/bias",
    "encoder.conv2.weight": "encoder/conv2/weight",
    "encoder.conv2.bias": "encoder/conv2/bias",
}


def convert(directory: Path, out: BinaryIO, on_progress: OnProgress = ignore) -> None:
    """Write the model in ``directory`` to ``out``.

    Of a published model the result is byte for byte the published ggml file.

    Args:
        directory: holds ``model.bin`` with float16 or float32 weights, and a vocabulary.
        out: gets the ggml file.
        on_progress: called with the bytes written.

    Raises:
        ModelError: the directory holds no such model, or a damaged one.
        OSError: ``out`` cannot be written.
    """
    model = CTranslate2Model.open(_weights_file(directory))
    parameters = _parameters(model)
    tokens = read_vocabulary(directory, multilingual=parameters.multilingual)

    out.write(struct.pack("<I", MAGIC))
    out.write(parameters.pack())
    out.write(struct.pack("<2i", parameters.n_mels, N_FFT))
    out.write(mel_filters(parameters.n_mels).astype("<f4").tobytes())
    out.write(struct.pack("<i", len(tokens)))
    for token in tokens:
        out.write(struct.pack("<i", len(token)) + token)

    specs = list(tensors(parameters))
    total = sum(spec.n_bytes(parameters) for spec in specs)
    done = 0
    for spec in specs:
        on_progress("converting", done, total)
        _write_tensor(out, spec, _source(model, spec), parameters)
        done += spec.n_bytes(parameters)
    on_progress("converting", done, total)


def mel_filters(n_mels: int) -> npt.NDArray[np.float32]:
    """Triangular filters of equal area on Slaney's mel scale, from 0 to 8000 Hz.

    The same numbers, bit for bit, as ``librosa.filters.mel(sr=16000, n_fft=400, n_mels=n_mels)``,
    which is where OpenAI's ``mel_filters.npz`` comes from: the order of operations matters.

    Returns:
        float32, shape (n_mels, 201).
    """
    top_mel = _KNEE_MEL + np.log(_SAMPLE_RATE / 2 / _KNEE_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top_mel, n_mels + 2)
    edges_hz = np.where(
        mels >= _KNEE_MEL, _KNEE_HZ * np.exp(_LOG_STEP * (mels - _KNEE_MEL)), _HZ_PER_MEL * mels
    )
    bins_hz = np.fft.rfftfreq(2 * (N_FFT - 1), 1 / _SAMPLE_RATE)
    widths = np.diff(edges_hz)
    ramps = np.subtract.outer(edges_hz, bins_hz)
    weights = np.zeros((n_mels, N_FFT), np.float32)
    for i in range(n_mels):
        rising, falling = -ramps[i] / widths[i], ramps[i + 2] / widths[i + 1]
        weights[i] = np.maximum(0, np.minimum(rising, falling)) + 0.0  # a zero without a sign
    weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, np.newaxis]
    return weights


def _weights_file(directory: Path) -> Path:
    path = directory / "model.bin"
    if path.is_file():
        return path
    for other in ("model.safetensors", "pytorch_model.bin"):
        if (directory / other).is_file():
            raise ModelError(
                f"{quoted(directory)} contains a Transformers model ({other}): convert it with "
                "ct2-transformers-converter --quantization float16 first"
            )
    raise ModelError(f"{quoted(directory)} is not a CTranslate2 model: it has no model.bin")


def _parameters(model: CTranslate2Model) -> Hyperparameters:
    n_vocab, text_state = _shape(model, "decoder/embeddings/weight", 2)
    text_ctx, _ = _shape(model, "decoder/position_encodings/encodings", 2)
    audio_ctx, audio_state = _shape(model, "encoder/position_encodings/encodings", 2)
    _, n_mels, _ = _shape(model, "encoder/conv1/weight", 3)
    parameters = Hyperparameters(
        n_vocab=n_vocab,
        n_audio_ctx=audio_ctx,
        n_audio_state=audio_state,
        n_audio_head=model.integer("encoder/num_heads", audio_state // _HEAD_SIZE),
        n_audio_layer=_n_layers(model, "encoder"),
        n_text_ctx=text_ctx,
        n_text_state=text_state,
        n_text_head=model.integer("decoder/num_heads", text_state // _HEAD_SIZE),
        n_text_layer=_n_layers(model, "decoder"),
        n_mels=n_mels,
        ftype=_F16_FTYPE,
    )
    if wrong := problem(parameters):
        raise ModelError(f"{quoted(model.path)} is damaged or not a Whisper model: {wrong}")
    return parameters


def _shape(model: CTranslate2Model, name: str, rank: int) -> tuple[int, ...]:
    shape = model.floats(name).shape
    if len(shape) != rank:
        raise ModelError(f'{quoted(model.path)} is not a Whisper model: "{name}" has shape {shape}')
    return shape


def _n_layers(model: CTranslate2Model, side: str) -> int:
    n_layers = 0
    while f"{side}/layer_{n_layers}/ffn/linear_0/weight" in model:
        n_layers += 1
    return n_layers


def variable_of(tensor: str) -> tuple[str, int, int]:
    """The CTranslate2 variable that holds what ggml calls ``tensor``.

    Returns:
        The variable's name, which of the parts stacked in it is the tensor, and how many there are.
    """
    if (other := _OTHERS.get(tensor)) is not None:
        return other, 0, 1
    side, _, layer, rest = tensor.split(".", 3)
    place, kind = rest.rsplit(".", 1)
    variable, part, n_parts = _LAYERS[place]
    if variable.endswith("layer_norm"):
        kind = {"weight": "gamma", "bias": "beta"}[kind]
    return f"{side}/layer_{layer}/{variable}/{kind}", part, n_parts


def _source(model: CTranslate2Model, spec: TensorSpec) -> FloatArray:
    """Values of one tensor, in ggml's shape."""
    variable, part, n_parts = variable_of(spec.name)
    values = model.floats(variable)
    shape = spec.dims[::-1]
    if spec.name.startswith("encoder.conv") and spec.name.endswith("bias"):
        values = values.reshape(-1, 1)
    if values.shape != (shape[0] * n_parts, *shape[1:]):
        raise ModelError(
            f'{quoted(model.path)} is not a plain Whisper model: "{variable}" has shape '
            f"{values.shape}"
        )
    return values[part * shape[0] : (part + 1) * shape[0]]


def _write_tensor(
    out: BinaryIO, spec: TensorSpec, values: FloatArray, parameters: Hyperparameters
) -> None:
    kind = spec.type_in(parameters)
    name = spec.name.encode()
    out.write(struct.pack("<3i", len(spec.dims), len(name), kind.id))
    out.write(struct.pack(f"<{len(spec.dims)}i", *spec.dims) + name)
    # In chunks, because the largest tensor of the largest model has a quarter of a gigabyte.
    flat = values.reshape(-1)
    for start in range(0, flat.size, _CHUNK_VALUES):
        chunk = flat[start : start + _CHUNK_VALUES]
        with np.errstate(over="ignore"):
            out.write(chunk.astype("<f4" if kind.id == 0 else "<f2").tobytes())
