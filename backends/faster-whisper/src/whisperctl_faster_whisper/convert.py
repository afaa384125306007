"""Writes a ggml Whisper model as the directory that faster-whisper reads.

The reverse of ``whisperctl.models.convert``: float16 weights stay what they are, bit for bit,
unless they are written as the 8-bit integers that CTranslate2 would make of them whenever it loads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.model_spec import index_spec
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from whisperctl.models import alignment, ggml
from whisperctl.models.convert import variable_of
from whisperctl.models.ggml.layout import Hyperparameters, tensors
from whisperctl_faster_whisper import vocabulary
from whisperctl_faster_whisper.weights import FloatArray, GgmlWeights

VERSION = 1
"""Raised whenever the same model would be written another way."""

_TIED = "decoder/embeddings/weight"


def convert(model: Path, out: Path) -> None:
    """Write the model in ``model``, a ggml file, into the empty directory ``out``.

    Raises:
        ModelError: the file is no whole Whisper model, or one that is not known here.
        OSError: ``out`` cannot be written.
    """
    _convert(model, out, int8=False)


def convert_int8(model: Path, out: Path) -> None:
    """As ``convert``, with the weights that CTranslate2's compute type int8 makes of the others.

    Its results are the same, and it is loaded in a third of the time.
    """
    _convert(model, out, int8=True)


def _convert(model: Path, out: Path, *, int8: bool) -> None:
    weights = GgmlWeights.open(model)
    parameters = weights.parameters
    words = vocabulary.complete(weights.tokens, parameters.n_vocab)
    tokenizer = vocabulary.tokenizer(words)
    spec = _spec(weights)
    spec.register_vocabulary(words.strings)
    config = spec.config
    # The ids as faster-whisper would give them, and those of openai-whisper's SuppressBlank.
    named = Tokenizer(tokenizer, parameters.multilingual, task="transcribe", language="en")
    config.suppress_ids = list(get_suppressed_tokens(named, [-1]))
    config.suppress_ids_begin = [words.text.index(b" "), words.end_of_text]
    config.lang_ids = list(words.language_ids)
    config.alignment_heads = _alignment_heads(model, parameters)
    spec.validate()
    if int8:
        _quantize(spec)
    # The projection's weights are the embedding's: validate does not take their name for them.
    spec.decoder.projection.weight = _TIED
    spec.save(str(out))
    (out / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    features = {"feature_size": parameters.n_mels}
    (out / "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")


def _spec(weights: GgmlWeights) -> Any:
    """CTranslate2's description of a model, with all its weights."""
    p = weights.parameters
    spec = WhisperSpec(p.n_audio_layer, p.n_audio_head, p.n_text_layer, p.n_text_head)
    parts: dict[str, list[FloatArray | None]] = {}
    for tensor in tensors(p):
        variable, part, n_parts = variable_of(tensor.name)
        parts.setdefault(variable, [None] * n_parts)[part] = weights[tensor.name]
    for variable, pieces in parts.items():
        _set(spec, variable, _stacked(pieces))
    _set(spec, "decoder/projection/weight", _stacked(parts[_TIED]))
    return spec


def _quantize(spec: Any) -> None:
    """Make weights 8-bit integers, but for the convolutions, which CTranslate2 keeps."""
    convolutions = (spec.encoder.conv1, spec.encoder.conv2)
    kept = [(copy.deepcopy(one.weight), one.weight_scale) for one in convolutions]
    spec.optimize(quantization="int8")
    for one, (weight, scale) in zip(convolutions, kept, strict=True):
        one.weight, one.weight_scale = weight, scale
    spec.decoder.projection.weight_scale = f"{_TIED}_scale"


def _stacked(pieces: Sequence[FloatArray | None]) -> FloatArray:
    """The parts of a variable in one; a part that ggml leaves out, as the keys' bias, is zero."""
    known = [piece for piece in pieces if piece is not None]
    if len(pieces) == 1:
        # ggml keeps the bias of a convolution as a column.
        whole = known[0]
        return whole.reshape(-1) if whole.shape[1:] == (1,) else whole
    return np.concatenate([np.zeros_like(known[0]) if p is None else p for p in pieces])


def _set(spec: Any, variable: str, values: FloatArray) -> None:
    scope, _, name = variable.rpartition("/")
    setattr(index_spec(spec, scope), name, values)


def _alignment_heads(model: Path, parameters: Hyperparameters) -> list[tuple[int, int]]:
    """The heads that follow the sound; of models not published the last half of the layers'."""
    known = alignment.find(ggml.inspect(model))
    if known is not None:
        return list(known.heads)
    layers = range(parameters.n_text_layer // 2, parameters.n_text_layer)
    return list(product(layers, range(parameters.n_text_head)))
