"""Attention heads of the published models that follow the audio, for timing tokens by alignment.

whisper.cpp knows them by the model's name (``g_aheads``, the same as openai-whisper's
``_ALIGNMENT_HEADS``). A file's header tells the name, except that of the first two large models,
which are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from whisperctl.models import catalog
from whisperctl.models.ggml import ModelInfo
from whisperctl.models.ggml.files import hex_digest

# By name, and by the layer that the heads are in: ``g_aheads`` in whisper.cpp.
_HEADS: dict[str, dict[int, tuple[int, ...]]] = {
    "tiny.en": {1: (0,), 2: (0, 5), 3: (0, 1, 2, 3, 4)},
    "tiny": {2: (2,), 3: (0, 2, 3, 4, 5)},
    "base.en": {3: (3,), 4: (7,), 5: (1, 5, 7)},
    "base": {3: (1,), 4: (2, 3, 7), 5: (1, 2, 4, 6)},
    "small.en": {
        6: (6,),
        7: (0, 3, 8),
        8: (2, 5, 7),
        9: (0, 4, 8, 10),
        10: (0, 1, 2, 3, 6, 11),
        11: (2, 4),
    },
    "small": {5: (3, 9), 8: (0, 4, 7, 8), 9: (0, 7, 9), 10: (5,)},
    "medium.en": {
        11: (4,),
        14: (1, 12, 14),
        15: (4,),
        16: (0, 4, 9),
        17: (12, 14),
        18: (7, 10, 15),
        20: (0, 3, 9, 14),
        21: (12,),
    },
    "medium": {13: (15,), 15: (4, 15), 16: (1,), 20: (0,), 23: (4,)},
    "large-v1": {9: (19,), 11: (2, 4, 17), 22: (7, 11, 17), 23: (2, 15)},
    "large-v2": {
        10: (12,),
        13: (17,),
        16: (11, 12, 13),
        17: (15, 16),
        18: (4, 11, 19),
        19: (11,),
        21: (2, 3),
        22: (3, 9, 12),
        23: (5, 7, 13),
        25: (5,),
        26: (1, 12),
        27: (15,),
    },
    "large-v3": {
        7: (0,),
        10: (17,),
        12: (18,),
        13: (12,),
        16: (1,),
        17: (14,),
        19: (11,),
        21: (4,),
        24: (1,),
        25: (6,),
    },
    "large-v3-turbo": {2: (4, 11), 3: (3, 6, 11, 14)},
}
# State and heads a layer, by the first part of the name; in another model other heads would follow.
_SHAPES = {
    "tiny": (384, 6),
    "base": (512, 8),
    "small": (768, 12),
    "medium": (1024, 16),
    "large": (1280, 20),
}
_AMBIGUOUS = ("large-v1", "large-v2")
_MIN_BYTES = 48 << 20


@dataclass(frozen=True, slots=True)
class Alignment:
    """Settings for alignment: the model's name, memory to compute in, and the heads.

    ``heads`` are pairs of a layer of the decoder and one of its heads.
    """

    preset: str
    memory_bytes: int
    heads: tuple[tuple[int, int], ...]


def find(info: ModelInfo) -> Alignment | None:
    """Alignment settings of a Whisper model; ``None`` if its heads are not known.

    Args:
        info: facts of the model, of which two large ones can be told apart by the file alone.

    Raises:
        ModelError: the file cannot be read.
    """
    preset: str | None = info.kind
    if preset == "large":
        preset = _large(info.path, info.size_bytes)
    if preset is None or preset not in _HEADS:
        return None
    if (info.n_state, info.n_text_heads) != _SHAPES[preset.split(".")[0].split("-")[0]]:
        return None
    # whisper.cpp aborts the process where this is too little. It keeps three copies of what the
    # heads say of each token and frame, and a few numbers more for each pair; the text of a window
    # has at most half as many tokens as the model takes.
    pairs = info.n_text_ctx * info.n_audio_ctx
    heads = tuple((layer, head) for layer, those in _HEADS[preset].items() for head in those)
    memory_bytes = 4 * pairs * (3 * len(heads) + 8) + (1 << 20)
    return Alignment(preset, max(memory_bytes, _MIN_BYTES), heads)


def _large(model: Path, size_bytes: int) -> str | None:
    """The large model that a file is, by its name or else its hash."""
    for name in _AMBIGUOUS:
        if name in model.name:
            return name
    if any(p.size_bytes == size_bytes for p in catalog.MODELS.values() if p.name in _AMBIGUOUS):
        published = catalog.with_sha1(hex_digest(model, "sha1"))
        if published is not None and published.name in _AMBIGUOUS:
            return published.name
    return None
