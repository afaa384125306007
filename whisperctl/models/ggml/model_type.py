"""The two kinds of models: Whisper, which transcribes, and Silero, which detects speech."""

from __future__ import annotations

from pathlib import Path

from whisperctl.models import ggml
from whisperctl.models.ggml import silero
from whisperctl.models.ggml.layout import Place


def inspect(path: Path) -> ggml.ModelInfo | silero.SileroInfo:
    """Check that ``path`` is a whole model of either kind.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    return silero.inspect(path) if silero.begins_like_silero(path) else ggml.inspect(path)


def places(path: Path, called: Path | None = None) -> list[Place]:
    """Where a model of either kind has its weights, in the file's order.

    Args:
        path: the file.
        called: what to call it in messages, if not by ``path``.

    Raises:
        ModelError: as ``inspect``.
    """
    if silero.begins_like_silero(path):
        return silero.places(path, called)
    return ggml.places(path, called)
