"""Model files in ggml's format: ``inspect`` gives one description to whoever needs facts of one.

``layout`` says how such a file is laid out, ``walk`` checks its structure, ``weights`` reads its
numbers, and ``files`` opens it, or says what else a file is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from whisperctl.errors import ModelError
from whisperctl.models.ggml.files import OncePerFile, reading
from whisperctl.models.ggml.layout import (
    F16,
    FTYPE_PER_VERSION,
    Hyperparameters,
    Place,
)
from whisperctl.models.ggml.walk import SILERO_SIGNATURE, SileroWalk, WhisperWalk
from whisperctl.transcript import ModelDescription, Network

ModelType = Literal["whisper", "silero"]
"""Whisper transcribes, Silero detects speech."""

_KIND_OF_LAYERS = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts of a model file that was found to be whole.

    ``kind`` is the family as whisper.cpp sees it ("tiny.en", "base", "large-v3", "large-v3-turbo"),
    or Silero's name and version ("silero-v6.2.0"); ``ftype`` is the number format of the large
    tensors ("f16", "q5_1"). A Silero model has no text, so it has no languages, no vocabulary and
    no ``description``, and its sizes are 0. ``path``, ``size_bytes`` and ``modified_ns`` tell
    whether a file is still the one that was inspected.
    """

    type: ModelType
    kind: str
    ftype: str
    size_bytes: int
    multilingual: bool = False
    n_languages: int = 0
    n_vocab: int = 0
    n_mels: int = 0
    n_audio_ctx: int = 0
    n_text_ctx: int = 0
    n_state: int = 0
    n_audio_layers: int = 0
    n_text_layers: int = 0
    n_text_heads: int = 0
    description: ModelDescription | None = None
    path: Path = field(default=Path(), compare=False)
    modified_ns: int = field(default=0, compare=False)


def inspect(path: Path, expected: ModelType | None = "whisper") -> ModelInfo:
    """Check that a file is a whole model, and describe it.

    The weights are not read: ``weights.check`` does that, and describes the model as well.

    Args:
        path: the file.
        expected: the type that it must have; ``None`` accepts either.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    return survey(path, expected)[0]


def survey(
    path: Path, expected: ModelType | None = None, *, called: Path | None = None
) -> tuple[ModelInfo, list[Place]]:
    """Like ``inspect``, and the place of every tensor in the file, in the file's order.

    A Whisper model's mel filters are the first of the places. ``called`` is what messages call the
    file, if not by ``path``.
    """
    model_type = expected or ("silero" if begins_like_silero(path) else "whisper")
    if called is not None:
        return _walk(path, model_type, called)
    info, places = (_silero if model_type == "silero" else _whisper)(path)
    return info, list(places)


@OncePerFile
def _whisper(path: Path) -> tuple[ModelInfo, list[Place]]:
    return _walk(path, "whisper", path)


@OncePerFile
def _silero(path: Path) -> tuple[ModelInfo, list[Place]]:
    return _walk(path, "silero", path)


def _walk(path: Path, model_type: ModelType, called: Path) -> tuple[ModelInfo, list[Place]]:
    with reading(path) as file:
        if model_type == "silero":
            silero = SileroWalk(called, file)
            info = _silero_info(silero.run(), silero, path)
            return info, silero.places
        whisper = WhisperWalk(called, file)
        return _whisper_info(whisper.run(), whisper, path), whisper.places


def begins_like_silero(path: Path) -> bool:
    """True if the file begins as a Silero model does, ``False`` also if it cannot be read."""
    try:
        return _begins_like_silero(path)
    except ModelError:
        return False


@OncePerFile
def _begins_like_silero(path: Path) -> bool:
    with reading(path) as file:
        return file.read(len(SILERO_SIGNATURE)) == SILERO_SIGNATURE


def _silero_info(version: str, walk: SileroWalk, path: Path) -> ModelInfo:
    return ModelInfo(
        type="silero",
        kind=f"silero-v{version}",
        ftype=F16.name,
        size_bytes=walk.size,
        path=path,
        modified_ns=walk.modified_ns,
    )


def _whisper_info(p: Hyperparameters, walk: WhisperWalk, path: Path) -> ModelInfo:
    return ModelInfo(
        type="whisper",
        kind=_kind(p),
        ftype=p.weight_type.name,
        size_bytes=walk.size,
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
        description=_description(p),
        path=path,
        modified_ns=walk.modified_ns,
    )


def _description(p: Hyperparameters) -> ModelDescription:
    return ModelDescription(
        multilingual=p.multilingual,
        n_vocab=p.n_vocab,
        n_mels=p.n_mels,
        ftype=p.ftype % FTYPE_PER_VERSION,
        encoder=Network(p.n_audio_ctx, p.n_audio_state, p.n_audio_head, p.n_audio_layer),
        decoder=Network(p.n_text_ctx, p.n_text_state, p.n_text_head, p.n_text_layer),
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
