"""Which of a model's attention heads follow the sound, by which tokens can be given their times.

whisper.cpp knows them for the published models (``g_aheads`` in whisper.cpp, which are those of
openai-whisper's ``_ALIGNMENT_HEADS``), by the model's name. A file's header tells its name, but for
the first two large ones, which are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from whisperctl.models import catalog, ggml
from whisperctl.models.hashing import hex_digest

# How many heads, by name: what whisper.cpp computes with takes room for each of them.
_N_HEADS = {
    "tiny.en": 8,
    "tiny": 6,
    "base.en": 5,
    "base": 8,
    "small.en": 19,
    "small": 10,
    "medium.en": 18,
    "medium": 6,
    "large-v1": 9,
    "large-v2": 23,
    "large-v3": 10,
    "large-v3-turbo": 6,
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
    """What whisper.cpp needs to align: the model's name, and room to compute in."""

    preset: str
    memory_bytes: int


def find(model: Path) -> Alignment | None:
    """How to align with a Whisper model; ``None`` where its heads are not known.

    Raises:
        ModelError: the file is no whole model.
    """
    info = ggml.inspect(model)
    preset: str | None = info.kind
    if preset == "large":
        preset = _large(model, info.size_bytes)
    if preset is None or preset not in _N_HEADS:
        return None
    if (info.n_state, info.n_text_heads) != _SHAPES[preset.split(".")[0].split("-")[0]]:
        return None
    # whisper.cpp aborts the process where this is too little. It keeps three copies of what the
    # heads say of each token and frame, and a few numbers more for each pair; the text of a window
    # has at most half as many tokens as the model takes.
    pairs = info.n_text_ctx * info.n_audio_ctx
    memory_bytes = 4 * pairs * (3 * _N_HEADS[preset] + 8) + (1 << 20)
    return Alignment(preset, max(memory_bytes, _MIN_BYTES))


def _large(model: Path, size_bytes: int) -> str | None:
    """Which of the large models alike it is, by its file's name or else its hash."""
    for name in _AMBIGUOUS:
        if name in model.name:
            return name
    if any(p.size_bytes == size_bytes for p in catalog.MODELS.values() if p.name in _AMBIGUOUS):
        published = catalog.with_sha1(hex_digest(model, "sha1"))
        if published is not None and published.name in _AMBIGUOUS:
            return published.name
    return None
